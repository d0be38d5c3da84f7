"""The ladder of models behind one small interface.

A rung knows how to declare its PyMC model, how to lay a history out as that model's data, and how to carry paths
forward from posterior draws. Later rungs join by adding an entry to :data:`RUNGS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from forecast.errors import RungError
from forecast.models.base_rate import base_rate_data, build_base_rate
from forecast.models.hazards import build_hazards, hazard_data, shapes_of
from forecast.models.history import History, Origin
from forecast.models.leverage import Layout, build_leverage, check_revealed, layout_of, leverage_data, with_leverage
from forecast.models.priors import Priors
from forecast.models.walk import BaseRateWalker, HazardWalker, Walker


@dataclass(frozen=True, slots=True)
class Rung:
    """One model of the ladder.

    Attributes
    ----------
    name, title, answers
        Its short name, its title and the question it answers.
    blocks
        Prior files that it reads.
    shape
        What a compiled model depends on besides the priors, hashable; equal shapes share one compilation.
    build
        Declare the PyMC model for a history's shape.
    data
        Data arrays for a compiled model of that shape.
    walker
        Paths from draws and an origin.
    latent
        Add what the latent paths [chain, draw, week, state] say to the draws of a history; None for a rung without
        latents, whose model has nothing to integrate out.
    levels_move_on
        Whether levels mean something after the first passage (not for a base rate).
    """

    name: str
    title: str
    answers: str
    blocks: tuple[str, ...]
    shape: Callable[[History], tuple[Any, ...]]
    build: Callable[[Priors, History], Any]
    data: Callable[[History], dict[str, np.ndarray]]
    walker: Callable[[xr.Dataset, Origin, int, np.random.Generator], Walker]
    levels_move_on: bool
    latent: Callable[[xr.Dataset, np.ndarray, History], xr.Dataset] | None = None


def _hazard_rung(name: str, title: str, answers: str, *, drivers: bool) -> Rung:
    blocks = ("diplomacy", "force", "coupling", "pooling")
    return Rung(
        name=name,
        title=title,
        answers=answers,
        blocks=(*blocks, "drivers") if drivers else blocks,
        shape=lambda history: (shapes_of(history), history.composites.names),
        build=lambda priors, history: build_hazards(
            priors, shapes_of(history), history.composites.names, drivers=drivers
        ),
        data=lambda history: _hazard_arrays(history, drivers=drivers),
        walker=lambda draws, origin, paths, rng: HazardWalker(draws, origin, paths=paths, rng=rng),
        levels_move_on=True,
    )


def _hazard_arrays(history: History, *, drivers: bool) -> dict[str, np.ndarray]:
    data = hazard_data(history, shapes_of(history))
    return data if drivers else {name: table for name, table in data.items() if name != "autoregression"}


def _leverage_rung(name: str, title: str, answers: str) -> Rung:
    def layout(history: History) -> Layout:
        laid = layout_of(history.case, name)
        check_revealed(laid, history)
        return laid

    return Rung(
        name=name,
        title=title,
        answers=answers,
        blocks=("diplomacy", "force", "coupling", "pooling", "leverage"),
        shape=lambda history: (shapes_of(history), layout(history).key()),
        build=lambda priors, history: build_leverage(priors, shapes_of(history), layout(history)),
        data=lambda history: leverage_data(history, shapes_of(history)),
        walker=lambda draws, origin, paths, rng: HazardWalker(draws, origin, paths=paths, rng=rng),
        levels_move_on=True,
        latent=lambda draws, paths, history: with_leverage(draws, paths, history, layout(history)),
    )


RUNGS: dict[str, Rung] = {
    "R0": Rung(
        name="R0",
        title="Reference-class base rate",
        answers="Is anything better than the reference class?",
        blocks=("base_rate",),
        shape=lambda _history: (),
        build=lambda priors, _history: build_base_rate(priors),
        data=base_rate_data,
        walker=lambda draws, origin, paths, rng: BaseRateWalker(draws, origin, paths=paths, rng=rng),
        levels_move_on=False,
    ),
    "R1": _hazard_rung("R1", "Hierarchical hazards", "Is there skill in the timing?", drivers=False),
    "R3": _hazard_rung("R3", "Hazards with raw signals", "Are signals useful without latents?", drivers=True),
    "R4": _leverage_rung("R4", "Hazards with one latent tension", "Does it help to allow for error of measurement?"),
    "R5": _leverage_rung("R5", "Hazards with each side's leverage", "Do the sides matter?"),
    "R6": _leverage_rung("R6", "Hazards with leverage and misperception", "Does misperception matter?"),
}
DEFAULT_RUNG = "R3"


def get_rung(name: str) -> Rung:
    """Return a rung by name; RungError names the ones there are."""
    if name in RUNGS:
        return RUNGS[name]
    message = f"no rung {name!r}: one of {', '.join(RUNGS)}"
    raise RungError(message)
