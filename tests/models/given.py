"""What tests of the statistical core start from: shipped priors, coded histories, and draws that need no sampler."""

from functools import cache

import numpy as np
import xarray as xr

from forecast.case import load_case
from forecast.inference import Fit, Settings
from forecast.inference.schema import VARIABLES
from forecast.models import History, Priors, build_history, get_rung, load_priors
from forecast.models.base_rate import BANDS, DEALS, ESCALATIONS
from forecast.models.hazards import CHANCES
from forecast.models.moves import DRIVEN, EPISODE_MOVES, MOVE_NAMES, TERM_NAMES
from forecast.models.reference import usable_episodes
from forecast.observations import as_of

PLAN_WEEKS = 60
WALKOUT_AFTER_ISLAMABAD = "2026-04-14"
"""A Tuesday: its last coded week is a part of one."""


@cache
def shipped_priors() -> Priors:
    """Return the shipped priors, read once."""
    return load_priors()


@cache
def real_history(when: str = WALKOUT_AFTER_ISLAMABAD) -> History:
    """Return the shipped case coded as of a day, read once; not to be changed by any test."""
    return build_history(as_of(load_case("us-iran"), when), plan_weeks=PLAN_WEEKS)


def dyads_of(history: History) -> list[str]:
    """Return the names of the dyads as the reference episodes number them: the case's own, then the others in order."""
    return ["(own)", *sorted(set(usable_episodes(history.vintage)["dyad"]) - set(history.case.dyads))]


def coordinates(history: History) -> dict[str, list[str] | list[int]]:
    """Names along the dimensions of a posterior."""
    return {
        "move": list(MOVE_NAMES),
        "coefficient": list(TERM_NAMES),
        "chance_of": list(CHANCES),
        "dyad_on": ["deal", "collapse"],
        "episode_end": list(EPISODE_MOVES),
        "composite": list(history.composites.names),
        "driven": list(DRIVEN),
        "band": list(BANDS),
        "deal_kind": list(DEALS),
        "escalated": list(ESCALATIONS),
    }


def drawn(rung: str, history: History, *, chains: int = 2, draws: int = 100, seed: int = 1) -> xr.Dataset:
    """Draw a rung's parameters from the shipped priors, in the shape of a posterior [chain, draw, ...]."""
    rng = np.random.default_rng(seed)
    size = (chains, draws)
    values = _base_rate(size, rng) if rung == "R0" else _hazards(size, rng)
    if rung == "R3":
        values |= _drivers(history, size, rng)
    named = coordinates(history)
    return xr.Dataset(
        {name: (("chain", "draw", *dims), values[name]) for name, (dims, _) in VARIABLES[rung].items()},
        coords={
            "chain": np.arange(chains),
            "draw": np.arange(draws),
            **{d: named[d] for dims, _ in VARIABLES[rung].values() for d in dims},
        },
    )


def made_up_fit(rung: str, history: History, *, chains: int = 2, draws: int = 100, seed: int = 1) -> Fit:
    """A fit that no sampler made: independent draws from the priors, and the record of a sampler at its best."""
    rng = np.random.default_rng(seed)
    shape = (chains, draws)
    record = {
        "diverging": np.zeros(shape, dtype=bool),
        "energy": rng.normal(300.0, 5.0, shape),
        "n_steps": np.full(shape, 15),
        "depth": np.full(shape, 4),
        "step_size": np.full(shape, 0.3),
    }
    along = {"chain": np.arange(chains), "draw": np.arange(draws)}
    return Fit(
        rung=get_rung(rung),
        history=history,
        priors=shipped_priors(),
        settings=Settings(seed=seed, draws=draws, tune=100, chains=chains),
        posterior=drawn(rung, history, chains=chains, draws=draws, seed=seed),
        sample_stats=xr.Dataset({n: (("chain", "draw"), v) for n, v in record.items()}, coords=along),
        timings={"compile": 1.0, "sample": 2.0},
    )


def _stacked(names: tuple[str, ...], size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return np.stack([shipped_priors().draw(name, size, rng) for name in names], axis=-1)


def _base_rate(size: tuple[int, int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    priors = shipped_priors()
    return {
        what: np.stack([priors.draw(f"{what}_to_{end}", size, rng) for end in BANDS], axis=2)
        for what in ("deal", "escalation")
    }


def _hazards(size: tuple[int, int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    spread = _stacked(("dyad_sd_deal", "dyad_sd_collapse"), size, rng)
    return {
        "base": _stacked(MOVE_NAMES, size, rng),
        "term": _stacked(TERM_NAMES, size, rng),
        "chance": _stacked(CHANCES, size, rng),
        "dyad_sd": spread,
        "own_dyad": spread * rng.standard_normal((*size, 2)),
        "reference_offset": shipped_priors().draw("reference_offset", (*size, len(EPISODE_MOVES)), rng),
    }


def _drivers(history: History, size: tuple[int, int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    priors, n = shipped_priors(), len(history.composites.names)
    overall, slab = priors.draw("global_scale", size, rng), priors.draw("slab_scale", size, rng)
    local = np.abs(rng.standard_t(3, (*size, n, len(DRIVEN))))
    wide, scale = slab[..., None, None], overall[..., None, None]
    regularised = wide * local / np.sqrt(wide**2 + scale**2 * local**2)
    return {
        "global_scale": overall,
        "slab_scale": slab,
        "local_scale": local,
        "driver": rng.standard_normal(local.shape) * scale * regularised,
        "persistence": priors.draw("persistence", (*size, n), rng),
        "innovation": priors.draw("innovation", (*size, n), rng),
    }
