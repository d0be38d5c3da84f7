"""Means of dependent questions: what they are worth, and intervals that know it.

Questions settled by one event are one piece of evidence, so clusters are drawn, not questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forecast.errors import ScoreError
from forecast.evaluation.checks import as_floats

INTERVAL = 0.9
LEAST_CLUSTERS = 10
"""Below about so many events the cluster bootstrap's intervals are too narrow to rest a claim on (docs/scores.md)."""
RESAMPLES = 2000
SEED = 20180508


@dataclass(frozen=True, slots=True)
class DesignEffect:
    """How much dependence costs.

    Attributes
    ----------
    n, clusters
        Questions, and events that settle them.
    deff
        Variance of the mean by clusters over its variance were the questions independent; at least 1.
    n_eff
        n / deff: independent questions that would say as much. At most ``n``; 1 for a single cluster.
    """

    n: int
    clusters: int
    deff: float
    n_eff: float


def design_effect(values: ArrayLike, clusters: Sequence[str] | np.ndarray) -> DesignEffect:
    """Estimate the design effect of a mean (Kish, 1965; the clustered variance as in Liang and Zeger, 1986).

    Below about ten clusters the estimate is itself uncertain. Values that do not vary have no variance to compare;
    then members of a cluster count as copies of one another, deff = sum of squared cluster sizes / n.

    Parameters
    ----------
    values
        One value a question [question].
    clusters
        Id of the event that settles it [question].

    Raises
    ------
    ScoreError
        No values, one that is missing, or not one cluster for each.
    """
    x, code = _coded(values, clusters)
    n, groups = len(x), int(code.max()) + 1
    sizes = np.bincount(code)
    copies = float((sizes**2).sum() / n)
    naive = x.var(ddof=1) / n if n > 1 else 0.0
    if groups == 1 or naive <= np.finfo(float).eps * float(np.abs(x).max()) ** 2:
        return DesignEffect(n, groups, copies, n / copies)
    sums = np.bincount(code, weights=x - x.mean())
    clustered = groups / (groups - 1) * float((sums**2).sum()) / n**2
    deff = max(1.0, clustered / naive)
    return DesignEffect(n, groups, deff, n / deff)


def bootstrap_means(
    values: ArrayLike, clusters: Sequence[str] | np.ndarray, *, seed: int = SEED, resamples: int = RESAMPLES
) -> np.ndarray:
    """Draw means from resampled clusters (Davison and Hinkley, 1997, section 3.8).

    Parameters
    ----------
    values
        One or more values a question [question] or [question, value]; values of a row stay together, so ratios and
        differences of the means can be taken draw by draw.
    clusters
        Id of the event that settles it [question].
    seed, resamples
        Of the bootstrap.

    Returns
    -------
    Means [resample] or [resample, value]; NaN with fewer than two clusters, which say nothing of the spread.
    """
    x, code = _coded(values, clusters)
    groups = int(code.max()) + 1
    if groups < 2:
        return np.full((resamples, *x.shape[1:]), np.nan)
    columns = x.reshape(len(x), -1)
    sums = np.stack([np.bincount(code, weights=column) for column in columns.T], axis=1)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    means = (drawn @ sums) / (drawn @ np.bincount(code))[:, None]
    return np.asarray(means.reshape(resamples, *x.shape[1:]))


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Bounds of the central ``INTERVAL`` of draws; NaN if any of them is."""
    lower, upper = np.quantile(draws, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return float(lower), float(upper)


def _coded(values: ArrayLike, clusters: Sequence[str] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = as_floats(values, name="values")
    ids = np.asarray(clusters, dtype=object)
    if not len(x) or ids.shape != x.shape[:1] or not np.isfinite(x).all():
        message = f"{len(x)} values with {ids.size} clusters: need at least one, a cluster for each, and none missing"
        raise ScoreError(message)
    _, code = np.unique(ids.astype(str), return_inverse=True)
    return x, code
