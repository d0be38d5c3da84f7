"""Logistic regression of two or three parameters with normal priors, on a grid: exact but for its step, and seedless.

    logit P(y = 1) = x · parameters,    likelihood^weight,    parameters ~ Normal(mean, sd), independent.

The weights temper the likelihood: forecasts of one question share its say, and questions that one event settles share
that event's (n_eff / n of :func:`forecast.evaluation.resampling.design_effect`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecast.evaluation.resampling import INTERVAL

GRID = 161
GRID_REACH = 6.0


@dataclass(frozen=True, slots=True)
class LogisticPosterior:
    """Posterior of the parameters.

    Attributes
    ----------
    axes
        An even grid for each parameter, ``GRID_REACH`` posterior standard deviations about the mode.
    weight
        Posterior mass [point of the first axis, of the second, …]; sums to one.
    """

    axes: tuple[np.ndarray, ...]
    weight: np.ndarray

    def marginal(self, k: int) -> np.ndarray:
        """Mass of parameter ``k`` [point]."""
        return np.asarray(self.weight.sum(axis=tuple(j for j in range(len(self.axes)) if j != k)))

    def mean(self, k: int) -> float:
        """Posterior mean of parameter ``k``."""
        return float(self.marginal(k) @ self.axes[k])

    def bounds(self, k: int, probability: float = INTERVAL) -> tuple[float, float]:
        """Central interval of parameter ``k``."""
        tail = (1 - probability) / 2
        lower, upper = np.interp([tail, 1 - tail], np.cumsum(self.marginal(k)), self._ends(k))
        return float(lower), float(upper)

    def below(self, k: int, value: float) -> float:
        """P(parameter ``k`` < value)."""
        return float(np.interp(value, self._ends(k), np.cumsum(self.marginal(k)), left=0.0, right=1.0))

    def probability(self, x: Sequence[float], probability: float) -> tuple[float, float, float]:
        """Mean and central interval of P(y = 1) at the predictors ``x`` [parameter]."""
        logit = sum(value * axis for value, axis in zip(x, np.meshgrid(*self.axes, indexing="ij"), strict=True))
        values, mass = _expit(np.asarray(logit).ravel()), self.weight.ravel()
        order = np.argsort(values)
        upto = np.cumsum(mass[order]) - mass[order] / 2
        tail = (1 - probability) / 2
        lower, upper = np.interp([tail, 1 - tail], upto, values[order])
        return float(values @ mass), float(lower), float(upper)

    def _ends(self, k: int) -> np.ndarray:
        """Right ends of the cells of an axis, up to which its mass adds up."""
        return np.asarray(self.axes[k] + (self.axes[k][1] - self.axes[k][0]) / 2)


def logistic_posterior(
    x: np.ndarray, y: np.ndarray, *, weight: np.ndarray, prior: Sequence[tuple[float, float]], points: int = GRID
) -> LogisticPosterior:
    """Compute the posterior.

    Parameters
    ----------
    x
        Predictors [row, parameter]; no rows leave the prior.
    y
        Outcomes 0 or 1 [row].
    weight
        Power of each row's likelihood, above 0 and not above 1 [row].
    prior
        Mean and standard deviation of each parameter.
    points
        Of the grid, on each axis.
    """
    centre, sd = (np.array(column, dtype=float) for column in zip(*prior, strict=True))
    mode, scale = _mode(x, y, weight, centre, sd)
    steps = np.linspace(-GRID_REACH, GRID_REACH, points)
    axes = tuple(m + s * steps for m, s in zip(mode, scale, strict=True))
    rest = np.stack([axis.ravel() for axis in np.meshgrid(*axes[1:], indexing="ij")], axis=1)
    logp = np.stack([_log_posterior(_beside(first, rest), x, y, weight, centre, sd) for first in axes[0]])
    mass = np.exp(logp - logp.max())
    return LogisticPosterior(axes, (mass / mass.sum()).reshape([points] * len(axes)))


def _beside(first: float, rest: np.ndarray) -> np.ndarray:
    """Put one value of the first parameter before all of the others [point, parameter]."""
    return np.column_stack([np.full(len(rest), first), rest])


def _log_posterior(
    parameters: np.ndarray, x: np.ndarray, y: np.ndarray, weight: np.ndarray, centre: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    """Log posterior up to a constant [point]."""
    fit = parameters @ (x.T @ (weight * y)) - np.logaddexp(0, parameters @ x.T) @ weight
    return np.asarray(fit - 0.5 * (((parameters - centre) / sd) ** 2).sum(axis=1))


def _mode(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, centre: np.ndarray, sd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mode of the posterior and its standard deviations by Laplace; log-concave, so Newton's steps find it."""
    from scipy.optimize import minimize

    def gradient(t: np.ndarray) -> np.ndarray:
        return np.asarray(x.T @ (weight * (_expit(x @ t) - y)) + (t - centre) / sd**2)

    def hessian(t: np.ndarray) -> np.ndarray:
        rate = _expit(x @ t)
        return np.asarray((x.T * (weight * rate * (1 - rate))) @ x + np.diag(sd**-2.0))

    found = minimize(
        lambda t: -_log_posterior(t[None], x, y, weight, centre, sd)[0],
        centre,
        jac=gradient,
        hess=hessian,
        method="trust-exact",
    ).x
    return found, np.sqrt(np.diag(np.linalg.inv(hessian(found))))


def _expit(logit: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1 + np.tanh(logit / 2)))
