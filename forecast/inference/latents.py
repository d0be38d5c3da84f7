"""Draw the latent paths given posterior draws of the hyperparameters, and correct Laplace's approximation exactly.

For each draw x several paths z come from a Gaussian q(z | x) with the mode's curvature and the skewness-corrected mean,
each with its importance weight

    w = f(x, z) / (q(z | x) f~(x)) = f(x, z) / f(x, z*) exp(e . e / 2),

f~ being the approximate marginal that was sampled, z* the mode and e the standard normal that made z: the determinants
of f~ and q cancel. One path is picked in proportion to its weight, and the draw carries the mean weight: together they
target the exact joint posterior (Vihola, Helske and Franks, 2020). The mean weights are smoothed with a generalised
Pareto tail (Vehtari et al., 2024), whose shape k-hat says whether the correction can be trusted, and draws are
resampled within their chain.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np

from forecast.errors import EngineError
from forecast.inference.banded import kernels
from forecast.inference.target import Target

Arrays = tuple[np.ndarray, ...]
Proposal = Callable[[np.ndarray, int, np.random.Generator], tuple[np.ndarray, np.ndarray]]
# Paths a draw by the spread of their log weights at some draws, whose paths are thrown away lest they bias the means.
TRIAL_DRAWS = 32
TRIAL_PATHS = 6
PATHS = ((0.4, 4), (1.0, 8), (1.5, 16), (np.inf, 80))
NEGLIGIBLE = 0.02  # distance of two posteriors below which the tail of the weights between them is of no account
KHAT_LIMIT = 0.7  # above it importance weights have no usable variance (Vehtari et al., 2024)


@dataclass(frozen=True, slots=True)
class Correction:
    """How far the approximation was from the exact posterior.

    Attributes
    ----------
    khat
        Shape of the tail of the draws' weights; the correction is refused above 0.7.
    applied
        Whether draws were resampled by their weights.
    efficiency
        Share of the draws that the weights leave: 1 / (1 + relative variance).
    log_weight_sd
        Standard deviation of the log weights of single paths.
    """

    khat: float
    applied: bool
    efficiency: float
    log_weight_sd: float

    @property
    def distance(self) -> float:
        """Most that any probability would move by the correction, as the weights at hand tell it.

        Total variation is half the mean absolute deviation of the weights from their mean, and so at most half their
        relative standard deviation.
        """
        return 0.5 * float(np.sqrt(max(1.0 / self.efficiency - 1.0, 0.0)))


def draw_latents(
    target: Target, data: dict[str, np.ndarray], flat: np.ndarray, *, seed: int, cores: int | None = None
) -> tuple[np.ndarray, np.ndarray, Correction]:
    """Draw one latent path for each draw of the hyperparameters, and resample both by importance.

    Parameters
    ----------
    target
        A compiled rung with latents.
    data
        Its data.
    flat
        Draws of the hyperparameters [chain, draw, element].
    seed
        Seed of the paths.
    cores
        How many threads (default: as many as there are processors); no path depends on it.

    Returns
    -------
    tuple
        Draws [chain, draw, element], paths [chain, draw, week, state] (single precision), and the correction.

    Raises
    ------
    EngineError
        A path that was drawn has no finite density.
    """
    chains, draws, size = flat.shape
    rows = flat.reshape(-1, size)
    if target.conditional is None or target.states is None:
        message = "this rung has no latent paths to draw"
        raise ValueError(message)
    arranged = (target.density.arrange(data), target.conditional.arrange(data))
    middle = target.latent_density(rows.mean(axis=0), np.zeros(target.states), arranged[0])[2]

    def proposed(x: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return _proposed(target, arranged, x, middle, n, rng)

    n = _paths_a_draw(proposed, rows, np.random.default_rng([seed, 0]))
    seeds = np.random.SeedSequence([seed, 1]).spawn(len(rows))

    def picked(block: np.ndarray) -> list[tuple[np.ndarray, float, float]]:
        rngs = [np.random.default_rng(seeds[i]) for i in block]
        return [_picked(*proposed(rows[i], n, rng), rng) for i, rng in zip(block, rngs, strict=True)]

    blocks = np.array_split(np.arange(len(rows)), cores or cpu_count() or 1)
    with ThreadPoolExecutor(len(blocks)) as pool:
        found = list(pool.map(picked, blocks))
    paths = np.stack([path for block in found for path, _, _ in block]).reshape(chains, draws, *target.states)
    log_mean = np.array([mean for block in found for _, mean, _ in block])
    spread = float(np.sqrt(np.mean([variance for block in found for _, _, variance in block])))
    weights, khat = _smoothed(log_mean)
    efficiency = float(1.0 / (len(weights) * (weights**2).sum()))
    correction = Correction(khat, bool(khat < KHAT_LIMIT), efficiency, spread)
    if not correction.applied:
        return flat, paths, correction
    kept = _resampled(weights.reshape(chains, draws), np.random.default_rng([seed, 2]))
    chain = np.arange(chains)[:, None]
    return flat[chain, kept], paths[chain, kept], correction


def _paths_a_draw(proposed: Proposal, rows: np.ndarray, rng: np.random.Generator) -> int:
    """How many paths a draw takes, by the spread of log weights at draws spaced evenly among all."""
    trial = rows[np.linspace(0, len(rows) - 1, TRIAL_DRAWS).astype(int)]
    spread = np.sqrt(np.mean([proposed(x, TRIAL_PATHS, rng)[1].var(ddof=1) for x in trial]))
    return next(n for limit, n in PATHS if spread < limit)


def _proposed(
    target: Target, data: tuple[Arrays, Arrays], x: np.ndarray, start: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw paths for one draw of the hyperparameters from q [path, week, state], with their log weights [path]."""
    mode, mean, lower = target.latents_at(x, start, data[0], what="at a draw of the posterior")
    solve_upper = kernels(lower.shape[1]).solve_upper
    at_mode = _conditional(target, x, mode, data[1])
    noise = rng.standard_normal((n // 2, mean.size))
    paths, log_weights = np.empty((n, *mean.shape)), np.empty(n)
    for k, e in enumerate(np.concatenate([noise, -noise])):  # mirrored pairs, so that skewness cancels
        paths[k] = mean + solve_upper(lower, e).reshape(mean.shape)
        log_weights[k] = _conditional(target, x, paths[k], data[1]) - at_mode + 0.5 * e @ e
    if not np.isfinite(log_weights).all():
        message = (
            "a latent path drawn at its mode's curvature has no finite density, so the posterior cannot be corrected; "
            "look at the values of leverage.toml's items, or use R3"
        )
        raise EngineError(message)
    return paths, log_weights


def _picked(paths: np.ndarray, log_weights: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
    """Pick a path by weight: the path, the log of the mean weight, the variance of the log weights."""
    highest = log_weights.max()
    relative = np.exp(log_weights - highest)
    path = paths[rng.choice(len(paths), p=relative / relative.sum())]
    return path.astype(np.float32), float(highest + np.log(relative.mean())), float(log_weights.var(ddof=1))


def _conditional(target: Target, x: np.ndarray, states: np.ndarray, data: Arrays) -> float:
    (value,) = target.conditional(x, states, data=data)  # type: ignore[misc]  # latents have one
    return float(value)


def _smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Pareto-smoothed weights that sum to one, and the shape of their tail."""
    from arviz_stats.base import array_stats

    smoothed, khat = array_stats.psislw(-log_weights)
    weights = np.exp(smoothed - np.max(smoothed))
    return np.asarray(weights / weights.sum()), float(khat)


def _resampled(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling within each chain [chain, draw] -> indices in order [chain, draw]."""
    chains, draws = weights.shape
    kept = np.empty((chains, draws), dtype=np.intp)
    for chain in range(chains):
        cumulative = np.cumsum(weights[chain]) / weights[chain].sum()
        kept[chain] = np.searchsorted(cumulative, (np.arange(draws) + rng.random()) / draws)
    return np.minimum(kept, draws - 1)
