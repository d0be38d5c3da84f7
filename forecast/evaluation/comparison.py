"""Which of two forecasters is better, on few questions that hang together.

Differences are paired: the same questions at the same origins, A less B, so less than 0 means that A is better. Two
answers go out together. The plain one is the mean difference with a bootstrap over clusters. The primary one is a
hierarchical model, which does not collapse when clusters are few and of unequal size, and which says how sure it is.
"""

from dataclasses import dataclass

import pandas as pd

from forecast.errors import ScoreError
from forecast.evaluation.hierarchical import SCALES, HierarchicalDifference, hierarchical_difference
from forecast.evaluation.resampling import SEED, bootstrap_means, design_effect, interval
from forecast.evaluation.scores import FLOOR
from forecast.evaluation.summary import PRIMARY
from forecast.evaluation.table import KEY, QUESTION, check_same_questions, cluster_ids, score_rows


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of paired differences, A less B.

    Attributes
    ----------
    n, clusters, n_eff
        Questions (by band of lead), events that settle them, independent questions that would say as much.
    mean, lower, upper
        Mean difference with the central 90 % of a bootstrap over clusters; NaN bounds with a single cluster.
    """

    n: int
    clusters: int
    n_eff: float
    mean: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A against B by one score: the hierarchical answer and the plain one."""

    a: str
    b: str
    score: str
    hierarchical: HierarchicalDifference
    paired: PairedDifference


def compare(
    table: pd.DataFrame, a: str, b: str, *, score: str = PRIMARY, floor: float = FLOOR, seed: int = SEED
) -> Comparison:
    """Compare two forecasters on the settled questions of a table.

    Parameters
    ----------
    table
        Forecasts joined to outcomes, all published or all reconstructed.
    a, b
        The forecasters.
    score
        ``log`` (the primary score) or ``brier``.
    floor
        Of the log score.
    seed
        Of bootstrap and sampler.

    Raises
    ------
    ScoreError
        As for :func:`pair` and :func:`hierarchical_difference`.
    """
    rows = score_rows(table[table["forecaster"].isin([a, b])], floor=floor)
    differences = pair(rows, a, b, score=score)
    hierarchical = hierarchical_difference(differences, scale=SCALES[score], seed=seed)
    return Comparison(a, b, score, hierarchical, paired_difference(differences, seed=seed))


def pair(rows: pd.DataFrame, a: str, b: str, *, score: str = PRIMARY) -> pd.DataFrame:
    """Pair two forecasters' scores.

    Parameters
    ----------
    rows
        Scored rows, of :func:`forecast.evaluation.table.score_rows` or
        :func:`forecast.evaluation.summary.ordered_rows`.
    a, b
        The forecasters.
    score
        A column of scores.

    Returns
    -------
    pandas.DataFrame
        One row a settled question and band of lead: ``difference``, the mean of A less B over its origins, ``a`` and
        ``b``, and ``forecasts``, how many origins.

    Raises
    ------
    ScoreError
        A forecaster or score is not there, the two are one, or they answered unequal questions.
    """
    for name in (a, b):
        if name not in set(rows["forecaster"]):
            message = f"forecaster {name!r}: no settled forecasts here; there are {sorted(set(rows['forecaster']))}"
            raise ScoreError(message)
    if a == b or score not in rows.columns or score not in SCALES:
        message = f"comparing {a} with {b} by {score!r}: needs two forecasters, and one of {', '.join(SCALES)}"
        raise ScoreError(message)
    both = rows[rows["forecaster"].isin([a, b])]
    check_same_questions(both)
    key = [*KEY, "cluster", "band"]
    ours, theirs = (
        both.loc[both["forecaster"] == f, [*key, score]].rename(columns={score: c}) for f, c in ((a, "a"), (b, "b"))
    )
    wide = ours.merge(theirs, on=key, validate="one_to_one")
    wide = wide.assign(band=wide["band"].astype(str), difference=wide["a"] - wide["b"])
    means = {name: (name, "mean") for name in ("difference", "a", "b")}
    return wide.groupby([*QUESTION, "band"]).agg(**means, forecasts=("difference", "size")).reset_index()


def paired_difference(differences: pd.DataFrame, *, seed: int = SEED) -> PairedDifference:
    """Average paired differences, with a bootstrap over clusters."""
    values, clusters = differences["difference"].to_numpy(float), cluster_ids(differences)
    effect = design_effect(values, clusters)
    lower, upper = interval(bootstrap_means(values, clusters, seed=seed))
    return PairedDifference(effect.n, effect.clusters, effect.n_eff, float(values.mean()), lower, upper)


def biggest_misses(
    table: pd.DataFrame, *, n: int = 10, score: str = PRIMARY, forecaster: str | None = None, floor: float = FLOOR
) -> pd.DataFrame:
    """Return the worst-scored questions, worst first: what was said, when, and what settled it.

    Of a settled question that was missed again and again only the worst forecast is shown; ``forecasts`` says how many
    there were.

    Parameters
    ----------
    table
        Forecasts joined to outcomes.
    n
        How many.
    score
        ``log`` or ``brier``.
    forecaster
        Whose; None for all.
    floor
        Of the log score.
    """
    rows = score_rows(table, floor=floor)
    if forecaster is not None:
        rows = rows[rows["forecaster"] == forecaster]
    if score not in {"log", "brier"}:
        message = f"score {score!r}: misses are ranked by log or brier"
        raise ScoreError(message)
    key = ["forecaster", *QUESTION]
    rows = rows.assign(forecasts=rows.groupby(key)[score].transform("size"))
    worst = rows.sort_values([score, "origin"], ascending=[False, True], kind="stable").drop_duplicates(key)
    columns = ["label", "forecaster", *KEY, "horizon_weeks", "probability", "outcome", score, "forecasts"]
    return worst[[*columns, "decided_on", "cluster"]].head(n).reset_index(drop=True)
