"""Rungs R1 and R3: weekly hazards of stepping up or down each ladder.

In every week each ladder makes one of the moves that its level allows, or stays: a multinomial logit over the moves,
with the log-odds against staying

    eta[move] = base[move] + sum of terms + own dyad + (R3) composites @ effects + log(exposure).

The two ladders are independent within a week given the week before; they are coupled through the cross-ladder terms.
The reference episodes enter as a power prior (Ibrahim and Chen, 2000): their log-likelihood, weighted by class, on the
same base rates, duration slopes and mediation effect, with an offset of their own because the list was chosen by hand.
Dyads differ by effects of their own on deals and on collapse, of which those of other dyads are integrated out. R3 adds
composites of raw signals under a regularised horseshoe (Piironen and Vehtari, 2017).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.case import LADDERS
from forecast.errors import RungError
from forecast.models.history import History
from forecast.models.moves import (
    DRIVEN,
    EPISODE_MOVES,
    FEATURES,
    LIMITED,
    MOVE_NAMES,
    MOVES,
    TALKS,
    TERM_NAMES,
    allowed,
    driver_placement,
    duration_scale,
    ladder_moves,
    placement,
)
from forecast.models.priors import Priors
from forecast.models.reference import OWN_DYAD, episode_weeks

CHANCES = ("lapse_to_talks", "mediation_starts", "mediation_persists")
_EPISODE_BASE = [MOVE_NAMES.index(m) for m in EPISODE_MOVES]
_EPISODE_DURATION = [TERM_NAMES.index(f"duration_{m}") for m in EPISODE_MOVES]
_EPISODE_MEDIATION = [
    TERM_NAMES.index("mediation_collapse" if m == "collapse" else "mediation_deal") for m in EPISODE_MOVES
]
_DYAD_ON_MOVE = np.array(
    [[m in ("limited", "comprehensive") for m in MOVE_NAMES], [m == "collapse" for m in MOVE_NAMES]], dtype=float
)
_ENDS_IN = _DYAD_ON_MOVE[:, _EPISODE_BASE].T  # [episode end, effect of a dyad]
_BLOCK = {"week": 52, "episode_week": 128, "dyad": 32}
_NODES = np.linspace(-6.0, 6.0, 31)  # of the quadrature over a dyad's effect, in units of the spread between dyads


@dataclass(frozen=True, slots=True)
class Shapes:
    """Array lengths of a compiled model; data are padded up to them so that another vintage needs no compiler."""

    week: int
    episode_week: int
    dyad: int
    composite: int


def sizes_of(history: History) -> dict[str, int]:
    """Return how many weeks, rows of reference episodes and dyads a history has: room for it in a compiled model."""
    episodes = episode_weeks(history.vintage)
    return {"week": history.weeks.n_weeks, "episode_week": episodes.n_rows, "dyad": len(episodes.dyads)}


def shapes_of(history: History) -> Shapes:
    """Round the sizes of a history, or the room that it is given if that is more, up to whole blocks."""
    sizes = {name: max(size, history.room.get(name, 1)) for name, size in sizes_of(history).items()}
    padded = {name: -(-size // _BLOCK[name]) * _BLOCK[name] for name, size in sizes.items()}
    return Shapes(composite=len(history.composites.names), **padded)


def hazard_data(history: History, shapes: Shapes) -> dict[str, np.ndarray]:
    """Lay a history out as the arrays that the compiled model reads, padded with weeks that say nothing.

    Returns
    -------
    dict
        ``weeks`` [week, column], ``episodes`` [row, column], columns by :func:`columns`; ``counts`` [count] and
        ``autoregression`` [statistic, composite]. Few and wide arrays on purpose: every further one costs a second of
        compilation.
    """
    n = len(history.features)
    episodes = episode_weeks(history.vintage)
    if n > shapes.week or episodes.n_rows > shapes.episode_week or len(episodes.dyads) > shapes.dyad:
        message = (
            f"{n} weeks and {episodes.n_rows} episode rows do not fit a model compiled for {shapes}; compile it anew"
        )
        raise RungError(message)
    by_week = {
        "features": history.features,
        "log_exposure": np.log(history.weeks.exposure[1:]),
        **_moves_made(history),
        "composites": history.composites.values[:-1],
    }
    by_row = {
        "dyad": episodes.dyad,
        "duration": duration_scale(episodes.weeks),
        "mediated": episodes.mediated,
        "weight": episodes.weight,
        "moves": episodes.moves,
    }
    return {
        "weeks": _packed(by_week, shapes.week),
        "episodes": _packed(by_row, shapes.episode_week),
        "counts": _small_counts(history),
        "autoregression": _autoregression(history),
    }


def columns(shapes: Shapes) -> dict[str, dict[str, slice]]:
    """Return which columns of ``weeks`` and ``episodes`` hold what."""
    widths = {
        "weeks": {
            "features": len(FEATURES),
            "log_exposure": 1,
            "made": len(MOVES),
            "open": len(MOVES),
            "composites": shapes.composite,
        },
        "episodes": {"dyad": 1, "duration": 1, "mediated": 1, "weight": 1, "moves": len(EPISODE_MOVES)},
    }
    return {table: _slices(named) for table, named in widths.items()}


def _slices(widths: dict[str, int]) -> dict[str, slice]:
    stops = np.cumsum(list(widths.values()))
    return {
        name: slice(int(stop) - width, int(stop)) for (name, width), stop in zip(widths.items(), stops, strict=True)
    }


def _packed(parts: dict[str, np.ndarray], length: int) -> np.ndarray:
    table = np.column_stack([np.asarray(part, dtype=float) for part in parts.values()])
    return np.pad(table, ((0, length - len(table)), (0, 0)))


def _moves_made(history: History) -> dict[str, np.ndarray]:
    """Return the moves made in each week and those that were open [week, move], 0 and 1."""
    n = history.weeks.n_weeks - 1
    data = {"made": np.zeros((n, len(MOVES))), "open": np.zeros((n, len(MOVES)))}
    for ladder in LADDERS:
        level = history.weeks.levels[ladder]
        before, after = level[:-1], level[1:]
        data["open"][:, list(ladder_moves(ladder))] = allowed(ladder, before)
        for i in ladder_moves(ladder):
            data["made"][:, i] = np.isin(before, MOVES[i].origins) & _reaches(MOVES[i].name, before, after)
    return data


def _reaches(name: str, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whether a change of level is this move; a deal's end may leave talks standing, conflict may end in calm."""
    target = next(m.target for m in MOVES if m.name == name)
    return after < before if name in ("lapse", "deescalate") else after == target


