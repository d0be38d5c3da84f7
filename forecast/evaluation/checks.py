"""What every score refuses, in one place: numbers that are no probabilities, rows that do not sum to one, odd labels.

A score computed from such input would look like any other number; scoringrules, for one, returns one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from forecast.errors import ScoreError

SUM_TOLERANCE = 1e-5  # the ledger keeps six decimals, and three or four such entries may miss 1 by 2e-6


def check_probabilities(values: ArrayLike, *, name: str = "probability") -> np.ndarray:
    """Return probabilities as floats of the shape given.

    Raises
    ------
    ScoreError
        One is missing, or outside [0, 1]; its place is named.
    """
    found = as_floats(values, name=name)
    bad = ~((found >= 0) & (found <= 1))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        message = f"{name}, row {', '.join(map(str, place))}: {found[place]} is not a probability; give one from 0 to 1"
        raise ScoreError(message)
    return found


def check_outcomes(values: ArrayLike, *, like: np.ndarray) -> np.ndarray:
    """Return outcomes 0 or 1 as floats, one for each forecast [question].

    Raises
    ------
    ScoreError
        One is neither 0 nor 1, or there are more or fewer of them than forecasts.
    """
    found = as_floats(values, name="outcome")
    if found.shape != like.shape:
        message = f"{found.size} outcomes for {like.size} forecasts; each forecast needs its own"
        raise ScoreError(message)
    bad = np.flatnonzero((found != 0) & (found != 1))
    if len(bad):
        message = f"outcome, row {bad[0]}: {found.flat[bad[0]]} is neither 0 nor 1; leave out what is not settled"
        raise ScoreError(message)
    return found


def check_rows(probabilities: ArrayLike, *, categories: Sequence[str]) -> np.ndarray:
    """Return forecasts over categories [question, category].

    Raises
    ------
    ScoreError
        Fewer than two categories, a label given twice, a row of another length, an entry that is no probability, a row
        that does not sum to one.
    """
    labels = list(categories)
    twice = sorted({c for c in labels if labels.count(c) > 1})
    if twice or len(labels) < 2:
        what = f"label {twice[0]!r} stands twice" if twice else "a score over categories needs two or more"
        message = f"categories {labels}: {what}"
        raise ScoreError(message)
    rows = check_probabilities(probabilities)
    if rows.ndim != 2 or rows.shape[1] != len(labels):
        message = f"probabilities of shape {rows.shape}: need one row a question with {len(labels)} entries, {labels}"
        raise ScoreError(message)
    bad = np.flatnonzero(np.abs(rows.sum(axis=1) - 1) > SUM_TOLERANCE)
    if len(bad):
        message = f"probabilities, row {bad[0]}: sum to {rows[bad[0]].sum():.6g}, not to 1; normalise them first"
        raise ScoreError(message)
    return rows


def check_labels(outcomes: Sequence[str], *, categories: Sequence[str], n: int) -> np.ndarray:
    """Return outcomes as positions among the categories [question].

    Raises
    ------
    ScoreError
        An outcome is not one of the categories, or there are more or fewer of them than forecasts.
    """
    place = {c: k for k, c in enumerate(categories)}
    if len(outcomes) != n:
        message = f"{len(outcomes)} outcomes for {n} forecasts; each forecast needs its own"
        raise ScoreError(message)
    for row, label in enumerate(outcomes):
        if label not in place:
            message = f"outcome, row {row}: {label!r} is not one of the categories {list(categories)}"
            raise ScoreError(message)
    return np.array([place[label] for label in outcomes], dtype=np.intp)


def as_floats(values: ArrayLike, *, name: str) -> np.ndarray:
    """Return an array of floats; ScoreError if a value is not a number at all."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        message = f"{name}: not all values are numbers"
        raise ScoreError(message) from None
