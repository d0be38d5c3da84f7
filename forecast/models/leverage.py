"""Rungs R4 to R6: latent leverage, revealed by items, driving the hazards through the gap.

Week by week each side has true leverage T and misperception M, and acts on what it believes, B = T + M:

    T = x + drivers @ effects,   x and M first-order autoregressions,  M fading faster in weeks of fighting,
    structural items  ~ a + loading * T,      behavioural items ~ a + loading * B,
    gap = (B_coercer + B_target) / sqrt(2),   log-odds of every move = those of R1 + effect * gap.

The gap is Fearon's (1995): no bargain exists when what both believe they could get by walking away exceeds what there
is to share. Costs of no deal are inside T, so the pie is constant and its size is in the base rates. R5 has no M (items
of behaviour read T), R4 one tension for the dyad. Scale is fixed (x has stationary variance 1), so is level (x, M and
drivers have mean zero): misperception is relative to what is usual for the side, never absolute.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from forecast.case import Case, Item
from forecast.errors import RungError
from forecast.models.hazards import Shapes, declare_hazards, declare_tables, hazard_coords, hazard_data
from forecast.models.history import History
from forecast.models.moves import CONFLICT, GAP_EFFECTS, GAP_GROUPS, gap_placement, gap_weight
from forecast.models.priors import Priors
from forecast.models.states import declare_states

STATES = "states"
KINDS = ("tension", "true", "misperception", "own")
LIKELIHOODS = ("normal", "count", "binary")
LEAST = {"true": 2, "believed": 2}  # items and drivers of true leverage, items of belief, that a side needs


@dataclass(frozen=True, slots=True)
class Layout:
    """Which latent paths a rung estimates and what reads them: the structure of the model as data.

    Attributes
    ----------
    rung
        ``R4``, ``R5`` or ``R6``.
    items
        The case's items, in order.
    drivers
        Ids of the case's drivers, in order.
    states
        Names of the latent paths: ``true:us``, ``misperception:us``, ``tension``; ``own:item`` for an item's lasting
        deviations.
    reads
        Which states' sum an item loads on [item, state].
    own
        Which state is an item's own deviation [item, state].
    shifts
        Which state a driver shifts [driver, state].
    gap
        Weights of the states in the gap [state].
    """

    rung: str
    items: tuple[Item, ...]
    drivers: tuple[str, ...]
    states: tuple[str, ...]
    reads: np.ndarray
    own: np.ndarray
    shifts: np.ndarray
    gap: np.ndarray

    def key(self) -> tuple[Any, ...]:
        """What a compiled model depends on, hashable."""
        return (self.rung, self.items, self.drivers, self.states, self.shifts.tobytes())

    def of(self, kind: str) -> list[int]:
        """Indices of the states of one of :data:`KINDS`."""
        return [k for k, name in enumerate(self.states) if name.split(":")[0] == kind]

    def revealing(self, reveals: str) -> list[int]:
        """Indices of the items that reveal ``true`` or ``believed`` leverage."""
        return [k for k, item in enumerate(self.items) if item.reveals == reveals]

    def having(self, likelihood: str) -> list[int]:
        """Indices of the items of a likelihood."""
        return [k for k, item in enumerate(self.items) if item.likelihood == likelihood]


def layout_of(case: Case, rung: str) -> Layout:
    """Lay out a leverage rung for a case.

    Raises
    ------
    RungError
        A side has too few items to tell its latents apart.
    """
    _check_enough(case, rung)
    sides = [s.id for s in case.sides]
    by_side = {
        s: {"R4": ["tension"], "R5": [f"true:{s}"], "R6": [f"true:{s}", f"misperception:{s}"]}[rung] for s in sides
    }
    shared = list(dict.fromkeys(name for kind in zip(*by_side.values(), strict=True) for name in kind))
    states = (*shared, *(f"own:{i.id}" for i in case.items if i.lasting))
    reads = np.zeros((len(case.items), len(states)))
    own, shifts = np.zeros_like(reads), np.zeros((len(case.drivers), len(states)))
    for k, item in enumerate(case.items):
        read = by_side[item.side][:1] if item.reveals == "true" else by_side[item.side]
        reads[k, [states.index(name) for name in read]] = 1.0
        if item.lasting:
            own[k, states.index(f"own:{item.id}")] = 1.0
    for k, driver in enumerate(case.drivers):
        shifts[k, states.index(by_side[driver.side][0])] = 1.0
    gap = np.array([gap_weight(name) for name in states])
    return Layout(rung, case.items, tuple(d.id for d in case.drivers), states, reads, own, shifts, gap)


def _check_enough(case: Case, rung: str, *, spoken: Collection[str] | None = None, when: str = "") -> None:
    """Two things that reveal or move true leverage and two that reveal belief, for each side, is the least.

    ``spoken`` are the items and drivers that count, by default all.
    """
    if not case.items:
        message = f"{case.folder}: {rung} needs leverage.toml, which says what reveals leverage; write one, or use R3"
        raise RungError(message)
    for side in case.sides:
        items = [i for i in case.items if i.side == side.id and (spoken is None or i.id in spoken)]
        true = [i.id for i in items if i.reveals == "true"]
        moved = [d.id for d in case.drivers if d.side == side.id and (spoken is None or d.id in spoken)]
        believed = [i.id for i in items if i.reveals == "believed"]
        if len(true) + len(moved) < LEAST["true"] or not true or len(believed) < LEAST["believed"]:
            message = (
                f"{case.folder}: {rung} cannot identify the leverage of side {side.id!r}{when}: structural items "
                f"{true}, drivers {moved}, behavioural items {believed}; it takes a structural item, two of the "
                "first two together and two of the last. Add items to leverage.toml, or use R3"
            )
            raise RungError(message)


def check_revealed(layout: Layout, history: History) -> None:
    """Make sure that what a side's leverage is known by has values as of the history's day, and drivers that moved.

    Raises
    ------
    RungError
        A side has too few of them yet to tell its latents apart.
    """
    _check_enough(history.case, layout.rung, spoken=history.items.spoken(), when=f" as of {history.vintage.day}")


def measure_columns(layout: Layout) -> dict[str, slice]:
    """Return which columns of the data array ``measures`` hold what."""
    n = len(layout.items)
    widths = {"values": n, "known": n, "memory": n, "log_coverage": 1, "fighting": 1, "unlived": 1}
    widths["drivers"] = len(layout.drivers)
    stops = np.cumsum(list(widths.values()))
    return {k: slice(int(stop) - w, int(stop)) for (k, w), stop in zip(widths.items(), stops, strict=True)}


def leverage_data(history: History, shapes: Shapes) -> dict[str, np.ndarray]:
    """Lay a history out for the compiled model: the arrays of R1 and ``measures`` [week, column]."""
    items = history.items
    weeks = history.weeks
    fighting, unlived = weeks.levels["force"] == CONFLICT, 1.0 - weeks.exposure
    parts = (items.values, items.known, items.memory, items.log_coverage, fighting, unlived, items.moved)
    table = np.column_stack(parts).astype(float)
    hazards = {name: array for name, array in hazard_data(history, shapes).items() if name != "autoregression"}
    return hazards | {"measures": np.pad(table, ((0, shapes.week - len(table)), (0, 0)))}


def build_leverage(priors: Priors, shapes: Shapes, layout: Layout) -> Any:
    """Declare the joint PyMC model of a leverage rung, latent paths included, with empty data of the given shapes.

    Returns
    -------
    pymc.Model
        Its variable ``states`` [week, state] is what the engine integrates out.
    """
    import pymc as pm
    import pytensor.tensor as pt

    columns = measure_columns(layout)
    shape = (shapes.week, max(part.stop for part in columns.values()))
    with pm.Model(coords=_coords(shapes, layout), check_bounds=False) as model:
        tables = declare_tables(shapes)
        measures = pt.specify_shape(pm.Data("measures", np.zeros(shape)), shape)
        given = {name: measures[:, part] for name, part in columns.items()}
        states = declare_states(STATES, *_path_law(priors, shapes, layout, given), dims=("week", "state"))
        reading = pm.Deterministic("reading", _reading(priors, layout), dims=("predictor", "state"))
        moved = priors.variable("driver_effect", dims=("driver",)) * given["drivers"]
        latents = states + pt.dot(moved, pt.as_tensor(layout.shifts))
        read = pm.Deterministic("predictors", pt.dot(latents, reading.T), dims=("week", "predictor"))
        _item_likelihoods(priors, layout, read, given)
        on_gap = priors.vector("gap_effect", GAP_EFFECTS, dim="gap_on")
        extra = read[:, -1:] * pt.dot(on_gap, pt.as_tensor(gap_placement()))
        declare_hazards(priors, shapes, tables, extra=extra)
    return model


def _coords(shapes: Shapes, layout: Layout) -> dict[str, Any]:
    named = {f"{kind}_state": [layout.states[k] for k in layout.of(kind)] for kind in KINDS}
    named |= {
        f"{likelihood}_item": [layout.items[k].id for k in layout.having(likelihood)] for likelihood in LIKELIHOODS
    }
    named |= {f"{reveals}_item": [layout.items[k].id for k in layout.revealing(reveals)] for reveals in LEAST}
    return {
        **hazard_coords(),
        **named,
        "week": np.arange(shapes.week),
        "state": list(layout.states),
        "predictor": [*(item.id for item in layout.items), "gap"],
        "driver": list(layout.drivers),
        "gap_on": list(GAP_GROUPS),
    }


def _path_law(priors: Priors, shapes: Shapes, layout: Layout, given: dict[str, Any]) -> tuple[Any, Any]:
    """Persistence and innovation of every state in every week [week, state]; the first week is stationary.

    A week that is not over yet counts by its share: a path fades and wanders as far as in that much of a week.
    """
    import pymc as pm
    import pytensor.tensor as pt

    kinds = [kind for kind in KINDS if layout.of(kind)]
    order = np.argsort([k for kind in kinds for k in layout.of(kind)])
    lasting = pt.concatenate([priors.variable(f"persistence_{k}", dims=(f"{k}_state",)) for k in kinds])[order]
    persistence = pm.Deterministic("persistence", lasting, dims="state")
    scale: Any = pt.ones(len(layout.states))
    short, share = given["unlived"] > 0.0, 1.0 - given["unlived"].max()  # the last week alone can be short
    over_weeks = pt.switch(short, persistence**share, persistence)
    later = (np.arange(shapes.week) > 0).astype(float)[:, None]
    innovation = pt.sqrt(1.0 - later * over_weeks**2)
    if members := layout.of("misperception"):
        place = np.eye(len(layout.states))[members]
        spread = priors.variable("misperception_sd", dims=("misperception_state",))
        scale = 1.0 - place.sum(axis=0) + pt.dot(spread, place)
        fought = given["fighting"] * (1.0 - given["unlived"])
        over_weeks = over_weeks * pt.exp(-fought * priors.variable("learning") * place.sum(axis=0))
    scale = pm.Deterministic("scale", scale, dims="state")
    shape = (shapes.week, len(layout.states))
    return pt.specify_shape(over_weeks, shape), pt.specify_shape(scale * innovation, shape)


def _reading(priors: Priors, layout: Layout) -> Any:
    """How every item's predictor reads the states, and in the last row the gap [predictor, state]."""
    import pytensor.tensor as pt

    order = np.argsort([k for reveals in LEAST for k in layout.revealing(reveals)])
    drawn = [priors.variable(f"loading_{reveals}", dims=(f"{reveals}_item",)) for reveals in LEAST]
    sign = np.array([float(item.sign) for item in layout.items])
    reading = (pt.concatenate(drawn)[order] * sign)[:, None] * layout.reads
    if members := layout.of("own"):
        depth = priors.variable("own_sd", dims=("own_state",))
        reading = reading + layout.own * pt.dot(depth, np.eye(len(layout.states))[members])
    return pt.concatenate([reading, layout.gap[None, :]], axis=0)


