"""CRPS of the time of a first passage, up to a horizon, with right censoring. Less is better; the unit is weeks.

    CRPS = ∫_0^c (F(t) - 1{T <= t})² dt,   c = min(horizon, time of censoring)

(Matheson and Winkler, 1976; the weight 1{t <= c} keeps it proper, Gneiting and Ranjan, 2011). Divided by c it is the
mean Brier score of "has it come?" over all dates up to c. Past a time of censoring nothing is known, so nothing is
scored; censoring must not depend on what was about to happen.
"""

import numpy as np
from numpy.typing import ArrayLike

from forecast.errors import ScoreError
from forecast.evaluation.checks import as_floats, check_probabilities


def crps_curve(cdf: ArrayLike, time: ArrayLike, *, horizon: ArrayLike, censored: ArrayLike | None = None) -> np.ndarray:
    """CRPS of a distribution function given at weekly steps, exact for one that is linear within weeks.

    Parameters
    ----------
    cdf
        P(T <= w) at weeks w = 0, 1, 2, ... [question, week]; an outlook's ``curve(...)["mean"]`` is one row.
    time
        When it happened, weeks from the origin; infinite if it has not [question].
    horizon
        Up to when is scored, weeks; a number or [question].
    censored
        Until when is known what happened, weeks [question]; infinite or None if to the horizon.

    Returns
    -------
    Scores [question], weeks.

    Raises
    ------
    ScoreError
        A curve is not one of probabilities, falls, or ends before the horizon; a time is negative, missing, or later
        than its censoring.
    """
    curve = check_probabilities(cdf, name="cdf")
    if curve.ndim != 2 or curve.shape[1] < 2:
        message = f"cdf of shape {curve.shape}: need one row a question, with weeks 0, 1, 2, ..."
        raise ScoreError(message)
    falls = np.argwhere(np.diff(curve, axis=1) < 0)
    if len(falls):
        row, week = falls[0]
        message = f"cdf, row {row}: falls from week {week} to week {week + 1}; a distribution function cannot"
        raise ScoreError(message)
    passed, until = _times(time, horizon, censored, n=len(curve))
    if (until > curve.shape[1] - 1).any():
        row = int(np.argmax(until))
        message = f"cdf, row {row}: ends at week {curve.shape[1] - 1}, before the horizon of {until[row]:g} weeks"
        raise ScoreError(message)
    before = _integral_of_square(curve, passed)
    after = _integral_of_square(1 - curve, until) - _integral_of_square(1 - curve, passed)
    return before + after


def crps_draws(
    draws: ArrayLike, time: ArrayLike, *, horizon: ArrayLike, censored: ArrayLike | None = None
) -> np.ndarray:
    """CRPS of simulated first passages: E|X - y| - E|X - X'|/2 of the draws and the outcome, both cut at c.

    Parameters
    ----------
    draws
        Weeks from the origin, infinite where the event never comes [question, draw].
    time, horizon, censored
        As for :func:`crps_curve`.

    Returns
    -------
    Scores [question], weeks, of the draws' empirical distribution.

    Raises
    ------
    ScoreError
        A draw is negative or missing, or there are none; a time as for :func:`crps_curve`.
    """
    drawn = as_floats(draws, name="draws")
    if drawn.ndim != 2 or not drawn.shape[1] or not (drawn >= 0).all():
        message = "draws: need weeks from 0 on (infinite for never), one row a question"
        raise ScoreError(message)
    passed, until = _times(time, horizon, censored, n=len(drawn))
    cut = np.sort(np.minimum(drawn, until[:, None]), axis=1)
    n = cut.shape[1]
    rank = 2 * np.arange(n) - n + 1
    return np.abs(cut - passed[:, None]).mean(axis=1) - (cut * rank).sum(axis=1) / n**2


def _times(time: ArrayLike, horizon: ArrayLike, censored: ArrayLike | None, *, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return when each question's event came, cut at the end of what is scored, and that end [question]."""
    came = as_floats(time, name="time")
    known = np.full(n, np.inf) if censored is None else as_floats(censored, name="censored")
    if came.shape != (n,) or known.shape != (n,):
        message = f"{came.size} times and {known.size} censorings for {n} forecasts; each forecast needs its own"
        raise ScoreError(message)
    end = np.broadcast_to(as_floats(horizon, name="horizon"), (n,))
    if not ((came >= 0).all() and (known > 0).all() and (end > 0).all() and np.isfinite(end).all()):
        message = "times must not be negative, censoring and a finite horizon must be positive, and none missing"
        raise ScoreError(message)
    late = np.flatnonzero(np.isfinite(came) & (came > known))
    if len(late):
        row = late[0]
        message = f"time, row {row}: happened in week {came[row]:g}, but known only to week {known[row]:g}"
        raise ScoreError(message)
    until = np.minimum(end, known)
    return np.minimum(came, until), until


def _integral_of_square(curve: np.ndarray, upto: np.ndarray) -> np.ndarray:
    """∫_0^upto of the square of a curve that is linear between weekly values [question]."""
    left, rise = curve[:, :-1], np.diff(curve, axis=1)
    whole = np.cumsum(left**2 + left * rise + rise**2 / 3, axis=1)
    whole = np.concatenate([np.zeros((len(curve), 1)), whole], axis=1)
    week = np.minimum(upto.astype(np.intp), left.shape[1] - 1)
    part = upto - week
    row = np.arange(len(curve))
    a, s = left[row, week], rise[row, week]
    return whole[row, week] + part * a**2 + part**2 * a * s + part**3 * s**2 / 3