def _small_counts(history: History) -> np.ndarray:
    """Deals ended, of them into talks; weeks without and with mediation, of them followed by mediation [6]."""
    diplomacy = history.weeks.levels["diplomacy"]
    before, after = diplomacy[:-1], diplomacy[1:]
    ended = (before >= LIMITED) & (after < before)
    mark = history.weeks.marks.get("mediation", np.zeros(len(diplomacy), dtype=bool))
    whole = history.weeks.exposure[1:] == 1.0
    was, now = mark[:-1][whole], mark[1:][whole]
    lapses = [ended.sum(), (ended & (after == TALKS)).sum()]
    mediation = [(~was).sum(), was.sum(), (~was & now).sum(), (was & now).sum()]
    return np.array([*lapses, *mediation], dtype=np.int64)


def _autoregression(history: History) -> np.ndarray:
    """Sufficient statistics of each composite's first-order autoregression over whole weeks [statistic, composite].

    Least-squares slope, sum of squares of the regressor, residual sum of squares, number of weeks.
    """
    exposure, values = history.weeks.exposure, history.composites.values
    whole = (exposure[1:] == 1.0) & (exposure[:-1] == 1.0)
    before, after = values[:-1][whole], values[1:][whole]
    power = np.maximum((before**2).sum(axis=0), 1e-12)
    slope = (before * after).sum(axis=0) / power
    residual = np.maximum(((after - slope * before) ** 2).sum(axis=0), 1e-12)
    return np.stack([slope, power, residual, np.full(len(slope), float(whole.sum()))])


