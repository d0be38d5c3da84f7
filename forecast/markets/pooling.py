"""What the model adds to the market on settled pairs: an encompassing test, and the weights of a logarithmic pool.

    encompassing:  logit P(yes) = c0 + c1 logit(market) + c2 logit(model)
    pool:          logit P(yes) = sum_k w_k logit(p_k),    w ~ Dirichlet(4, …, 4)

A pool of logits with weights that sum to one is the normalised product of p_k^w_k (Genest and Zidek, 1986). Priors of
the test: c0 ~ Normal(0, 1), c1 ~ Normal(1, 0.5), c2 ~ Normal(0, 0.5): the market is believed, and the model adds
nothing, until pairs say otherwise. In both, pairs of one contract share its say, and contracts that share events count
as many as ``n_eff``, the least that any member's scores allow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.evaluation.logistic import logistic_posterior
from forecast.evaluation.resampling import INTERVAL, SEED, DesignEffect
from forecast.evaluation.table import check_same_questions
from forecast.markets.recalibrate import effect_of, logit, tempered

MODEL_WEIGHT = 0.5
CONCENTRATION = 4.0
DRAWS = 4000
_PRIOR = ((0.0, 1.0), (1.0, 0.5), (0.0, 0.5))
_POINTS = 41  # of a grid in three dimensions, 0.3 of a standard deviation apart


@dataclass(frozen=True, slots=True)
class Encompassing:
    """The model's coefficient beside the market's: posterior mean, central 90 %, P(it is above 0), and the prior's."""

    mean: float
    lower: float
    upper: float
    positive: float
    prior_mean: float
    prior_lower: float
    prior_upper: float
    prior_positive: float


@dataclass(frozen=True, slots=True)
class Weight:
    """One member's weight in the pool: posterior mean and central 90 %, and those of the prior."""

    member: str
    mean: float
    lower: float
    upper: float
    prior_mean: float
    prior_lower: float
    prior_upper: float


@dataclass(frozen=True, slots=True)
class Pool:
    """Weights that sum to one.

    Attributes
    ----------
    n, clusters, n_eff
        Settled contracts, what settled them, independent contracts that would say as much; 0 leaves the prior.
    weights
        By member.
    effective_draws
        Of the importance sampling.
    """

    n: int
    clusters: int
    n_eff: float
    weights: tuple[Weight, ...]
    effective_draws: float


def log_pool(first: float, second: float, *, weight: float = MODEL_WEIGHT) -> float:
    """Return the logarithmic pool of two probabilities of one event, ``weight`` being that of the first.

    Probabilities nearer than the log score's floor to 0 or 1 are moved there first: otherwise one of them alone would
    decide.
    """
    p, q = logit([first, second])
    return float(1 / (1 + np.exp(-(weight * p + (1 - weight) * q))))


def encompassing(rows: pd.DataFrame, *, model: str, market: str) -> Encompassing:
    """Test whether the model adds to the market.

    Parameters
    ----------
    rows
        Scored rows of both, of :func:`forecast.markets.pairs.settled_pairs`; at least one pair.
    model, market
        Their names as forecasters.

    Raises
    ------
    ScoreError
        They answered unequal questions.
    """
    from scipy.stats import norm

    logits, y, weight, _ = _evidence(rows, (market, model))
    x = np.column_stack([np.ones(len(y)), logits])
    found = logistic_posterior(x, y, weight=weight, prior=_PRIOR, points=_POINTS)
    before = norm(*_PRIOR[2])
    prior = (float(before.mean()), *map(float, before.interval(INTERVAL)), float(before.sf(0.0)))
    return Encompassing(found.mean(2), *found.bounds(2), 1 - found.below(2, 0.0), *prior)


def pool_weights(rows: pd.DataFrame, members: Sequence[str], *, draws: int = DRAWS, seed: int = SEED) -> Pool:
    """Fit the weights by importance sampling from their prior.

    Parameters
    ----------
    rows
        Scored rows of all members; no rows leave the prior.
    members
        Names of the forecasters, two or more.
    draws, seed
        Of the prior.

    Raises
    ------
    ScoreError
        They answered unequal questions.
    """
    prior = _prior(len(members))
    if rows.empty:
        return Pool(0, 0, 0.0, tuple(Weight(name, *prior, *prior) for name in members), float(draws))
    w = np.random.default_rng(seed).dirichlet(np.full(len(members), CONCENTRATION), draws)
    logits, y, weight, effect = _evidence(rows, members)
    pooled = w @ logits.T
    fit = (y * pooled - np.logaddexp(0, pooled)) @ weight
    mass = np.exp(fit - fit.max())
    mass /= mass.sum()
    weights = tuple(Weight(name, *_weighted(w[:, k], mass), *prior) for k, name in enumerate(members))
    return Pool(effect.n, effect.clusters, effect.n_eff, weights, float(1 / (mass**2).sum()))


def _evidence(rows: pd.DataFrame, members: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, DesignEffect]:
    """Logits [pair, member], outcomes and tempering powers [pair], and what the contracts are worth."""
    check_same_questions(rows)
    parts = [rows[rows["forecaster"] == name] for name in members]  # sorted alike, as scored tables are
    effect = min((effect_of(part) for part in parts), key=lambda e: e.n_eff)
    logits = np.column_stack([logit(part["probability"]) for part in parts])
    return logits, parts[0]["outcome"].to_numpy(float), tempered(parts[0], effect), effect


def _prior(members: int) -> tuple[float, float, float]:
    """Mean and central 90 % of one of so many weights beforehand: a beta distribution."""
    from scipy.stats import beta

    alone = beta(CONCENTRATION, CONCENTRATION * (members - 1))
    lower, upper = alone.interval(INTERVAL)
    return float(alone.mean()), float(lower), float(upper)


def _weighted(drawn: np.ndarray, mass: np.ndarray) -> tuple[float, float, float]:
    """Mean and central 90 % of weighted draws."""
    order, tail = np.argsort(drawn), (1 - INTERVAL) / 2
    upto = np.cumsum(mass[order]) - mass[order] / 2
    lower, upper = np.interp([tail, 1 - tail], upto, drawn[order])
    return float(drawn @ mass), float(lower), float(upper)
