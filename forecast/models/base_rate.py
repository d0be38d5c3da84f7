"""Rung R0: the reference-class base rate, by level and horizon.

Within each band of weeks (to 4, 13, 26, 52) the first deal is none, limited or comprehensive, and the first escalation
comes or not; each is Dirichlet-multinomial. The reference class depends on where diplomacy stands:

- out of *talks*, the reference episodes: the share that had produced a deal so many weeks after their start;
- out of *none*, the breakdowns: what followed talks that had broken off;
- with a deal in force, nothing but the case's own past.

Reference counts are power-prior weighted and enter the concentration; the case's own past enters as data, in windows of
a year that do not overlap, counted back from the origin, with the ladder at the origin's level when they begin.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecast.errors import PriorError, at
from forecast.models.history import History
from forecast.models.moves import COMPREHENSIVE, LIMITED, NONE, TALKS
from forecast.models.priors import DirichletPrior, Priors
from forecast.models.reference import usable_episodes

BANDS = (4, 13, 26, 52)
DEALS = ("no deal", "limited deal", "comprehensive deal")
ESCALATIONS = ("no escalation", "escalation")
_NEVER = np.inf


@dataclass(frozen=True, slots=True)
class Unit:
    """One window followed up: weeks to the first deal and its kind, weeks to escalation, weeks watched, weight."""

    deal: float
    kind: int
    escalation: float
    watched: float
    weight: float


def reference_units(history: History) -> list[Unit]:
    """Units of the reference class that belongs to the origin's diplomacy level."""
    level = history.origin.diplomacy
    if level == TALKS:
        return _episode_units(history)
    return _breakdown_units(history) if level == NONE else []


def own_units(history: History, ladder: str) -> list[Unit]:
    """Non-overlapping years of the case's own past that began at the origin's level of a ladder."""
    diplomacy, force = history.weeks.levels["diplomacy"], history.weeks.levels["force"]
    here = {"diplomacy": history.origin.diplomacy, "force": history.origin.force}[ladder]
    year = BANDS[-1]
    starts = range(len(diplomacy) - 1 - year, -1, -year)
    return [
        Unit(*_first_deal(diplomacy[t : t + year + 1]), _first_step_up(force[t : t + year + 1]), year, 1.0)
        for t in starts
        if history.weeks.levels[ladder][t] == here
    ]


def band_counts(units: list[Unit], what: str) -> np.ndarray:
    """Weighted counts of what came first in each band, among units that had nothing before [band, category].

    A band that a unit has not been watched to the end of is left out whether something came or not: to count what came
    early and not what is still waiting would make events look frequent.
    """
    counts = np.zeros((len(BANDS), len(DEALS if what == "deal" else ESCALATIONS)))
    for unit in units:
        time, category = (unit.deal, unit.kind) if what == "deal" else (unit.escalation, 1)
        for band, end in enumerate(BANDS):
            if unit.watched < end:
                break
            if time <= end:
                counts[band, category] += unit.weight
                break
            counts[band, 0] += unit.weight
    return counts


def base_rate_data(history: History) -> dict[str, np.ndarray]:
    """Counts of the reference class (weighted) and of the own past (whole), by question and band."""
    reference = reference_units(history)
    return {
        "deal_reference": band_counts(reference, "deal"),
        "deal_own": band_counts(own_units(history, "diplomacy"), "deal").astype(np.int64),
        "escalation_reference": band_counts(reference, "escalation"),
        "escalation_own": band_counts(own_units(history, "force"), "escalation").astype(np.int64),
    }