def build_hazards(priors: Priors, shapes: Shapes, composite_names: tuple[str, ...], *, drivers: bool) -> Any:
    """Declare the PyMC model with empty data of the given shapes.

    Parameters
    ----------
    priors
        One prior for every base rate, term and scale.
    shapes
        Array lengths.
    composite_names
        Ids of the composites, in the order of their columns.
    drivers
        Whether composites enter the hazards (R3) or not (R1).

    Returns
    -------
    pymc.Model
        Free variables named after their priors; the ladders' log-likelihood is the potential ``ladder_moves``.
    """
    import pymc as pm
    import pytensor.tensor as pt

    coords = hazard_coords()
    if drivers:
        coords |= {"composite": list(composite_names), "driven": list(DRIVEN)}
    with pm.Model(coords=coords, check_bounds=False) as model:
        tables = declare_tables(shapes)
        extra: Any = 0.0
        if drivers:
            effects = _horseshoe(priors)
            extra = pt.dot(tables[0]["composites"], pt.dot(effects, pt.as_tensor(driver_placement())))
            _composite_dynamics(priors, shapes)
        declare_hazards(priors, shapes, tables, extra=extra)
    return model


def hazard_coords() -> dict[str, Any]:
    """Coordinates of the variables that :func:`declare_hazards` declares."""
    return {
        "move": list(MOVE_NAMES),
        "coefficient": list(TERM_NAMES),
        "chance_of": list(CHANCES),
        "dyad_on": ["deal", "collapse"],
        "episode_end": list(EPISODE_MOVES),
    }


def declare_hazards(
    priors: Priors, shapes: Shapes, tables: tuple[dict[str, Any], dict[str, Any], Any], *, extra: Any
) -> None:
    """Declare the hazards of both ladders, with their priors and likelihoods, in the current PyMC model.

    Parameters
    ----------
    priors
        One prior for every base rate and term.
    shapes
        Array lengths.
    tables
        From :func:`declare_tables`.
    extra
        What a rung adds to the log-odds of every move: 0, or [week, move].
    """
    import pytensor.tensor as pt

    weeks, episodes, counts = tables
    base = priors.vector("base", MOVE_NAMES, dim="move")
    term = priors.vector("term", TERM_NAMES, dim="coefficient")
    spread, own = _dyad_effects(priors)
    weights = pt.tensordot(pt.as_tensor(placement()), term, axes=1)
    eta = base + pt.dot(own, pt.as_tensor(_DYAD_ON_MOVE)) + pt.dot(weeks["features"], weights)
    _ladder_likelihood(weeks, eta + extra)
    _small_likelihoods(priors, counts)
    _reference_power_prior(priors, episodes, base, term, spread, own, shapes.dyad)


def declare_tables(shapes: Shapes) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Declare the three data arrays and return the columns of the first two by name."""
    import pymc as pm
    import pytensor.tensor as pt

    named = columns(shapes)
    lengths = {"weeks": shapes.week, "episodes": shapes.episode_week}
    tables = []
    for table, slices in named.items():
        width = max(part.stop for part in slices.values())
        shape = (lengths[table], width)
        data = pt.specify_shape(pm.Data(table, np.zeros(shape)), shape)  # static shapes make smaller, safer kernels
        tables.append({name: data[:, part] for name, part in slices.items()})
    return tables[0], tables[1], pm.Data("counts", np.zeros(6, dtype=np.int64))


def _dyad_effects(priors: Priors) -> tuple[Any, Any]:
    """Spread between dyads of their effects on deals and on collapse, and the own dyad's (non-centred) [dyad_on]."""
    import pymc as pm

    spread = priors.vector("dyad_sd", ("dyad_sd_deal", "dyad_sd_collapse"), dim="dyad_on")
    raw = pm.Normal("own_dyad_raw", dims="dyad_on")
    return spread, pm.Deterministic("own_dyad", spread * raw, dims="dyad_on")


def _horseshoe(priors: Priors) -> Any:
    """Effects of the composites on the driven groups under a regularised horseshoe [composite, driven].

    Local scales are half-Student-t with 3 degrees of freedom rather than half-Cauchy: Piironen and Vehtari (2017,
    section 3) note that this tames the funnel at little cost in sparsity.
    """
    import pymc as pm
    import pytensor.tensor as pt

    overall = priors.variable("global_scale")
    slab = priors.variable("slab_scale")
    local = pm.HalfStudentT("local_scale", nu=3, sigma=1, dims=("composite", "driven"))
    raw = pm.Normal("driver_raw", dims=("composite", "driven"))
    squared = slab**2 * local**2 / (slab**2 + overall**2 * local**2)
    return pm.Deterministic("driver", raw * overall * pt.sqrt(squared), dims=("composite", "driven"))


