"""Do revisions move as much as they should? A check that needs few resolutions, or none.

Beliefs of a Bayesian move, in expectation, exactly as much as they grow certain (Augenblick and Rabin, 2021, Quarterly
Journal of Economics 136): the sum of squared revisions equals the fall of p(1 - p). More movement is over-reaction, or
noise of the model from one fit to the next; less is inertia.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.errors import ScoreError
from forecast.evaluation.resampling import SEED, bootstrap_means, interval
from forecast.evaluation.table import check_table, cluster_ids

STREAM = ("forecaster", "case", "question", "by", "cluster")


@dataclass(frozen=True, slots=True)
class RevisionCheck:
    """Movement against the fall of uncertainty, over streams of forecasts with fixed deadlines.

    Attributes
    ----------
    streams
        One row a stream: where it starts and ends, ``revisions``, ``movement``, ``reduction`` of p(1 - p), and the
        ``ratio`` of movement to p0(1 - p0), which equals the reduction once the stream is settled.
    ratio, lower, upper
        Summed movement over summed reduction, with the central 90 % over clusters; above 1 over-reacts, below 1
        under-reacts. NaN where uncertainty did not fall in sum: open streams alone may not say.
    excess, excess_lower, excess_upper
        Mean of movement less reduction a stream, 0 in expectation; it exists where the ratio does not.
    clusters
        Events behind the streams; open streams of a case count as one.
    """

    streams: pd.DataFrame
    ratio: float
    lower: float
    upper: float
    excess: float
    excess_lower: float
    excess_upper: float
    clusters: int


def check_revisions(table: pd.DataFrame, *, forecaster: str, seed: int = SEED) -> RevisionCheck:
    """Check the revisions of one forecaster; a settled question ends its stream with the outcome as the last belief.

    Parameters
    ----------
    table
        Forecasts joined to outcomes; open questions count as well, as far as they have gone.
    forecaster
        Whose.
    seed
        Of the bootstrap.

    Raises
    ------
    ScoreError
        The table breaks a rule, or no stream of the forecaster holds a revision.
    """
    rows = check_table(table)
    rows = rows[rows["forecaster"] == forecaster].sort_values("origin", kind="stable")
    found = [_stream(stream) for _, stream in rows.groupby(list(STREAM), dropna=False)]
    streams = pd.DataFrame([s for s in found if s["revisions"]])
    if streams.empty:
        message = f"{forecaster}: no question was forecast twice or settled, so there is no revision to check"
        raise ScoreError(message)
    values = streams[["movement", "reduction"]].to_numpy(float)
    clusters = cluster_ids(streams.assign(cluster=streams["cluster"].fillna("open")))
    draws = bootstrap_means(values, clusters, seed=seed)
    fallen = values[:, 1].sum() > 0
    ratios = draws[:, 0] / draws[:, 1] if fallen and (draws[:, 1] > 0).all() else np.full(len(draws), np.nan)
    return RevisionCheck(
        streams,
        float(values[:, 0].sum() / values[:, 1].sum()) if fallen else float("nan"),
        *interval(ratios),
        float((values[:, 0] - values[:, 1]).mean()),
        *interval(draws[:, 0] - draws[:, 1]),
        clusters=len(np.unique(clusters)),
    )


def _stream(rows: pd.DataFrame) -> dict[str, object]:
    """Movement and fall of uncertainty of one stream, the outcome as its last belief once it is settled."""
    p = rows["probability"].to_numpy(float)
    outcome = rows["outcome"].iloc[0]
    beliefs = p if np.isnan(outcome) else np.append(p, outcome)
    doubt = beliefs * (1 - beliefs)
    movement = float((np.diff(beliefs) ** 2).sum())
    return {
        **{name: rows[name].iloc[0] for name in ("case", "question", "by", "cluster")},
        "start": rows["origin"].iloc[0],
        "settled": not np.isnan(outcome),
        "revisions": len(beliefs) - 1,
        "movement": movement,
        "reduction": float(doubt[0] - doubt[-1]),
        "ratio": movement / doubt[0] if doubt[0] > 0 else float("nan"),
    }