def build_base_rate(priors: Priors) -> Any:
    """Declare the Dirichlet-multinomials; variables ``deal`` [band, deal_kind] and ``escalation`` [band, escalated].

    Counts enter the concentration, where a conjugate likelihood would put them, and the posterior is written as gammas
    shared out (Marsaglia and Tsang, 2000: a gamma of shape a is one of shape a + 1 times a uniform to the power 1/a).
    A concentration of 0.06, as of a comprehensive deal within four weeks, gives the simplex a tail that no sampler's
    step size fits; the factors have none.
    """
    import pymc as pm
    import pytensor.tensor as pt

    coords = {"band": list(BANDS), "deal_kind": list(DEALS), "escalated": list(ESCALATIONS)}
    with pm.Model(coords=coords) as model:
        for what, dim, categories in (("deal", "deal_kind", DEALS), ("escalation", "escalated", ESCALATIONS)):
            weights = np.array([_weights(priors, f"{what}_to_{end}", categories) for end in BANDS])
            reference = pm.Data(f"{what}_reference", np.zeros_like(weights))
            own = pm.Data(f"{what}_own", np.zeros(weights.shape, dtype=np.int64))
            counts = weights + reference + own
            share = pm.Gamma(f"{what}_share", alpha=counts + 1.0, beta=1.0, dims=("band", dim))
            lost = pm.Exponential(f"{what}_lost", 1.0, dims=("band", dim))
            pm.Deterministic(what, pt.special.softmax(pt.log(share) - lost / counts, axis=-1), dims=("band", dim))
    return model


def _weights(priors: Priors, name: str, categories: tuple[str, ...]) -> tuple[float, ...]:
    prior = priors[name]
    if not isinstance(prior, DirichletPrior) or prior.categories != categories:
        wanted = f"the base rate needs a Dirichlet over {', '.join(categories)}, in this order"
        message = f"{at(priors.folder / 'base_rate.toml', field=name)}: {wanted}"
        raise PriorError(message)
    return prior.weights


def _episode_units(history: History) -> list[Unit]:
    """An episode that failed counts as no deal for the rest of the year: the fate of a track, not of the dyad."""
    units = []
    case, until = history.case, pd.Timestamp(history.vintage.coded_until)
    episodes: Iterable[Any] = usable_episodes(history.vintage).itertuples()
    for e in episodes:
        over = pd.notna(e.ended_on)
        lasted = ((e.ended_on if over else until) - e.started_on).days / 7
        kind = {"limited_deal": 1, "comprehensive_deal": 2}.get(e.outcome, 0)
        fought = e.outcome == "escalation" and bool(e.kinetic_90d)
        weight = case.reference_weights.get(e.reference_class, case.default_reference_weight)
        since = (until - e.started_on).days / 7
        units.append(
            Unit(lasted if kind else _NEVER, kind, lasted if fought else _NEVER, since if over else lasted, weight)
        )
    return units


def _breakdown_units(history: History) -> list[Unit]:
    units = []
    until = pd.Timestamp(history.vintage.coded_until)
    table = history.vintage.breakdowns
    own = table["dyad"].isin(history.case.dyads) & (table["broke_on"] > pd.Timestamp(history.case.grid_start))
    breakdowns: Iterable[Any] = table[~own].itertuples()  # the coded weeks already hold the own ones
    for b in breakdowns:
        deal = (b.deal_on - b.broke_on).days / 7 if pd.notna(b.deal_on) else _NEVER
        escalation = (b.escalated_on - b.broke_on).days / 7 if pd.notna(b.escalated_on) else _NEVER
        kind = 2 if str(b.deal_kind).startswith("comprehensive") else 1
        watched = (until - b.broke_on).days / 7
        units.append(Unit(deal, kind, escalation, watched, history.case.default_reference_weight))
    return units


def _first_deal(level: np.ndarray) -> tuple[float, int]:
    """Weeks to the first step up into a deal, and its kind."""
    up = np.flatnonzero((np.diff(level) > 0) & (level[1:] >= LIMITED))
    if not len(up):
        return _NEVER, 0
    return float(up[0] + 1), 2 if level[up[0] + 1] == COMPREHENSIVE else 1


def _first_step_up(level: np.ndarray) -> float:
    up = np.flatnonzero(np.diff(level) > 0)
    return float(up[0] + 1) if len(up) else _NEVER
