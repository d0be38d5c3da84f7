"""What markets and crowds said of contracts that have since been settled: rows of the scored table, as of an instant.

A contract is a question, a quote a forecast of it, and all of them together one forecaster, the crowd. Only what was
public by the instant is seen, endings included.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from forecast.case import Case
from forecast.evaluation.table import COLUMNS, check_table, cluster_of
from forecast.markets.implied import Rules, implied_probability
from forecast.markets.tables import contracts_as_of, quotes_as_of
from forecast.markets.venue import Contract, Quote

CROWD = "crowd"
LEFT_OUT = {
    "open": "contracts that were not settled by then",
    "early": "contracts that an event settled while their deadline is still to come",
    "void": "contracts that ended void",
    "scalar": "contracts that paid something between",
    "undated": "settled contracts without a deadline or an end of trading",
    "unquoted": "settled contracts without a quote that could be used",
    "unpriced": "quotes of settled contracts that imply no probability",
    "late": "quotes of settled contracts from after the scheduled deadline",
}
"""Reasons for which a contract or a quote is not in the table."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The scored table of settled contracts.

    Attributes
    ----------
    table
        Columns of :mod:`forecast.evaluation.table` and ``venue``; no rows where nothing is settled.
    left_out
        How much is not in it, by the reasons of ``LEFT_OUT``.
    """

    table: pd.DataFrame
    left_out: Mapping[str, int]


def settled_as_of(case: Case, when: datetime, *, rules: Rules | None = None) -> Settled:
    """Return the scored table of a case's contracts that were settled by an instant.

    Raises
    ------
    AsOfError
        The time has no zone.
    DataError
        A row of the market tables breaks their rules.
    """
    return settled_of(contracts_as_of(case, when), quotes_as_of(case, when), case=case.id, when=when, rules=rules)


def settled_of(
    contracts: Iterable[Contract], quotes: Iterable[Quote], *, case: str, when: datetime, rules: Rules | None = None
) -> Settled:
    """Return the scored table of contracts and quotes that have passed an as-of time.

    Parameters
    ----------
    contracts, quotes
        As they were known: of :func:`contracts_as_of` and :func:`quotes_as_of`.
    case
        Id of the case.
    when
        The as-of time. A contract counts once its scheduled deadline has passed: of the same age, those without an
        event are still open, and events alone would be scored.
    rules
        Which price of a quote is believed.
    """
    left: Counter[str] = Counter(dict.fromkeys(LEFT_OUT, 0))
    by_contract: dict[tuple[str, str], list[Quote]] = {}
    for quote in quotes:
        by_contract.setdefault((quote.venue, quote.contract_id), []).append(quote)
    rows = []
    for contract in contracts:
        reason = _unusable(contract, when)
        found = [] if reason else _rows(contract, by_contract.get((contract.venue, contract.id), ()), rules, left)
        if not found:
            left[reason or "unquoted"] += 1
        rows += found
    columns = [c for c in COLUMNS if c != "horizon_weeks"]
    table = pd.DataFrame(rows, columns=[*columns, "venue"]).assign(label="published", forecaster=CROWD, case=case)
    return Settled(check_table(table) if rows else table, dict(left))


def deadline_of(contract: Contract) -> datetime | None:
    """Return the scheduled deadline of a contract: that of its rules, else the end of trading that its venue states."""
    return contract.deadline or contract.closes_at


def contract_cluster(*, settled_at: datetime, deadline: datetime) -> str:
    """Name the cluster of a settled contract.

    Settled before the day of its scheduled deadline, it was settled by what happened: the cluster is ``event:fact of``
    and the day of the settling, so that contracts which one event settles are one cluster. Otherwise the deadline
    settled it, and the cluster is the calendar year, as in :func:`forecast.evaluation.table.cluster_of`, of the day
    before the deadline: so 31 December and midnight of 1 January are in one year. All days are UTC.

    Parameters
    ----------
    settled_at
        When the venue settled.
    deadline
        The scheduled deadline.
    """
    settled_on, scheduled = settled_at.astimezone(UTC).date(), deadline.astimezone(UTC).date()
    fact = f"fact of {settled_on}" if settled_on < scheduled else None
    return cluster_of(settled_by=fact, by=scheduled - timedelta(days=1))


def question_of(contract: Contract) -> str:
    """Name a contract as a question."""
    return f"{contract.venue}:{contract.id}"


def _unusable(contract: Contract, when: datetime) -> str:
    """Say why a contract cannot be scored, in a word of ``LEFT_OUT``; empty if it can."""
    ending = contract.resolution
    if ending is None or ending.settled_at is None:
        return "open"
    if ending.outcome in {"void", "scalar"}:
        return ending.outcome
    deadline = deadline_of(contract)
    if deadline is None:
        return "undated"
    return "early" if deadline > when else ""


def _rows(
    contract: Contract, quotes: Iterable[Quote], rules: Rules | None, left: Counter[str]
) -> list[dict[str, object]]:
    """Lay the quotes of a settled contract out, one to a second, and count those that cannot be used."""
    ending, deadline = contract.resolution, deadline_of(contract)
    if ending is None or ending.settled_at is None or deadline is None:
        return []
    found = {}
    for quote in quotes:
        stood = (quote.time or quote.fetched_at).replace(microsecond=0)
        probability = implied_probability(quote, rules=rules, fees=contract.fees).probability
        if stood >= deadline or stood >= ending.settled_at or probability is None:
            left["unpriced" if probability is None else "late"] += 1
            continue
        found[stood] = {
            "venue": contract.venue,
            "question": question_of(contract),
            "origin": pd.Timestamp(stood),
            "by": deadline.astimezone(UTC).date(),
            "probability": probability,
            "outcome": float(ending.outcome == "yes"),
            "decided_on": pd.Timestamp(ending.settled_at),
            "cluster": contract_cluster(settled_at=ending.settled_at, deadline=deadline),
        }
    return list(found.values())
