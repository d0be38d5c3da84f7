"""How the prices of a case's settled contracts turned out, as one document, and what it shows in words."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd

from forecast.case import Case
from forecast.errors import ScoreError
from forecast.evaluation.comparison import pair, paired_difference
from forecast.evaluation.reading import events
from forecast.evaluation.record import plain
from forecast.evaluation.resampling import INTERVAL, LEAST_CLUSTERS
from forecast.evaluation.scores import FLOOR
from forecast.evaluation.summary import score_table
from forecast.evaluation.table import QUESTION
from forecast.markets.pairs import BASE_RATE, MARKET, history, settled_pairs, valued_legs
from forecast.markets.pooling import Pool, encompassing, pool_weights
from forecast.markets.settled import LEFT_OUT, settled_as_of

SCHEMA = "forecast-market-scores/1"

NO_CLAIM = (
    f"With fewer than {LEAST_CLUSTERS} events no claim is made: the numbers are a record, not evidence, and their "
    "intervals are too narrow."
)
HINDSIGHT = (
    "The model is reconstructed by a backtest, and the mappings' beliefs may have been put down after contracts were "
    "settled: both know too much, the market does not."
)
NOTHING_SHOWN = (
    f"With fewer than {LEAST_CLUSTERS} events nothing is shown: neither which of the two is better, nor that the model "
    "adds to the market, nor the weights of a pool."
)


def market_scores(case: Case, *, when: datetime, curves: pd.DataFrame | None = None) -> dict[str, Any]:
    """Score what markets and crowds said of the contracts that were settled by an instant.

    Parameters
    ----------
    case
        With its contracts and quotes.
    when
        The as-of time: neither a quote nor an ending that became public later is seen.
    curves
        Of a backtest's tables: adds ``model_and_market``, its rungs beside the prices of its origins.

    Returns
    -------
    dict
        JSON-ready, schema ``forecast-market-scores/1``; what cannot be computed is null, as ``overall`` is where
        nothing is settled.

    Raises
    ------
    ScoreError
        No contract was settled yes or no by then with a quote before its deadline, and there are no ``curves`` to lay
        out; or a curve lacks a week.
    DataError
        A row of the market tables breaks their rules.
    """
    settled = settled_as_of(case, when)
    table = settled.table
    if table.empty and curves is None:
        raise ScoreError(f"{case.id}: {_nothing(settled.left_out, when)}")
    document: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "case": case.id,
            "as_of": when,
            "floor": FLOOR,
            "interval": INTERVAL,
            "left_out": dict(settled.left_out),
            "overall": next(iter(_lines(table, ())), None),
            "bands": _lines(table, ("band",)),
            "venues": _lines(table, ("venue",)),
            "clusters": _clusters(table),
            "model_and_market": _model_and_market(case, curves, when) if curves is not None else None,
        }
    )
    return document | {"reading": _reading(document, when)}


def fitted_pool(case: Case, curves: pd.DataFrame, *, rung: str, when: datetime) -> Pool:
    """Fit the pool's weights of a rung and the market, in this order, on the pairs that were settled by an instant.

    Raises
    ------
    ScoreError
        The backtest does not have the rung, or a curve lacks a week.
    """
    there = sorted(set(curves["forecaster"].astype(str)))
    if rung not in there:
        raise ScoreError(f"the backtest has no forecasts of {rung}, only of {', '.join(there) or 'none'}; give another")
    return pool_weights(settled_pairs(valued_legs(case, curves, when=when), rung), (rung, MARKET))


def _lines(table: pd.DataFrame, group: tuple[str, ...]) -> list[dict[str, Any]]:
    if table.empty:
        return []
    scored = score_table(table, group=group).drop(columns="label")
    return [{str(k): v for k, v in row.items()} for row in scored.to_dict(orient="records")]


def _model_and_market(case: Case, curves: pd.DataFrame, when: datetime) -> dict[str, Any]:
    """Hold a backtest's rungs against the market on the pairs that are settled, and lay all pairs out over time."""
    valued = valued_legs(case, curves, when=when)
    rungs = [_rung(valued, rung) for rung in sorted(set(curves["forecaster"].astype(str)))]
    pairs = max((r["pairs"] for r in rungs), default=0)
    clusters = max((r["pool"]["clusters"] for r in rungs), default=0)
    return {"rungs": rungs, "legs": history(valued), "reading": _pairs_reading(len(valued), pairs, clusters)}


def _rung(valued: pd.DataFrame, rung: str) -> dict[str, Any]:
    rows = settled_pairs(valued, rung)
    both = {"rung": rung, "pairs": len(rows) // 2, "pool": asdict(pool_weights(rows, (rung, MARKET)))}
    if rows.empty:
        return both | {"scores": [], "differences": [], "encompassing": None, "pool_with_base_rate": None}
    three = settled_pairs(valued, rung, base_rate=True) if rung != BASE_RATE else rows.head(0)
    members = (rung, MARKET, BASE_RATE)
    return both | {
        "scores": _lines(rows, ()),
        "differences": [
            {"score": score, **asdict(paired_difference(pair(rows, rung, MARKET, score=score)))}
            for score in ("log", "brier")
        ],
        "encompassing": asdict(encompassing(rows, model=rung, market=MARKET)),
        "pool_with_base_rate": asdict(pool_weights(three, members)) if len(three) else None,
    }


def _pairs_reading(valued: int, pairs: int, clusters: int) -> list[str]:
    lines = [HINDSIGHT, f"Open contracts valued at an origin, with a price of that week: {valued}, all rungs together."]
    if not pairs:
        return [*lines, "None of them is settled: nothing is shown of model against market, and weights are the prior."]
    lines.append(f"Settled pairs of a contract and an origin: at most {pairs} a rung, by {events(clusters)}.")
    return [*lines, NOTHING_SHOWN] if clusters < LEAST_CLUSTERS else lines


def _clusters(table: pd.DataFrame) -> list[dict[str, Any]]:
    """List what settled the contracts, and how many of them came."""
    questions = table.drop_duplicates(list(QUESTION))
    counted = questions.groupby("cluster")["outcome"].agg(["size", "sum"])
    return [{"cluster": name, "n": int(row["size"]), "came": int(row["sum"])} for name, row in counted.iterrows()]


def _nothing(left_out: Mapping[str, int], when: datetime) -> str:
    told = "; ".join(f"{LEFT_OUT[reason]}: {n}" for reason, n in left_out.items() if n) or "there are no contracts"
    return f"nothing to score as of {when:%Y-%m-%d}, no contract with a quote was settled yes or no by then ({told})"


def _reading(document: Mapping[str, Any], when: datetime) -> list[str]:
    overall = document["overall"]
    if overall is None:
        told = _nothing(document["left_out"], when)
        return [f"{told[0].upper()}{told[1:]}."]
    told = events(overall["clusters"])
    lines = [
        f"Settled contracts: {overall['n']}, by {told}. Contracts that one event settles are one piece of evidence."
    ]
    if overall["clusters"] < LEAST_CLUSTERS:
        lines.append(NO_CLAIM)
    return lines
