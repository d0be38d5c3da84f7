"""Simulate coded histories from known parameters, and hold posteriors to the truth that made the data.

The simulator takes one week at a time through the hazards written out in ``tests.models.plain``; of the package it uses
only the containers. Deadlines, terms of office and the length of the last week are those of a real history, so that the
simulated ones fit the model that is compiled for it. Reference episodes are simulated too, each at full weight: a power
prior of weight one is a likelihood, and only then are posteriors calibrated.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from forecast.models import History, Priors, Rung
from forecast.models.hazards import CHANCES, hazard_data, shapes_of
from forecast.models.moves import DRIVEN, EPISODE_MOVES, FEATURES, MOVE_NAMES, TERM_NAMES
from forecast.models.reference import usable_episodes
from forecast.observations import CodedWeeks
from tests.models.given import dyads_of
from tests.models.plain import Week, chances, log_odds

EPISODE_WEEKS = 20
"""Simulated episodes are watched for so long; those that have not ended by then are still open."""
EPISODE_GROUPS = 60
LEVELS = (0.50, 0.80, 0.95)
_TARGETS = {
    "open": 1,
    "limited": 2,
    "comprehensive": 3,
    "collapse": 0,
    "coerce": 1,
    "conflict": 2,
    "ease": 0,
    "deescalate": 1,
}
_ENDS = {"limited": "limited_deal", "comprehensive": "comprehensive_deal", "collapse": "inconclusive"}


@dataclass(frozen=True, slots=True)
class Truth:
    """Parameters that made a history: scalars by name, dyad effects by dyad, and arrays of the posterior's schema."""

    scalars: dict[str, float]
    dyads: dict[str, np.ndarray]
    reference_offset: np.ndarray
    driver: np.ndarray
    persistence: np.ndarray
    innovation: np.ndarray

    def like(self, posterior: xr.Dataset) -> dict[str, np.ndarray]:
        """Return the true values of a posterior's variables, in its order."""
        named = {
            "base": self._of(MOVE_NAMES),
            "term": self._of(TERM_NAMES),
            "chance": self._of(CHANCES),
            "dyad_sd": self._of(("dyad_sd_deal", "dyad_sd_collapse")),
            "own_dyad": self.dyads["(own)"],
            "reference_offset": self.reference_offset,
            "driver": self.driver,
            "persistence": self.persistence,
            "innovation": self.innovation,
        }
        return {name: value for name, value in named.items() if name in posterior}

    def _of(self, names: tuple[str, ...]) -> np.ndarray:
        return np.array([self.scalars[name] for name in names])


def draw_truth(priors: Priors, history: History, rng: np.random.Generator, *, drivers: bool) -> Truth:
    """Draw one set of parameters from the priors; without drivers the composites have no effects."""
    names = (*MOVE_NAMES, *TERM_NAMES, *CHANCES, "dyad_sd_deal", "dyad_sd_collapse")
    scalars = {name: float(priors.draw(name, 1, rng)[0]) for name in names}
    spread = np.array([scalars["dyad_sd_deal"], scalars["dyad_sd_collapse"]])
    dyads = {name: spread * rng.standard_normal(2) for name in dyads_of(history)}
    own = dyads["(own)"]
    shape = (len(history.composites.names), len(DRIVEN))
    overall, slab = (float(priors.draw(name, 1, rng)[0]) for name in ("global_scale", "slab_scale"))
    local = overall * np.abs(rng.standard_t(3, shape))
    driver = rng.standard_normal(shape) * slab * local / np.hypot(slab, local)
    return Truth(
        scalars=scalars | {"dyad_deal": float(own[0]), "dyad_collapse": float(own[1])},
        dyads=dyads,
        reference_offset=priors.draw("reference_offset", len(EPISODE_MOVES), rng),
        driver=driver if drivers else np.zeros(shape),
        persistence=priors.draw("persistence", shape[0], rng),
        innovation=priors.draw("innovation", shape[0], rng),
    )


