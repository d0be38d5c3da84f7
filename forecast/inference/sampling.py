"""Fit a rung to a vintage: compile once, swap the data in, sample with nutpie.

Compiling costs more than sampling, so compiled models are kept for the life of the process, by rung, shape and priors;
another as-of date is a swap of data. Same inputs and seed give the same draws on one machine, cold or warm.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from forecast.errors import ForecastError
from forecast.inference.runtime import prepare_pytensor
from forecast.inference.schema import SAMPLE_STATS, VARIABLES
from forecast.models import History, Priors, Rung

CHAINS = 4
TUNE = 400
DRAWS = 1000
TARGET_ACCEPT = 0.8

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
        if self.draws < 100 or self.tune < 100 or self.chains < 2 or not 0 <= self.seed < 2**63:
            message = (
                f"sampling with draws={self.draws}, tune={self.tune}, chains={self.chains}, seed={self.seed}: "
                "needs at least 100 draws, 100 tuning steps and 2 chains, and a seed from 0 and below 2**63"
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
    """

    rung: Rung
    history: History
    priors: Priors
    settings: Settings
    posterior: xr.Dataset
    sample_stats: xr.Dataset
    timings: dict[str, float] = field(default_factory=dict)

    def draw_digest(self) -> str:
        """SHA-256 of all draws, bit for bit."""
        state = hashlib.sha256()
        for name in sorted(map(str, self.posterior.data_vars)):
            state.update(np.ascontiguousarray(self.posterior[name].values).tobytes())
        return f"sha256:{state.hexdigest()}"

    def flat_draws(self) -> xr.Dataset:
        """Draws of all chains along one dimension ``sample``."""
        return self.posterior.stack(sample=("chain", "draw"), create_index=False).transpose("sample", ...)


_COMPILED: dict[tuple[Any, ...], Any] = {}


def fit(
    rung: Rung,
    history: History,
    *,
    priors: Priors,
    settings: Settings | None = None,
    report: Report | None = None,
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

    Returns
    -------
    Fit
    """
    settings = settings or Settings()
    say = report or (lambda _line: None)
    started = time.perf_counter()
    compiled = _compiled(rung, history, priors, say)
    compiled_at = time.perf_counter()
    say(f"sampling {rung.name}: {settings.chains} chains of {settings.tune} + {settings.draws} draws")
    trace = _sample(compiled.with_data(**rung.data(history)), settings)
    timings = {"compile": compiled_at - started, "sample": time.perf_counter() - compiled_at}
    drawn = _plain(trace["posterior"].to_dataset()[list(VARIABLES[rung.name])])
    return Fit(
        rung=rung,
        history=history,
        priors=priors,
        settings=settings,
        posterior=rung.trim(drawn, history),
        sample_stats=_plain(trace["sample_stats"].to_dataset()[list(SAMPLE_STATS)]),
        timings=timings,
    )


def _compiled(rung: Rung, history: History, priors: Priors, say: Report) -> Any:
    """Return the compiled model, from this process's memory if one of the same shape is there."""
    prepare_pytensor()
    import nutpie

    key = (rung.name, rung.shape(history), priors.digest())
    if key not in _COMPILED:
        say(f"compiling {rung.name} (a minute or two on a fresh machine, then cached)")
        model = rung.build(priors, history)
        _COMPILED[key] = nutpie.compile_pymc_model(model, freeze_model=False)
    return _COMPILED[key]


def _sample(compiled: Any, settings: Settings) -> xr.DataTree:
    import nutpie

    trace: xr.DataTree = nutpie.sample(
        compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        seed=settings.seed,
        target_accept=TARGET_ACCEPT,
        save_warmup=False,
        progress_bar=False,
    )
    return trace


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """Load into memory without the attributes that carry the time of the run."""
    plain = dataset.load().copy()
    plain.attrs = {}
    for variable in plain.variables.values():
        variable.attrs = {}
    return plain