def _item_likelihoods(priors: Priors, layout: Layout, read: Any, given: dict[str, Any]) -> None:
    """Measurement of the latents: normal logs, counts, Bernoulli reports; weeks without a value say nothing.

    Counts are negative binomial with one degree of dispersion (variance = mean + mean^2): what falls into one week is
    not independent, and a week of many is no proof of leverage beyond measure. Constants of the data are left out.
    """
    import pymc as pm
    import pytensor.tensor as pt

    for likelihood in LIKELIHOODS:
        members = layout.having(likelihood)
        if not members:
            continue
        dims = (f"{likelihood}_item",)
        eta = read[:, members] + priors.variable(f"level_{likelihood}", dims=dims)
        values, known = given["values"][:, members], given["known"][:, members]
        if likelihood == "normal":
            noise = priors.variable("noise", dims=dims)
            of = -0.5 * ((values - eta) / noise) ** 2 - pt.log(noise)
        elif likelihood == "count":
            theatre, at_war = priors.variable("theatre", dims=dims), priors.variable("in_conflict", dims=dims)
            eta = eta + theatre * given["memory"][:, members] + at_war * given["fighting"] + given["log_coverage"]
            of = values * eta - (values + 1.0) * pt.softplus(eta)
        else:
            of = values * eta - pt.softplus(eta)
        pm.Potential(f"{likelihood}_items", (known * of).sum())