# --- weeks -----------------------------------------------------------------------------------------------------------


Unfold = Callable[[int, int], dict[str, float]]


def simulated(history: History, truth: Truth, rng: np.random.Generator, *, unfolding: Unfold | None = None) -> History:
    """Replace what happened in a history by what the parameters let happen.

    ``unfolding`` is told every week and the level of force at its end, in order, and returns what that adds to the
    log-odds of the moves of the week after.
    """
    composites = _composites(history, truth, rng)
    states = _states(history, truth, composites, rng, unfolding or (lambda _week, _force: {}))
    names = ("diplomacy", "force", "diplomacy_weeks", "force_weeks", "mediation")
    series = {name: np.array([getattr(s, name) for s in states]) for name in names}
    mediation = series["mediation"].astype(bool)
    origin = replace(
        history.origin,
        diplomacy=int(series["diplomacy"][-1]),
        force=int(series["force"][-1]),
        diplomacy_weeks=float(series["diplomacy_weeks"][-1]),
        force_weeks=float(series["force_weeks"][-1]),
        mediation=bool(mediation[-1]),
        composites=composites[-1],
    )
    levels = {ladder: series[ladder].astype(int) for ladder in ("diplomacy", "force")}
    weeks: CodedWeeks = replace(history.weeks, levels=levels, marks={**history.weeks.marks, "mediation": mediation})
    case = history.case.model_copy(update={"reference_weights": {}, "default_reference_weight": 1.0})
    return History(
        vintage=replace(history.vintage, case=case, episodes=_episodes(history, truth, rng)),
        weeks=weeks,
        composites=replace(history.composites, values=composites),
        items=history.items,
        features=np.array([_features(state) for state in states[:-1]]),
        origin=origin,
    )


def _composites(history: History, truth: Truth, rng: np.random.Generator) -> np.ndarray:
    values = rng.standard_normal(history.composites.values.shape)
    for t in range(1, len(values)):
        values[t] = truth.persistence * values[t - 1] + truth.innovation * values[t]
    return values


def _states(
    history: History, truth: Truth, composites: np.ndarray, rng: np.random.Generator, unfolding: Unfold
) -> list[Week]:
    """The state at the end of every coded entry, the first as in the real history."""
    exposure = history.weeks.exposure
    state = _known_ahead(
        history,
        0,
        diplomacy=int(history.weeks.levels["diplomacy"][0]),
        force=int(history.weeks.levels["force"][0]),
        diplomacy_weeks=1.0,
        force_weeks=1.0,
        mediation=float(history.weeks.marks["mediation"][0]),
    )
    states = [state]
    for t in range(1, len(exposure)):
        drive = dict(zip(DRIVEN, composites[t - 1] @ truth.driver, strict=True))
        eta = log_odds(state, truth.scalars, {group: np.asarray(value) for group, value in drive.items()})
        for move, added in unfolding(t - 1, int(state.force)).items():
            eta[move] = eta[move] + added
        diplomacy, force = (
            _moved(ladder, int(level), chances(ladder, int(level), eta, exposure[t]), truth, rng)
            for ladder, level in (("diplomacy", state.diplomacy), ("force", state.force))
        )
        on = truth.scalars["mediation_persists" if state.mediation else "mediation_starts"]
        state = _known_ahead(
            history,
            t,
            diplomacy=diplomacy,
            force=force,
            diplomacy_weeks=exposure[t] + (float(state.diplomacy_weeks) if diplomacy == state.diplomacy else 0.0),
            force_weeks=exposure[t] + (float(state.force_weeks) if force == state.force else 0.0),
            mediation=float(rng.random() < on),
        )
        states.append(state)
    unfolding(len(exposure) - 1, int(state.force))
    return states


