"""Calibration: CORP decomposition and reliability, and a two-parameter check for few questions.

CORP (Dimitriadis, Gneiting and Jordan, 2021, PNAS 118) recalibrates by isotonic regression instead of bins, so nothing
has to be chosen. Isotonic regression overfits where questions are few: a calibrated forecaster too shows
miscalibration. Hence the null: what MCB would be if outcomes were drawn from the forecasts themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from forecast.errors import ScoreError
from forecast.evaluation.checks import check_outcomes, check_probabilities
from forecast.evaluation.logistic import logistic_posterior
from forecast.evaluation.resampling import INTERVAL, SEED, interval
from forecast.evaluation.scores import FLOOR, clip

SIMULATIONS = 1000
PRIOR_BIAS = (0.0, 1.0)
PRIOR_SLOPE = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A mean score in three parts, S = MCB - DSC + UNC.

    Attributes
    ----------
    score
        Mean score of the forecasts.
    mcb
        Miscalibration: what recalibrating would gain.
    dsc
        Discrimination: what the recalibrated forecasts gain over the base rate.
    unc
        Uncertainty: score of the base rate.
    null_mean, null_lower, null_upper
        Mean and central 90 % of MCB were the forecasts calibrated; ``mcb`` less ``null_mean`` is what to report.
    p_value
        Share of the null at or above ``mcb``.
    """

    score: float
    mcb: float
    dsc: float
    unc: float
    null_mean: float
    null_lower: float
    null_upper: float
    p_value: float


@dataclass(frozen=True, slots=True)
class TwoParameterCheck:
    """Posterior of logit P(y) = bias + slope logit p; calibrated is bias 0, slope 1.

    Attributes
    ----------
    bias, bias_lower, bias_upper
        Posterior mean and central 90 %: above 0 the events came more often than forecast.
    slope, slope_lower, slope_upper
        The same of the slope: below 1 the forecasts are too extreme.
    overconfident
        P(slope < 1).
    clipped
        Forecasts moved to the floor, whose logit would be infinite.
    """

    bias: float
    bias_lower: float
    bias_upper: float
    slope: float
    slope_lower: float
    slope_upper: float
    overconfident: float
    clipped: int


def recalibrate(probability: ArrayLike, outcome: ArrayLike) -> np.ndarray:
    """Isotonic regression of outcomes on forecasts (pool adjacent violators), equal forecasts kept equal [question]."""
    p = check_probabilities(probability)
    return _recalibrated(_Ties.of(p), check_outcomes(outcome, like=p)[None])[0]


def decompose(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    score: Literal["brier", "log"] = "brier",
    floor: float = FLOOR,
    clusters: Sequence[str] | np.ndarray | None = None,
    simulations: int = SIMULATIONS,
    seed: int = SEED,
) -> Decomposition:
    """Decompose a mean score by CORP, with the null band of its miscalibration.

    Parameters
    ----------
    probability, outcome
        Forecasts and what came [question].
    score
        Which one; for ``log`` the forecasts are clipped to the floor first, so that every part is finite.
    floor
        Of the log score.
    clusters
        With it the null lets the questions of a cluster happen together, as far as their probabilities allow; without
        it they are independent. The truth lies between.
    simulations, seed
        Of the null.

    Raises
    ------
    ScoreError
        No forecasts, or one that is no probability; an outcome that is neither 0 nor 1.
    """
    p, y = _checked(probability, outcome)
    if score == "log":
        p = clip(p, floor)
    ties = _Ties.of(p)
    total, mcb, dsc, unc = (float(part[0]) for part in _parts(ties, p, y[None], score))
    null = _parts(ties, p, _simulated(p, clusters, simulations, seed), score)[1]
    lower, upper = interval(null)
    return Decomposition(total, mcb, dsc, unc, float(null.mean()), lower, upper, float((null >= mcb - 1e-12).mean()))


def reliability(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    clusters: Sequence[str] | np.ndarray | None = None,
    simulations: int = SIMULATIONS,
    seed: int = SEED,
) -> pd.DataFrame:
    """Reliability curve with consistency bands: where the curve of a calibrated forecaster would lie.

    Parameters
    ----------
    probability, outcome, clusters, simulations, seed
        As for :func:`decompose`.

    Returns
    -------
    pandas.DataFrame
        One row a distinct forecast, increasing: ``probability``, ``n``, ``recalibrated``, and the pointwise central
        90 % under calibration, ``lower`` and ``upper``.
    """
    p, y = _checked(probability, outcome)
    ties = _Ties.of(p)
    first = np.unique(ties.place, return_index=True)[1]
    simulated = _recalibrated(ties, _simulated(p, clusters, simulations, seed))[:, first]
    lower, upper = np.quantile(simulated, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2], axis=0)
    curve = _recalibrated(ties, y[None])[0, first]
    columns = {"probability": ties.values, "n": ties.counts.astype(int), "recalibrated": curve}
    return pd.DataFrame({**columns, "lower": lower, "upper": upper})