def _composite_dynamics(priors: Priors, shapes: Shapes) -> None:
    """First-order autoregression of each composite, so that the simulation can carry them forward.

    Its likelihood factorises exactly into a normal for the least-squares slope and a gamma for the residual sum of
    squares (given the regressors), which is seven numbers of each instead of hundreds of weeks.
    """
    import pymc as pm
    import pytensor.tensor as pt

    persistence = priors.variable("persistence", dims=("composite",))
    innovation = priors.variable("innovation", dims=("composite",))
    start = np.ones((4, shapes.composite)) + np.array([[0.0], [0.0], [0.0], [2.0]])
    data = pt.specify_shape(pm.Data("autoregression", start), start.shape)
    slope, power, residual, weeks = (data[k] for k in range(4))
    pm.Normal("composite_slopes", mu=persistence, sigma=innovation / pt.sqrt(power), observed=slope)
    pm.Gamma("composite_residuals", alpha=(weeks - 1) / 2, beta=0.5 / innovation**2, observed=residual)


def _ladder_likelihood(weeks: dict[str, Any], eta: Any) -> None:
    """Multinomial logit of both ladders' moves, staying as the reference: ``y . eta - log(1 + sum of open odds)``."""
    import pymc as pm
    import pytensor.tensor as pt

    own_ladder = np.array([[float(i in ladder_moves(ladder)) for ladder in LADDERS] for i in range(len(MOVES))])
    own = eta + weeks["log_exposure"]
    staying = pt.log1p(pt.dot(weeks["open"] * pt.exp(own), own_ladder))
    pm.Potential("ladder_moves", (weeks["made"] * own).sum() - staying.sum())


def _small_likelihoods(priors: Priors, counts: Any) -> None:
    """Where a deal's end leads, and how mediation comes and goes: conjugate, so a test can check them exactly."""
    import pymc as pm

    chance = priors.vector("chance", CHANCES, dim="chance_of")
    pm.Binomial("ended_deals", n=counts[0], p=chance[0], observed=counts[1])
    pm.Binomial("mediated_weeks", n=counts[2:4], p=chance[1:], observed=counts[4:6])


def _reference_power_prior(
    priors: Priors, episodes: dict[str, Any], base: Any, term: Any, spread: Any, own: Any, dyads: int
) -> None:
    """Weighted log-likelihood of the episodes: a prior, so a potential and not an observed variable.

    Rates are constant within a week and the ends compete, so that with u the effect of a dyad, K what happened to it
    and E the sum of its weeks at risk times rates at u = 0, deals and collapse each add

        K u - E exp(u)          (Holford, 1980; Laird and Olivier, 1981)

    to what does not depend on u. The own dyad's u is a parameter. That of every other dyad, of which nothing else
    depends, is integrated out over its normal distribution by the trapezoidal rule, which converges exponentially on
    the whole line (Trefethen and Weideman, 2014): more than a hundred parameters fewer to sample. Weekly odds and rates
    differ by a factor that the offset takes up.
    """
    import pymc as pm
    import pytensor.tensor as pt

    level = base[_EPISODE_BASE] + priors.variable("reference_offset", dims=("episode_end",))
    slopes = pt.stack([term[_EPISODE_DURATION], term[_EPISODE_MEDIATION]])
    covariates = pt.concatenate([episodes["duration"], episodes["mediated"]], axis=1)
    eta = level + pt.dot(covariates, slopes)
    of_dyad = pt.cast(episodes["dyad"][:, 0], "int64")
    ends_in, nothing = pt.as_tensor(_ENDS_IN), pt.zeros((dyads, _ENDS_IN.shape[1]))
    happened = pt.inc_subtensor(nothing[of_dyad], pt.dot(episodes["moves"], ends_in))
    expected = pt.inc_subtensor(nothing[of_dyad], pt.dot(episodes["weight"] * pt.exp(eta), ends_in))
    own_dyad = (happened[OWN_DYAD] * own - expected[OWN_DYAD] * pt.exp(own)).sum()
    effect = spread[:, None] * _NODES
    at_nodes = happened[1:, :, None] * effect - expected[1:, :, None] * pt.exp(effect)
    other_dyads = pt.logsumexp(at_nodes - 0.5 * _NODES**2 - np.log(np.exp(-0.5 * _NODES**2).sum()), axis=2).sum()
    pm.Potential("reference_episodes", (episodes["moves"] * eta).sum() + own_dyad + other_dyads)