def _moved(ladder: str, level: int, of: dict[str, float], truth: Truth, rng: np.random.Generator) -> int:
    drawn = rng.random()
    for move, chance in of.items():
        drawn -= chance
        if drawn < 0:
            if move == "lapse":
                return int(rng.random() < truth.scalars["lapse_to_talks"])
            return _TARGETS[move]
    return level


def _known_ahead(
    history: History,
    t: int,
    *,
    diplomacy: int,
    force: int,
    diplomacy_weeks: float,
    force_weeks: float,
    mediation: float,
) -> Week:
    """State at the end of entry ``t`` with what is known of the week after it (nothing after the last)."""
    row = history.features[min(t, len(history.features) - 1)]
    known = {name: np.asarray(row[FEATURES.index(name)]) for name in ("deadline", "hard_deadline", "log_term_left")}
    return Week(
        diplomacy=np.asarray(diplomacy),
        force=np.asarray(force),
        diplomacy_weeks=np.asarray(diplomacy_weeks),
        force_weeks=np.asarray(force_weeks),
        mediation=np.asarray(mediation),
        **known,
    )


def _features(state: Week) -> list[float]:
    diplomacy, force = int(state.diplomacy), int(state.force)
    by_name: dict[str, Any] = {
        "from_none": diplomacy == 0,
        "from_limited": diplomacy == 2,
        "from_comprehensive": diplomacy == 3,
        "from_calm": force == 0,
        "diplomacy_duration": np.log(1 + state.diplomacy_weeks / 13),
        "force_duration": np.log(1 + state.force_weeks / 13),
        "deadline": state.deadline,
        "hard_deadline": state.hard_deadline,
        "mediation": state.mediation,
        "coercion": force == 1,
        "conflict": force == 2,
        "talks": diplomacy == 1,
        "agreement": diplomacy >= 2,
        "log_term_left": state.log_term_left,
    }
    return [float(by_name[name]) for name in FEATURES]


# --- reference episodes ----------------------------------------------------------------------------------------------


def _episodes(history: History, truth: Truth, rng: np.random.Generator) -> pd.DataFrame:
    """The dyads and mediators of the real episodes of other dyads, with endings of our own.

    All begin so many weeks before the as-of day. Own episodes are left out: they may not reach into the weekly grid,
    and to drop those that do would be to choose by outcome.
    """
    table = usable_episodes(history.vintage)
    table = table[~table["dyad"].isin(history.case.dyads)]
    pairs = [*zip(table["dyad"], table["mediator"] != "", strict=True)]
    kept = set([*dict.fromkeys(pairs)][:EPISODE_GROUPS])
    table = table[[pair in kept for pair in pairs]]
    start = pd.Timestamp(history.vintage.day) - pd.Timedelta(weeks=EPISODE_WEEKS)
    endings = [
        _ending(truth, dyad, mediated=mediator != "", rng=rng)
        for dyad, mediator in zip(table["dyad"], table["mediator"], strict=True)
    ]
    ended = [start + pd.Timedelta(days=days) if move else pd.NaT for days, move in endings]
    return table.assign(
        started_on=start,
        ended_on=pd.to_datetime(pd.Series(ended, table.index)),
        outcome=[_ENDS.get(move, "open") for _, move in endings],
    )


def _ending(truth: Truth, dyad: str, *, mediated: bool, rng: np.random.Generator) -> tuple[int, str]:
    """Days that an episode lasted and the move that ended it, none if it is still open: rates that compete."""
    deal, collapse = truth.dyads[dyad]
    s = truth.scalars
    for week in range(EPISODE_WEEKS):
        rates = []
        for move, offset in zip(EPISODE_MOVES, truth.reference_offset, strict=True):
            mediation = s["mediation_collapse" if move == "collapse" else "mediation_deal"] * mediated
            of_dyad = collapse if move == "collapse" else deal
            rates.append(np.exp(s[move] + offset + s[f"duration_{move}"] * np.log(1 + week / 13) + mediation + of_dyad))
        waited = rng.exponential(1 / sum(rates))
        if waited < 1:
            move = EPISODE_MOVES[rng.choice(len(rates), p=np.array(rates) / sum(rates))]
            return max(1, round(7 * (week + waited))), move
    return 7 * EPISODE_WEEKS, ""


