"""Scores of settled questions, one value a question. Less is better for every one of them.

The log score has a floor: probabilities nearer than ``FLOOR`` to 0 or 1 are moved there before scoring, and the rows
that were moved are reported. Without it one forecast of 0 that came true would decide every mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from forecast.errors import ScoreError
from forecast.evaluation.checks import check_labels, check_outcomes, check_probabilities, check_rows

FLOOR = 0.005


@dataclass(frozen=True, slots=True)
class LogScores:
    """Log scores with what the floor did.

    Attributes
    ----------
    values
        Scores in nats [question].
    clipped
        Whether the floor moved the forecast [question].
    """

    values: np.ndarray
    clipped: np.ndarray


def brier(probability: ArrayLike, outcome: ArrayLike) -> np.ndarray:
    """Brier score of binary questions, (p - y)² from 0 to 1 (Brier, 1950, halved).

    Parameters
    ----------
    probability
        Of the event [question].
    outcome
        1 if it came, 0 if not [question].

    Raises
    ------
    ScoreError
        A probability is missing or outside [0, 1], an outcome is neither 0 nor 1, their numbers differ.
    """
    p = check_probabilities(probability)
    return (p - check_outcomes(outcome, like=p)) ** 2


def log_score(probability: ArrayLike, outcome: ArrayLike, *, floor: float = FLOOR) -> LogScores:
    """Log score of binary questions, -ln of the probability of what happened (Good, 1952).

    Both ends are clipped, to [floor, 1 - floor]: were only the end that lost clipped, a forecast of 0 would be rewarded
    over the floor when nothing happens and cost no more when something does.

    Parameters
    ----------
    probability
        Of the event [question].
    outcome
        1 if it came, 0 if not [question].
    floor
        The least probability that is scored as it stands.

    Raises
    ------
    ScoreError
        As for :func:`brier`, or a floor outside (0, 0.5).
    """
    _check_floor(floor, categories=2)
    p = check_probabilities(probability)
    y = check_outcomes(outcome, like=p)
    q = clip(p, floor)
    return LogScores(-np.log(np.where(y == 1, q, 1 - q)), q != p)


def clip(probability: np.ndarray, floor: float) -> np.ndarray:
    """Move probabilities to [floor, 1 - floor]."""
    return np.clip(probability, floor, 1 - floor)


def brier_categories(probabilities: ArrayLike, outcome: Sequence[str], *, categories: Sequence[str]) -> np.ndarray:
    """Brier score over categories, sum over k of (p_k - y_k)², from 0 to 2 (Brier, 1950).

    For two categories it is twice :func:`brier`.

    Parameters
    ----------
    probabilities
        One row a question [question, category].
    outcome
        The category that came true [question].
    categories
        Labels of the columns.

    Raises
    ------
    ScoreError
        Labels stand twice, a row does not sum to one or holds what is no probability, an outcome is not a category.
    """
    p = check_rows(probabilities, categories=categories)
    hit = check_labels(outcome, categories=categories, n=len(p))
    return ((p - np.eye(p.shape[1])[hit]) ** 2).sum(axis=1)


def log_score_categories(
    probabilities: ArrayLike, outcome: Sequence[str], *, categories: Sequence[str], floor: float = FLOOR
) -> LogScores:
    """Log score over categories, -ln of the probability of the one that came true; the order does not matter.

    Entries below the floor are raised to it and the others scaled down alike, which for two categories is the clipping
    of :func:`log_score`.

    Parameters
    ----------
    probabilities, outcome, categories
        As for :func:`brier_categories`.
    floor
        The least probability that is scored as it stands.

    Raises
    ------
    ScoreError
        As for :func:`brier_categories`, or a floor that the categories cannot all have.
    """
    p = check_rows(probabilities, categories=categories)
    _check_floor(floor, categories=p.shape[1])
    hit = check_labels(outcome, categories=categories, n=len(p))
    low = p < floor
    q = _raised(p, low, floor)
    while (sunk := (q < floor) & ~low).any():  # scaling down may take another entry below the floor
        low |= sunk
        q = _raised(p, low, floor)
    return LogScores(-np.log(q[np.arange(len(q)), hit]), low.any(axis=1))


def rps(probabilities: ArrayLike, outcome: Sequence[str], *, categories: Sequence[str]) -> np.ndarray:
    """Ranked probability score over ordered categories, from 0 to 1 (Epstein, 1969, in Murphy's form, 1971).

    The mean over the K - 1 cuts of (P(at or below the cut) - 1{at or below})²: a near miss costs less than a far one.

    Parameters
    ----------
    probabilities, outcome
        As for :func:`brier_categories`.
    categories
        Labels of the columns, in order.

    Raises
    ------
    ScoreError
        As for :func:`brier_categories`.
    """
    p = check_rows(probabilities, categories=categories)
    hit = check_labels(outcome, categories=categories, n=len(p))
    below = np.arange(p.shape[1] - 1) >= hit[:, None]
    return ((p.cumsum(axis=1)[:, :-1] - below) ** 2).mean(axis=1)


def skill(score: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Skill of a mean score against a reference's, 1 - S/S_ref: 1 is perfect, 0 no better, NaN where S_ref is 0.

    Both means must be over the same questions; :func:`forecast.evaluation.table.score_table` sees to that.
    """
    s, ref = np.broadcast_arrays(np.asarray(score, dtype=float), np.asarray(reference, dtype=float))
    return 1 - np.divide(s, ref, out=np.full(s.shape, np.nan), where=ref > 0)


def _raised(p: np.ndarray, low: np.ndarray, floor: float) -> np.ndarray:
    """Raise the entries ``low`` to the floor and scale the others so that rows sum to one [question, category]."""
    kept = np.where(low, 0.0, p)
    scale = (1 - floor * low.sum(axis=1, keepdims=True)) / kept.sum(axis=1, keepdims=True)
    return np.where(low, floor, np.where(low.any(axis=1, keepdims=True), kept * scale, kept))


def _check_floor(floor: float, *, categories: int) -> None:
    if not 0 < floor < 1 / categories:
        message = f"floor {floor}: must lie between 0 and 1/{categories}, for {categories} categories to have it"
        raise ScoreError(message)
