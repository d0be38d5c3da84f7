"""A backtest beside the prices of its days: what each open mapped contract was worth to each rung, and what it cost.

Of a contract x E s + (1 - x) E f is its worth, with x the rung's probability of our event by the contract's deadline
and E s and E f the mapping's two beliefs. A pair is such a worth and the price that stood, of one contract at one
origin; it can be scored once the contract is settled.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from forecast.case import Case
from forecast.errors import ScoreError
from forecast.evaluation.reconstructed import LABEL
from forecast.evaluation.table import score_rows
from forecast.markets.curves import ModelCurve, ModelCurves
from forecast.markets.implied import Rules, implied_probability
from forecast.markets.mapping import MappedLeg, Mapping, load_mappings
from forecast.markets.settled import contract_cluster, question_of
from forecast.markets.tables import STALE, contracts_as_of, latest_quotes, quotes_as_of
from forecast.markets.venue import Contract, Quote
from forecast.outlook.probabilities import INTERVAL

MARKET = "market"
BASE_RATE = "R0"
_ROW = ("case", "question", "origin", "by", "outcome", "decided_on", "cluster")
_COLUMNS = (*_ROW, "rung", "mapping", "contract", "deadline", "market", "model")


def valued_legs(case: Case, curves: pd.DataFrame, *, when: datetime, rules: Rules | None = None) -> pd.DataFrame:
    """Value every mapped leg that was open at an origin and had a price of that week.

    Parameters
    ----------
    case
        With its contracts, quotes and mappings.
    curves
        Of a backtest's tables; fits that failed their gate and origins after ``when`` are left out.
    when
        The as-of time: neither a quote nor an ending that became public later is seen.
    rules
        Which price of a quote is believed.

    Returns
    -------
    pandas.DataFrame
        One row a rung, origin, mapping and leg: ``market``, the implied probability of YES; ``model``, the contract's
        worth; ``outcome`` of YES, ``decided_on`` and ``cluster``, missing until the deadline has passed, and for
        good where it ended void or between.

    Raises
    ------
    ScoreError
        A curve lacks a week, or origins have no zone.
    """
    if not isinstance(curves["origin"].dtype, pd.DatetimeTZDtype):
        message = "curves of the backtest, column 'origin': needs times with a zone; run the backtest again"
        raise ScoreError(message)
    usable = curves[curves["gate"].ne("fail") & (curves["origin"] <= when)]
    market = _Market(
        {(c.venue, c.id): c for c in contracts_as_of(case, when)}, quotes_as_of(case, when), load_mappings(case), rules
    )
    rows: list[dict[str, Any]] = []
    for origin in usable["origin"].drop_duplicates().sort_values().tolist():
        at_origin = usable[usable["origin"] == origin]
        models = [_model(case, str(rung), origin, own) for rung, own in at_origin.groupby("forecaster")]
        for mapping, leg, contract, price in _priced(market, origin):
            asked = {"case": case.id, "origin": origin, "market": price, **_leg(mapping, leg, contract, when)}
            found = ((model, model.by(mapping.event, leg.by)) for model in models)
            rows += [asked | {"rung": m.rung, "model": mapping.worth(x[0])} for m, x in found if x is not None]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return table.astype({"outcome": float, "market": float, "model": float})


def settled_pairs(valued: pd.DataFrame, rung: str, *, base_rate: bool = False) -> pd.DataFrame:
    """Return the scored rows of a rung and of the market, forecaster by forecaster, on what is settled.

    A contract that two mappings name is one question, worth to the model the mean of what both say. All rows are
    labelled reconstructed, the market's with them: its prices were public, but the pairs were made afterwards.

    Parameters
    ----------
    valued
        Of :func:`valued_legs`.
    rung
        Whose worths.
    base_rate
        Add the worths to R0, on the contracts and origins that it shares.

    Returns
    -------
    pandas.DataFrame
        As :func:`forecast.evaluation.table.score_rows` gives it; no rows where no pair is settled.
    """
    settled = valued[valued["outcome"].notna()]
    members = {rung: _of_rung(settled, rung, "model"), MARKET: _of_rung(settled, rung, "market")}
    if base_rate:
        members[BASE_RATE] = _of_rung(settled, BASE_RATE, "model")
    key = ["question", "origin"]
    shared = pd.concat(members.values()).groupby(key)[key[0]].transform("size") == len(members)
    rows = pd.concat([own.assign(label=LABEL, forecaster=name) for name, own in members.items()])
    rows = rows[shared.to_numpy()]
    return score_rows(rows) if len(rows) else rows


def history(valued: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the series of each mapped leg: price and worths, origin by origin."""
    found = []
    ordered = valued.sort_values(["mapping", "deadline", "origin"], kind="stable")
    for (mapping, contract), own in ordered.groupby(["mapping", "contract"], sort=False):
        series = [
            {"origin": origin, "market": at["market"].iloc[0], "worth": dict(zip(at["rung"], at["model"], strict=True))}
            for origin, at in own.groupby("origin")
        ]
        head = own.iloc[0]
        leg = {"mapping": mapping, "contract": contract, "by": head["deadline"], "outcome": head["outcome"]}
        found.append(leg | {"series": series})
    return found


