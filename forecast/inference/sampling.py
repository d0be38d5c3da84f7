"""Fit a rung to a vintage: compile once, swap the data in, sample with nutpie, draw the latent paths.

Same inputs and seed give the same draws on one machine, cold or warm.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from forecast.errors import EngineError, ForecastError
from forecast.inference.laplace import TOLERANCE
from forecast.inference.latents import Correction, draw_latents
from forecast.inference.lessons import Lessons, lessons
from forecast.inference.schema import SAMPLE_STATS
from forecast.inference.target import Target, target_of
from forecast.inference.whitening import whiten
from forecast.models import History, Priors, Rung
from forecast.models.leverage import layout_of

CHAINS = 4
TUNE = 300
DRAWS = 1000
TARGET_ACCEPT = 0.8
LEAST_DRAWS, LEAST_CHAINS, SEEDS = 100, 2, 2**63  # fewer draws or tuning steps, or chains, cannot be diagnosed
SCATTER = 1.5  # of the starting points of a whitened posterior, in its standard deviations

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample."""

    seed: int = 20180508
    draws: int = DRAWS
    tune: int = TUNE
    chains: int = CHAINS

    def __post_init__(self) -> None:
        """Refuse settings that could not be diagnosed."""
        too_few = min(self.draws, self.tune) < LEAST_DRAWS or self.chains < LEAST_CHAINS
        if too_few or not 0 <= self.seed < SEEDS:
            message = (
                f"sampling with draws={self.draws}, tune={self.tune}, chains={self.chains}, seed={self.seed}: "
                f"needs at least {LEAST_DRAWS} draws, {LEAST_DRAWS} tuning steps and {LEAST_CHAINS} chains, and a seed "
                "from 0 and below 2**63"
            )
            raise ForecastError(message)


@dataclass(frozen=True, slots=True)
class Fit:
    """A posterior with what it was fitted to.

    Attributes
    ----------
    rung, history, priors, settings
        What was fitted, to what, under which priors, how.
    posterior
        Draws of the schema's variables [chain, draw, ...].
    sample_stats
        The sampler's own record [chain, draw].
    timings
        Seconds by stage.
    correction
        How the latent paths were corrected to the exact joint posterior; None for a rung without latents, and for a
        posterior read from a file.
    lessons
        What each item says about leverage in the last week; None likewise.
    """

    rung: Rung
    history: History
    priors: Priors
    settings: Settings
    posterior: xr.Dataset
    sample_stats: xr.Dataset
    timings: dict[str, float] = field(default_factory=dict)
    correction: Correction | None = None
    lessons: Lessons | None = None

    def draw_digest(self) -> str:
        """SHA-256 of all draws, bit for bit."""
        state = hashlib.sha256()
        for name in sorted(map(str, self.posterior.data_vars)):
            state.update(np.ascontiguousarray(self.posterior[name].values).tobytes())
        return f"sha256:{state.hexdigest()}"

    def flat_draws(self) -> xr.Dataset:
        """Draws of all chains along one dimension ``sample``."""
        return self.posterior.stack(sample=("chain", "draw"), create_index=False).transpose("sample", ...)


def fit(
    rung: Rung,
    history: History,
    *,
    priors: Priors,
    settings: Settings | None = None,
    report: Report | None = None,
    cores: int | None = None,
) -> Fit:
    """Sample the posterior of a rung.

    Parameters
    ----------
    rung
        Which model.
    history
        What it is fitted to: a coded vintage.
    priors
        The priors, loaded and checked.
    settings
        Seed, draws, tuning, chains.
    report
        Told in one line what is going on; None keeps silent.
    cores
        How many chains may run side by side (default: as many as there are processors); no draw depends on it.

    Returns
    -------
    Fit
    """
    settings = settings or Settings()
    say = report or (lambda _line: None)
    clock = [time.perf_counter()]
    target = target_of(rung, history, priors, say=say)
    clock.append(time.perf_counter())
    say(f"sampling {rung.name}: {settings.chains} chains of {settings.tune} + {settings.draws} draws")
    data = rung.data(history)
    check_start(rung, target, data, history)
    flat, stats = sample(target, data, settings, cores=cores)
    clock.append(time.perf_counter())
    paths, correction, learned = None, None, None
    if rung.latent is not None:
        say("drawing the latent paths")
        flat, paths, correction = draw_latents(target, data, flat, seed=settings.seed, cores=cores)
        learned = lessons(target, rung.name, history, data, flat)
    drawn = target.expand(flat, data)
    if rung.latent is not None and paths is not None:
        drawn = rung.latent(drawn, paths, history)
    clock.append(time.perf_counter())
    seconds = dict(zip(("compile", "sample", "latents"), np.diff(clock).tolist(), strict=True))
    return Fit(rung, history, priors, settings, drawn, stats, seconds, correction, learned)