# --- fitting and comparing -------------------------------------------------------------------------------------------


def pinned(rung: Rung, history: History) -> Rung:
    """Give simulated histories the model that is compiled for a real one: same shape, smaller data padded up to it."""
    shapes = shapes_of(history)
    read = set(rung.data(history))
    return replace(
        rung,
        shape=lambda _: rung.shape(history),
        build=lambda priors, _: rung.build(priors, history),
        data=lambda other: {name: table for name, table in hazard_data(other, shapes).items() if name in read},
    )


def ranks(posterior: xr.Dataset, truth: Truth) -> dict[str, np.ndarray]:
    """Where each true value lies among its posterior draws: 0 below all of them, 1 above; uniform if calibrated."""
    true = truth.like(posterior)
    return {name: (posterior[name].values < value).mean(axis=(0, 1)) for name, value in true.items()}


def deal_probability(rung: Rung, draws: xr.Dataset, history: History, *, paths: int, weeks: int = 13) -> np.ndarray:
    """Probability of a deal within some weeks by draw, from simulated paths [sample]."""
    walker = rung.walker(draws, history.origin, paths, np.random.default_rng(1))
    level, dealt = walker.diplomacy, np.zeros(walker.diplomacy.shape, dtype=bool)
    for week in range(weeks):
        walker.step(week)
        dealt |= (walker.diplomacy > level) & (walker.diplomacy >= 2)
        level = walker.diplomacy
    return np.asarray(dealt.mean(axis=1))


def deal_rank(rung: Rung, posterior: xr.Dataset, truth: Truth, history: History) -> float:
    """Where the true probability of a deal within a quarter lies in its posterior, freed of the noise of the paths."""
    flat = posterior.stack(sample=("chain", "draw"), create_index=False).transpose("sample", ...)  # noqa: PD013 - xarray
    paths = 100
    g = deal_probability(rung, flat, history, paths=paths)
    mean, variance = g.mean(), g.var() - (g * (1 - g)).mean() / (paths - 1)
    weight = mean * (1 - mean) / max(variance, 1e-6) - 1
    one = flat.isel(sample=[0]).copy(deep=True)
    for name, value in truth.like(posterior).items():
        one[name].values[0] = value
    true = deal_probability(rung, one, history, paths=20_000)[0]
    return float(stats.beta.cdf(true, mean * weight, (1 - mean) * weight))


def covered(rank: np.ndarray, level: float) -> np.ndarray:
    """Whether the central interval of a posterior holds the truth, given its rank."""
    return np.abs(rank - 0.5) <= level / 2


def bounds(n: int, level: float, *, inflation: float = 1.0) -> tuple[float, float]:
    """Range for a share of ``n`` cases covered at a nominal level, left once in a thousand times.

    Cases of one history are not independent: ``inflation`` widens the binomial's variance for that.
    """
    worth = max(1, round(n / inflation))
    low, high = stats.binom(worth, level).ppf([0.0005, 0.9995])
    return float(low / worth), float(high / worth)


def table(found: dict[str, np.ndarray]) -> str:
    """Coverage by parameter group, for a human reader."""
    lines = [f"{'parameters':<22}{'n':>6}" + "".join(f"{f'{level:.0%}':>8}" for level in LEVELS) + f"{'mean rank':>11}"]
    for name, rank in found.items():
        shares = "".join(f"{covered(rank, level).mean():>8.1%}" for level in LEVELS)
        lines.append(f"{name:<22}{rank.size:>6}{shares}{rank.mean():>11.3f}")
    return "\n".join(lines)