def variance_by_law(draws: xr.Dataset, history: History) -> xr.DataArray:
    """Return the variance of every path in the last week by its own law alone, before any item or ladder speaks.

    Parameters
    ----------
    draws
        ``persistence`` and ``scale`` [..., state], and ``learning`` [...] where there is misperception.
    history
        What they belong to: its weeks of conflict shrink misperception.

    Returns
    -------
    xarray.DataArray
        [..., state], drivers left out.
    """
    learns = xr.zeros_like(draws["state"], dtype=float) + [k.startswith("misperception") for k in draws["state"].values]
    taught = np.exp(-2.0 * draws["learning"] * learns) if "learning" in draws else 1.0
    variance = stationary = draws["scale"] ** 2
    weeks = history.weeks
    for level, share in zip(weeks.levels["force"][1:], weeks.exposure[1:], strict=True):
        kept = draws["persistence"] ** (2.0 * share)
        variance = kept * (taught**share if level == CONFLICT else 1.0) * variance + stationary * (1.0 - kept)
    return variance


def with_leverage(draws: xr.Dataset, paths: np.ndarray, history: History, layout: Layout) -> xr.Dataset:
    """Add leverage by week to the draws of a leverage rung.

    Parameters
    ----------
    draws
        The model's variables [chain, draw, ...].
    paths
        Latent states [chain, draw, week, state], padding included.
    history, layout
        What they belong to.

    Returns
    -------
    xarray.Dataset
        With ``leverage`` [chain, draw, week, latent]: states with what drivers add to them; ``gap`` [chain, draw,
        week]; and ``shift`` [chain, draw, latent], what the drivers add in the last week. Single precision.
    """
    kept = [k for k, name in enumerate(layout.states) if not name.startswith("own")]
    names = [layout.states[k] for k in kept]
    effects = draws["driver_effect"].transpose("chain", "draw", "driver").values
    moved = history.items.moved
    shift = np.einsum("cdk,tk,ks->cdts", effects, moved, layout.shifts[:, kept], optimize=True)
    leverage = paths[:, :, : len(moved), kept] + shift.astype(np.float32)
    dims = ("chain", "draw", "week", "latent")
    return draws.assign(
        leverage=(dims, leverage),
        gap=(dims[:3], leverage @ layout.gap[kept].astype(np.float32)),
        shift=(("chain", "draw", "latent"), shift[:, :, -1]),
    ).assign_coords(latent=names, week=history.weeks.ends)