def two_parameter_check(
    probability: ArrayLike, outcome: ArrayLike, *, worth: float = 1.0, floor: float = FLOOR
) -> TwoParameterCheck:
    """Fit bias and slope of the forecasts on the logit scale (Cox, 1958); better than a diagram below 100 questions.

    The posterior is computed on a grid about its mode: exact but for the grid's step, and without a seed. Priors: bias
    Normal(0, 1), since events called even might come from a quarter to three quarters of the time; slope Normal(1, 1),
    centred on calibration and wide enough for forecasts that carry nothing (0) or half of what they could (2).

    Parameters
    ----------
    probability, outcome
        Forecasts and what came [question].
    worth
        What a question counts, n_eff / n of :func:`forecast.evaluation.resampling.design_effect` where questions share
        events; the likelihood is taken to that power.
    floor
        Forecasts are clipped to it.

    Raises
    ------
    ScoreError
        As for :func:`decompose`, or ``worth`` outside (0, 1].
    """
    if not 0 < worth <= 1:
        message = f"worth {worth}: must lie above 0 and not above 1"
        raise ScoreError(message)
    p, y = _checked(probability, outcome)
    q = clip(p, floor)
    x = np.log(q) - np.log1p(-q)
    found = logistic_posterior(
        np.stack([np.ones_like(x), x], axis=1), y, weight=np.full(len(x), worth), prior=(PRIOR_BIAS, PRIOR_SLOPE)
    )
    return TwoParameterCheck(
        found.mean(0),
        *found.bounds(0),
        found.mean(1),
        *found.bounds(1),
        overconfident=found.below(1, 1.0),
        clipped=int((q != p).sum()),
    )


@dataclass(frozen=True, slots=True)
class _Ties:
    """Distinct forecasts, increasing; how often each was given; which one each question has [question]."""

    values: np.ndarray
    counts: np.ndarray
    place: np.ndarray

    @staticmethod
    def of(p: np.ndarray) -> "_Ties":
        values, place, counts = np.unique(p, return_inverse=True, return_counts=True)
        return _Ties(values, counts.astype(float), place)


def _checked(probability: ArrayLike, outcome: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    p = check_probabilities(probability)
    if p.ndim != 1 or not len(p):
        message = f"probabilities of shape {p.shape}: calibration needs a list of forecasts, one or more"
        raise ScoreError(message)
    return p, check_outcomes(outcome, like=p)


def _recalibrated(ties: _Ties, outcomes: np.ndarray) -> np.ndarray:
    """Isotonic regression of each row of outcomes [row, question]."""
    from scipy.optimize import isotonic_regression

    found = np.empty(outcomes.shape)
    for k, y in enumerate(outcomes):
        means = np.bincount(ties.place, weights=y, minlength=len(ties.values)) / ties.counts
        found[k] = isotonic_regression(means, weights=ties.counts).x[ties.place]
    return np.clip(found, 0.0, 1.0)  # sums may leave a rounding error


def _parts(ties: _Ties, p: np.ndarray, outcomes: np.ndarray, score: str) -> tuple[np.ndarray, ...]:
    """Score, MCB, DSC and UNC of each row of outcomes [row]."""
    base = np.broadcast_to(outcomes.mean(axis=1, keepdims=True), outcomes.shape)
    own, best, flat = (_mean_score(f, outcomes, score) for f in (p, _recalibrated(ties, outcomes), base))
    return own, own - best, flat - best, flat


def _mean_score(forecast: np.ndarray, outcomes: np.ndarray, score: str) -> np.ndarray:
    """Mean score of each row; isotonic fits and base rates of 0 or 1 are never wrong, so 0 log 0 is 0 [row]."""
    from scipy.special import xlogy

    if score == "brier":
        return np.asarray(((forecast - outcomes) ** 2).mean(axis=1))
    return np.asarray(-(xlogy(outcomes, forecast) + xlogy(1 - outcomes, 1 - forecast)).mean(axis=1))


def _simulated(p: np.ndarray, clusters: Sequence[str] | np.ndarray | None, simulations: int, seed: int) -> np.ndarray:
    """Draw outcomes from the forecasts [simulation, question]; the questions of a cluster share one uniform."""
    ids = np.arange(len(p)) if clusters is None else np.asarray(clusters, dtype=object).astype(str)
    if ids.shape != p.shape:
        message = f"{ids.size} clusters for {len(p)} forecasts; each forecast needs its own"
        raise ScoreError(message)
    _, code = np.unique(ids, return_inverse=True)
    uniform = np.random.default_rng(seed).random((simulations, int(code.max()) + 1))
    return (uniform[:, code] < p).astype(float)
