"""Draw the latent paths given posterior draws of the hyperparameters, and correct Laplace's approximation exactly.

For each draw x several paths z come from a Gaussian q(z | x) with the mode's curvature and the skewness-corrected mean,
each with its importance weight

    w = f(x, z) / (q(z | x) f~(x)),

f~ being the approximate marginal that was sampled. One path is picked in proportion to its weight, and the draw carries
the mean weight: together they target the exact joint posterior (Vihola, Helske and Franks, 2020). The mean weights are
smoothed with a generalised Pareto tail (Vehtari et al., 2024), whose shape k-hat says whether the correction can be
trusted, and draws are resampled within their chain.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np

from forecast.inference.banded import kernels
from forecast.inference.target import Target

Arrays = tuple[np.ndarray, ...]
# Paths a draw by the spread of the log weights in a trial, whose own paths are thrown away lest they bias the mean.
TRIAL_PATHS = 6
PATHS = ((0.4, 6), (1.0, 24), (np.inf, 80))
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
    """
    chains, draws, size = flat.shape
    rows = flat.reshape(-1, size)
    if target.joint is None or target.states is None:
        message = "this rung has no latent paths to draw"
        raise ValueError(message)
    arranged = (target.density.arrange(data), target.joint.arrange(data))
    middle = target.latent_density(rows.mean(axis=0), np.zeros(target.states), arranged[0])[2]
    seeds = np.random.SeedSequence([seed, 1]).spawn(len(rows))
    blocks = np.array_split(np.arange(len(rows)), cores or cpu_count() or 1)
    with ThreadPoolExecutor(len(blocks)) as pool:
        found = list(pool.map(lambda b: [_one(target, arranged, rows[i], middle, seeds[i]) for i in b], blocks))
    paths = np.stack([path for block in found for path, _, _ in block]).reshape(chains, draws, *target.states)
    log_mean = np.array([mean for block in found for _, mean, _ in block])
    spread = float(np.sqrt(np.mean([variance for block in found for _, _, variance in block])))
    smoothed, khat = _smoothed(log_mean)
    weights = np.exp(smoothed - smoothed.max())
    weights /= weights.sum()
    efficiency = float(1.0 / (len(weights) * (weights**2).sum()))
    applied = bool(khat < KHAT_LIMIT)
    correction = Correction(khat, applied, efficiency, spread)
    if not applied:
        return flat, paths, correction
    kept = _resampled(weights.reshape(chains, draws), np.random.default_rng([seed, 2]))
    return (
        np.take_along_axis(flat, kept[:, :, None], axis=1),
        np.take_along_axis(paths, kept[:, :, None, None], axis=1),
        correction,
    )


def _one(
    target: Target, data: tuple[Arrays, Arrays], x: np.ndarray, start: np.ndarray, seed: np.random.SeedSequence
) -> tuple[np.ndarray, float, float]:
    """Pick a path for one draw: the path, the log of the mean weight, the variance of the log weights."""
    logp, _gradient, _mode, mean, lower, _last_step = target.latent_density(x, start, data[0])
    rng = np.random.default_rng(seed)
    solve_upper = kernels(lower.shape[1]).solve_upper
    constant = np.log(lower[:, 0]).sum() - 0.5 * mean.size * np.log(2.0 * np.pi) + logp

    def weighed(n: int) -> tuple[list[np.ndarray], np.ndarray]:
        noise = rng.standard_normal((n // 2, mean.size))
        paths, log_weights = [], np.empty(n)
        for k, e in enumerate(np.concatenate([noise, -noise])):  # mirrored pairs, so that skewness cancels
            paths.append(mean + solve_upper(lower, e).reshape(mean.shape))
            (joint,) = target.joint(x, paths[-1], data=data[1])  # type: ignore[misc]  # latents have one
            log_weights[k] = joint + 0.5 * e @ e - constant
        return paths, log_weights

    _, trial = weighed(TRIAL_PATHS)
    paths, log_weights = weighed(next(n for limit, n in PATHS if trial.std() < limit))
    highest = log_weights.max()
    relative = np.exp(log_weights - highest)
    picked = rng.choice(len(paths), p=relative / relative.sum())
    return paths[picked].astype(np.float32), float(highest + np.log(relative.mean())), float(log_weights.var())


def _smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Pareto-smoothed log weights, and the shape of their tail."""
    from arviz_stats.base import array_stats

    smoothed, khat = array_stats.psislw(-log_weights)
    return np.asarray(smoothed), float(khat)


def _resampled(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling within each chain [chain, draw] -> indices in order [chain, draw]."""
    chains, draws = weights.shape
    kept = np.empty((chains, draws), dtype=np.intp)
    for chain in range(chains):
        cumulative = np.cumsum(weights[chain]) / weights[chain].sum()
        kept[chain] = np.searchsorted(cumulative, (np.arange(draws) + rng.random()) / draws)
    return np.minimum(kept, draws - 1)
