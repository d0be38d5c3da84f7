"""How the prices of a case's settled contracts turned out, as one document, and what it shows in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from forecast.case import Case
from forecast.errors import ScoreError
from forecast.evaluation.reading import LEAST_CLUSTERS, events
from forecast.evaluation.record import plain
from forecast.evaluation.resampling import INTERVAL
from forecast.evaluation.scores import FLOOR
from forecast.evaluation.summary import score_table
from forecast.evaluation.table import QUESTION, deadline
from forecast.markets.settled import LEFT_OUT, settled_as_of

SCHEMA = "forecast-market-scores/1"

NO_CLAIM = (
    f"With fewer than {LEAST_CLUSTERS} events no claim is made: the numbers are a record, not evidence, and their "
    "intervals are too narrow."
)


def market_scores(case: Case, *, when: datetime) -> dict[str, Any]:
    """Score what markets and crowds said of the contracts that were settled by an instant.

    Parameters
    ----------
    case
        With its contracts and quotes.
    when
        The as-of time: neither a quote nor an ending that became public later is seen.

    Returns
    -------
    dict
        JSON-ready, schema ``forecast-market-scores/1``; what cannot be computed is null.

    Raises
    ------
    ScoreError
        No contract was settled yes or no by then with a quote before its deadline.
    DataError
        A row of the market tables breaks their rules.
    """
    settled = settled_as_of(case, when)
    table = settled.table
    if table.empty:
        raise ScoreError(f"{case.id}: {_nothing(settled.left_out, when)}")
    (overall,) = _lines(table, ())
    document: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "case": case.id,
            "as_of": when,
            "floor": FLOOR,
            "interval": INTERVAL,
            "left_out": dict(settled.left_out),
            "early": int(table[deadline(table) > when].groupby(list(QUESTION)).ngroups),
            "overall": overall,
            "bands": _lines(table, ("band",)),
            "venues": _lines(table, ("venue",)),
            "clusters": _clusters(table),
        }
    )
    return document | {"reading": _reading(document)}


def _lines(table: pd.DataFrame, group: tuple[str, ...]) -> list[dict[str, Any]]:
    scored = score_table(table, group=group).drop(columns=["label", "forecaster"])
    return [{str(k): v for k, v in row.items()} for row in scored.to_dict(orient="records")]


def _clusters(table: pd.DataFrame) -> list[dict[str, Any]]:
    """List what settled the contracts, and how many of them came."""
    questions = table.drop_duplicates(list(QUESTION))
    counted = questions.groupby("cluster")["outcome"].agg(["size", "sum"])
    return [{"cluster": name, "n": int(row["size"]), "came": int(row["sum"])} for name, row in counted.iterrows()]


def _nothing(left_out: Mapping[str, int], when: datetime) -> str:
    told = "; ".join(f"{LEFT_OUT[reason]}: {n}" for reason, n in left_out.items() if n) or "there are no contracts"
    return f"nothing to score as of {when:%Y-%m-%d}, no contract with a quote was settled yes or no by then ({told})"


def _reading(document: Mapping[str, Any]) -> list[str]:
    overall = document["overall"]
    told, early = events(overall["clusters"]), document["early"]
    lines = [
        f"Settled contracts: {overall['n']}, by {told}. Contracts that one event settles are one piece of evidence."
    ]
    if early:
        lines.append(
            f"Of these, settled by an event while their deadline is still to come: {early}. Contracts of the same age "
            "without an event are open and not scored, so events weigh too much here."
        )
    if overall["clusters"] < LEAST_CLUSTERS:
        lines.append(NO_CLAIM)
    return lines