@dataclass(frozen=True, slots=True)
class _Market:
    """What was public of the market by the as-of time."""

    contracts: dict[tuple[str, str], Contract]
    quotes: list[Quote]
    mappings: tuple[Mapping, ...]
    rules: Rules | None


def _priced(market: _Market, origin: datetime) -> Iterator[tuple[Mapping, MappedLeg, Contract, float]]:
    """Yield the mapped legs that were open at an origin with their prices of that week, as known then."""
    latest = latest_quotes([q for q in market.quotes if q.fetched_at <= origin])
    for mapping in market.mappings:
        if not mapping.holds_at(origin):
            continue
        for leg in mapping.legs:
            key = (mapping.venue, leg.contract)
            contract, quote = market.contracts.get(key), latest.get(key)
            if contract is None or quote is None or not _open(contract, leg, origin):
                continue
            price = implied_probability(quote, rules=market.rules, fees=contract.fees).probability
            if price is not None and origin - (quote.time or quote.fetched_at) <= STALE:
                yield mapping, leg, contract, price


def _open(contract: Contract, leg: MappedLeg, origin: datetime) -> bool:
    settled_at = contract.resolution.settled_at if contract.resolution is not None else None
    return leg.by > origin and (settled_at is None or settled_at > origin)


def _leg(mapping: Mapping, leg: MappedLeg, contract: Contract, when: datetime) -> dict[str, Any]:
    """Say what a pair is about and, if it was decided and its deadline has passed, how."""
    asked = {
        "question": question_of(contract),
        "by": leg.by.astimezone(UTC).date(),
        "mapping": mapping.id,
        "contract": leg.contract,
        "deadline": leg.by,
    }
    ending = contract.resolution
    if ending is None or ending.settled_at is None or ending.outcome not in {"yes", "no"} or leg.by > when:
        return asked
    cluster = contract_cluster(settled_at=ending.settled_at, deadline=leg.by)
    told = {"outcome": float(ending.outcome == "yes"), "decided_on": pd.Timestamp(ending.settled_at)}
    return asked | told | {"cluster": cluster}


def _model(case: Case, rung: str, origin: datetime, curves: pd.DataFrame) -> ModelCurves:
    """Lay a rung's curves at one origin out by event."""
    events = {question.id: question.event for question in case.questions}
    found = {}
    for question, own in curves.sort_values("week").groupby("question"):
        if own["week"].tolist() != list(range(len(own))):
            message = f"curves of {rung} as of {origin:%Y-%m-%d}: {question} lacks a week; run the backtest again"
            raise ScoreError(message)
        p = own["probability"].to_numpy(float)
        found[events.get(str(question), str(question))] = ModelCurve(str(question), p, p, p)
    return ModelCurves(case.id, origin, rung, str(curves["gate"].iloc[0]), INTERVAL, found)


def _of_rung(settled: pd.DataFrame, rung: str, column: str) -> pd.DataFrame:
    """One row a contract and origin, with the mean of what its mappings say as the probability."""
    own = settled[settled["rung"] == rung].rename(columns={column: "probability"})
    first = {name: (name, "first") for name in ("case", "by", "outcome", "decided_on", "cluster")}
    return own.groupby(["question", "origin"]).agg(probability=("probability", "mean"), **first).reset_index()