def check_start(rung: Rung, target: Target, data: dict[str, np.ndarray], history: History) -> None:
    """Make sure that the posterior of a rung with latents can be evaluated where the search for its mode starts.

    Raises
    ------
    EngineError
        It is not finite there, or the search for the latents' mode does not converge; it names latent and week where
        they can be told.
    """
    if target.states is None:
        return
    arranged = target.density.arrange(data)
    logp, _, mode, _, lower, last_step = target.density(target.flat.start, np.zeros(target.states), data=arranged)
    if np.isfinite(logp) and last_step < TOLERANCE:
        return
    if not np.isfinite(lower).all():
        what = "the curvature is not positive"
    elif last_step < TOLERANCE:
        what = "the density is not finite"
    else:
        what = "the search for the latents' mode does not converge"
    message = f"{rung.name}: {what}{_worst_at(rung, mode, history)}; look at the items of leverage.toml, or use R3"
    raise EngineError(message)


def _worst_at(rung: Rung, mode: np.ndarray, history: History) -> str:
    """Where a search went furthest; nothing if all of it is lost."""
    if not np.isfinite(mode).any():
        return ""
    week, state = np.unravel_index(int(np.nanargmax(np.abs(mode))), mode.shape)
    name, ends = layout_of(history.case, rung.name).states[int(state)], history.weeks.ends
    return f", furthest out at {name} in the week to {ends[min(int(week), len(ends) - 1)]}"


def sample(
    target: Target, data: dict[str, np.ndarray], settings: Settings, *, cores: int | None = None
) -> tuple[np.ndarray, xr.Dataset]:
    """Sample a target with nutpie: flat draws [chain, draw, element] and the sampler's own record [chain, draw].

    With latents it is sampled in whitened coordinates, from points scattered widely about its mode; without them as it
    is, from points scattered about the model's initial one, as PyMC does it.

    Raises
    ------
    EngineError
        A posterior with latents has no mode that can be found.
    """
    import nutpie
    from threadpoolctl import threadpool_limits

    size = len(target.flat.start)
    with threadpool_limits(1):  # chains are the threads: BLAS's own would only get in their way
        whitening = None
        if target.states is not None:
            whitening = whiten(lambda: target.density_at(data), target.flat.start, target.flat.name_of, cores=cores)
        model = nutpie.compiled_pyfunc.from_pyfunc(
            size,
            lambda: whitening.density(target.density_at(data)) if whitening else target.density_at(data),
            lambda _seed1, _seed2, _chain: lambda y: {"flat": whitening.outward(y) if whitening else y},
            [np.dtype("float64")],
            [(size,)],
            ["flat"],
            make_initial_point_fn=lambda seed: _scattered(target, seed, whitened=whitening is not None),
        )
        trace: xr.DataTree = nutpie.sample(
            model,
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=cores,
            seed=settings.seed,
            target_accept=TARGET_ACCEPT,
            save_warmup=False,
            progress_bar=False,
        )
    flat = np.asarray(trace["posterior"].to_dataset()["flat"].values)
    return flat, _plain(trace["sample_stats"].to_dataset()[list(SAMPLE_STATS)])


def _scattered(target: Target, seed: int, *, whitened: bool) -> np.ndarray:
    """Where a chain starts, in the sampler's coordinates."""
    rng, size = np.random.default_rng(seed), len(target.flat.start)
    return rng.normal(0.0, SCATTER, size) if whitened else target.flat.start + rng.uniform(-1.0, 1.0, size)


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """Load into memory without the attributes that carry the time of the run."""
    plain = dataset.load().copy()
    plain.attrs = {}
    for variable in plain.variables.values():
        variable.attrs = {}
    return plain
