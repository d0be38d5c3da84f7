"""R6 as one would first write it in PyMC, latent paths and all in one call of `pm.sample`, beside the engine.

    python tests/benchmarks/plain_pymc.py --draws 200 --tune 300

Same model, data, machine and process; effective samples by the second over the hyperparameters and the gap of every
week, the smallest of all, counted from data to draws with compilation left out. The joint sampler mixes badly, so its
R-hat is printed beside it: a small number of effective samples estimated from chains that disagree flatters it.
"""

import argparse
import time
from dataclasses import dataclass
from typing import Any

import arviz_stats
import numpy as np
import xarray as xr

from forecast.case import load_case
from forecast.inference import Settings, fit
from forecast.inference.schema import VARIABLES
from forecast.models import build_history, get_rung, load_priors
from forecast.models.leverage import layout_of
from forecast.observations import as_of

DAY = "2026-04-14"
LEFT_OUT = {"leverage", "shift", "scale"}  # functions of the others


@dataclass(frozen=True, slots=True)
class Mixing:
    """How well and how fast a sampler mixed."""

    what: str
    seconds: float
    draws: int
    ess: float
    worst: str
    r_hat: float
    divergences: int

    def __str__(self) -> str:
        """One line of the table."""
        return (
            f"{self.what:<8} {self.draws:>5} draws in {self.seconds:7.1f} s  min ESS {self.ess:7.1f} ({self.worst})  "
            f"{self.ess / self.seconds:8.4f} a second  max R-hat {self.r_hat:.3f}  {self.divergences} divergences"
        )


def main() -> None:
    """Sample both, print both, and their ratio."""
    parser = argparse.ArgumentParser(description="The engine against plain pm.sample.")
    parser.add_argument("--draws", type=int, default=200, help="of the joint sampler, in each of two chains")
    parser.add_argument("--tune", type=int, default=300)
    arguments = parser.parse_args()
    ours = engine()
    print(ours, flush=True)
    theirs = joint(arguments.draws, arguments.tune)
    print(theirs)
    print(f"ratio of effective samples a second: {ours.ess / ours.seconds / (theirs.ess / theirs.seconds):.0f}")


def engine() -> Mixing:
    """The engine at the settings of a run."""
    history = build_history(as_of(load_case("us-iran"), DAY), plan_weeks=60)
    fitted = fit(get_rung("R6"), history, priors=load_priors(), settings=Settings())
    seconds = fitted.timings["sample"] + fitted.timings["latents"]
    return mixing("engine", fitted.posterior, seconds, int(fitted.sample_stats["diverging"].sum()))


def joint(draws: int, tune: int) -> Mixing:
    """`pm.sample` on the joint model."""
    import pymc as pm

    history = build_history(as_of(load_case("us-iran"), DAY), plan_weeks=60)
    rung = get_rung("R6")
    layout = layout_of(history.case, "R6")
    model: Any = rung.build(load_priors(), history)
    with model:
        pm.set_data(rung.data(history))
        model.compile_logp()(model.initial_point())
        started = time.perf_counter()
        trace = pm.sample(draws=draws, tune=tune, chains=2, cores=2, random_seed=1, progressbar=False)
        seconds = time.perf_counter() - started
    posterior = trace["posterior"].to_dataset()
    effects = posterior["driver_effect"].transpose("chain", "draw", "driver").values
    moved = np.einsum("cdk,tk,ks,s->cdt", effects, history.items.moved, layout.shifts, layout.gap, optimize=True)
    states = posterior["states"].transpose("chain", "draw", "week", "state").values
    gap = states[:, :, : history.weeks.n_weeks] @ layout.gap + moved
    posterior = posterior.assign(gap=(("chain", "draw", "weeks"), gap))
    return mixing("pm.sample", posterior, seconds, int(trace["sample_stats"]["diverging"].sum()))


def mixing(what: str, posterior: xr.Dataset, seconds: float, divergences: int) -> Mixing:
    """Smallest effective sample size and largest R-hat over the hyperparameters and the weekly gap."""
    names = [name for name in VARIABLES["R6"] if name not in LEFT_OUT]
    ess, r_hat = arviz_stats.ess(posterior[names]), arviz_stats.rhat(posterior[names])
    smallest = {name: float(np.nanmin(ess[name])) for name in names}
    worst = min(smallest, key=lambda name: smallest[name])
    largest = max(float(np.nanmax(r_hat[name])) for name in names)
    draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    return Mixing(what, seconds, draws, smallest[worst], worst, largest, divergences)


if __name__ == "__main__":
    main()
