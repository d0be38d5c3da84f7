"""Simulate both ladders from posterior draws, once, and answer every question from the same paths.

All probabilities come from one set of paths, so nothing on a page can contradict anything else: nested dates are
monotone and exclusive outcomes sum to one by construction.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from forecast.case import Question
from forecast.models import Origin, Rung
from forecast.models.moves import COMPREHENSIVE, LIMITED

NEVER = np.iinfo(np.int16).max
"""Week number of what does not happen within the paths."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Simulated levels, from the as-of week on.

    Attributes
    ----------
    diplomacy, force
        Levels at the end of each week [week, draw, path]; week 0 is the as-of time.
    chains, draws
        How the draws divide into chains, for diagnostics.
    """

    diplomacy: np.ndarray
    force: np.ndarray
    chains: int
    draws: int

    @property
    def weeks(self) -> int:
        """Weeks simulated beyond the as-of time."""
        return len(self.diplomacy) - 1


def simulate(rung: Rung, draws: xr.Dataset, origin: Origin, *, weeks: int, paths: int, seed: int) -> Paths:
    """Carry the ladders ``weeks`` beyond the as-of time, many paths a draw.

    Parameters
    ----------
    rung
        The model.
    draws
        Posterior [chain, draw, ...].
    origin
        Where the coding ends; weeks between it and the as-of time are simulated too and not counted.
    weeks
        Weeks beyond the as-of time.
    paths
        Paths per draw.
    seed
        Seed of the simulation.
    """
    flat = draws.stack(sample=("chain", "draw"), create_index=False).transpose("sample", ...)
    walker = rung.walker(flat, origin, paths, np.random.default_rng(seed))
    shape = (weeks + 1, *walker.diplomacy.shape)
    diplomacy, force = np.empty(shape, dtype=np.int8), np.empty(shape, dtype=np.int8)
    for step in range(origin.lead_steps):
        walker.step(step)
    diplomacy[0], force[0] = walker.diplomacy, walker.force
    for week in range(1, weeks + 1):
        walker.step(origin.lead_steps + week - 1)
        diplomacy[week], force[week] = walker.diplomacy, walker.force
    return Paths(diplomacy, force, draws.sizes["chain"], draws.sizes["draw"])


def first_passages(paths: Paths, question: Question) -> np.ndarray:
    """Week in which each path first meets a question's event, NEVER if it does not [draw, path].

    ``neither`` has no passage: it is what is left, see :func:`occurred_by`.
    """
    deal, escalation = first_step_up(paths.diplomacy, LIMITED), first_step_up(paths.force, 0)
    passages: dict[str, Callable[[], np.ndarray]] = {
        "deal": lambda: deal,
        "deal_limited": lambda: first_step_up(paths.diplomacy, LIMITED, until=LIMITED),
        "deal_comprehensive": lambda: first_step_up(paths.diplomacy, COMPREHENSIVE),
        "deal_lasting": lambda: _lasting_deal(paths.diplomacy, int(question.lasting_weeks or 0)),
        "escalation": lambda: escalation,
        "deal_before_escalation": lambda: np.where(deal < escalation, deal, NEVER),
        "escalation_before_deal": lambda: np.where(escalation <= deal, escalation, NEVER),
        "neither": lambda: np.minimum(deal, escalation),
    }
    return passages[question.event]()


def occurred_by(question: Question, passage: np.ndarray, weeks: float) -> np.ndarray:
    """Whether the question's event has come by a time in weeks, given its first passages [draw, path].

    Within its week an event is spread evenly: path k of n happens (k + 1/2)/n through the week, the same for every
    question, so that dates inside a week stay nested and exclusive outcomes exclusive. ``neither`` is the absence of
    both.
    """
    paths = passage.shape[1]
    within = (np.arange(paths) + 0.5) / paths
    came = (passage < NEVER) & (passage - 1 + within <= weeks)
    return ~came if question.event == "neither" else came


def first_step_up(level: np.ndarray, to: int, *, until: int | None = None) -> np.ndarray:
    """First week of a step up to level ``to`` or above (not above ``until``), NEVER if none [draw, path]."""
    after, before = level[1:], level[:-1]
    stepped = (after > before) & (after >= to)
    if until is not None:
        stepped &= after <= until
    return np.where(stepped.any(axis=0), stepped.argmax(axis=0) + 1, NEVER).astype(np.int16)


def _lasting_deal(diplomacy: np.ndarray, weeks: int) -> np.ndarray:
    """First week of a deal after which some deal stays in force for ``weeks`` weeks; paths end later than asked."""
    after, before = diplomacy[1:], diplomacy[:-1]
    stepped = (after > before) & (after >= LIMITED)
    in_force = diplomacy[1:] >= LIMITED
    holds = np.ones_like(stepped)
    for lag in range(1, weeks + 1):
        later = np.zeros_like(stepped)
        later[:-lag] = in_force[lag:]
        holds &= later
    lasting = stepped & holds
    return np.where(lasting.any(axis=0), lasting.argmax(axis=0) + 1, NEVER).astype(np.int16)
