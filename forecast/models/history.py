"""Turn a vintage into what the rungs fit and where they start: coded weeks, their features, the origin.

All features of a week are known at its start; the composites are those of the week before. Everything here is plain
arrays, so that a rung's data are one dictionary away from the compiled model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from forecast.case import LADDERS, Case
from forecast.models.moves import (
    CALM,
    COERCION,
    COMPREHENSIVE,
    CONFLICT,
    DEADLINE_WINDOW_DAYS,
    FEATURES,
    LEAST_TERM_LEFT,
    LIMITED,
    NONE,
    TALKS,
    duration_scale,
)
from forecast.observations import (
    CodedWeeks,
    Vintage,
    WeeklyComposites,
    WeeklyItems,
    code_weeks,
    weekly_composites,
    weekly_items,
)
from forecast.observations.series import days_of

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known on some days about the fortnight ahead [day]: deadlines, and the share of the term left."""

    deadline: np.ndarray
    hard_deadline: np.ndarray
    log_term_left: np.ndarray


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a forecast starts.

    Attributes
    ----------
    day
        Last day that the coding reaches; simulated weeks count from it.
    as_of
        The as-of day; later than ``day`` when the data have run out before it.
    lead_steps
        Steps from ``day`` to ``as_of`` that have to be simulated unobserved before the forecast begins.
    exposure
        Length of each step in weeks [step]: 1, but for the first when the lead is not a whole number of weeks.
    diplomacy, force
        Levels held at ``day``.
    diplomacy_weeks, force_weeks
        Weeks already spent in those levels.
    mediation
        Whether a mediator is active.
    composites
        Composites at ``day`` [composite].
    plan
        Known future of the covariates at the start of each step.
    """

    day: date
    as_of: date
    lead_steps: int
    exposure: np.ndarray
    diplomacy: int
    force: int
    diplomacy_weeks: float
    force_weeks: float
    mediation: bool
    composites: np.ndarray
    plan: Plan


@dataclass(frozen=True, slots=True)
class History:
    """A vintage as the rungs see it.

    Attributes
    ----------
    vintage, weeks, composites, items
        What it was made from.
    features
        Known at the start of each week that has a predecessor [week - 1, feature].
    origin
        Where the forecast starts.
    room
        Least sizes to pad arrays to, by dimension: histories of one shape share one compiled model.
    """

    vintage: Vintage
    weeks: CodedWeeks
    composites: WeeklyComposites
    items: WeeklyItems
    features: np.ndarray
    origin: Origin
    room: Mapping[str, int] = field(default_factory=dict)

    @property
    def case(self) -> Case:
        """The case."""
        return self.vintage.case


def build_history(vintage: Vintage, *, plan_weeks: int, room: Mapping[str, int] | None = None) -> History:
    """Code a vintage and lay out the features of its weeks.

    Parameters
    ----------
    vintage
        What was known.
    plan_weeks
        How many weeks beyond the origin the plan must cover.
    room
        Least sizes to pad arrays to, from :func:`forecast.models.sizes_of` of a longer history.
    """
    weeks = code_weeks(vintage)
    composites = weekly_composites(vintage, weeks)
    durations = {ladder: weeks_in_level(weeks.levels[ladder], weeks.exposure) for ladder in LADDERS}
    starts = weeks.ends[:-1]
    known = plan_at(vintage, starts, public_by=starts)
    features = feature_array(
        diplomacy=weeks.levels["diplomacy"][:-1],
        force=weeks.levels["force"][:-1],
        diplomacy_weeks=durations["diplomacy"][:-1],
        force_weeks=durations["force"][:-1],
        mediation=weeks.marks.get("mediation", np.zeros(weeks.n_weeks, dtype=bool))[:-1],
        deadline=known.deadline,
        hard_deadline=known.hard_deadline,
        log_term_left=known.log_term_left,
    )
    origin = _origin(vintage, weeks, composites, durations, plan_weeks)
    return History(vintage, weeks, composites, weekly_items(vintage, weeks), features, origin, dict(room or {}))


def feature_array(
    *,
    diplomacy: np.ndarray,
    force: np.ndarray,
    diplomacy_weeks: np.ndarray,
    force_weeks: np.ndarray,
    mediation: np.ndarray,
    deadline: np.ndarray | float,
    hard_deadline: np.ndarray | float,
    log_term_left: np.ndarray | float,
) -> np.ndarray:
    """Stack the features in the order of ``FEATURES``; arguments of one shape [...] give [..., feature]."""
    columns = {
        "from_none": diplomacy == NONE,
        "from_limited": diplomacy == LIMITED,
        "from_comprehensive": diplomacy == COMPREHENSIVE,
        "from_calm": force == CALM,
        "diplomacy_duration": duration_scale(diplomacy_weeks),
        "force_duration": duration_scale(force_weeks),
        "deadline": deadline,
        "hard_deadline": hard_deadline,
        "mediation": mediation,
        "coercion": force == COERCION,
        "conflict": force == CONFLICT,
        "talks": diplomacy == TALKS,
        "agreement": diplomacy >= LIMITED,
        "log_term_left": log_term_left,
    }
    stacked = np.empty((*np.shape(diplomacy), len(FEATURES)))
    for j, name in enumerate(FEATURES):
        stacked[..., j] = columns[name]
    return stacked


def weeks_in_level(level: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Weeks already spent in the current level at the end of each week [week]."""
    spent = np.empty(len(level))
    running = 0.0
    for t in range(len(level)):
        running = exposure[t] + (running if t and level[t] == level[t - 1] else 0.0)
        spent[t] = running
    return spent


def plan_at(vintage: Vintage, starts: np.ndarray, *, public_by: np.ndarray) -> Plan:
    """Deadlines within a fortnight after each day, and the log share of the presidential term left on it.

    Parameters
    ----------
    vintage
        What was known.
    starts
        Days [week].
    public_by
        For each of them, the day by which a deadline must have been public to count [week].
    """
    rows = vintage.observations[vintage.observations["signal"].eq("deadline")]
    due = days_of(rows["event_time"])[None, :]
    public = days_of(rows["first_published_at"])[None, :]  # a later revision does not unsay it
    ahead = (due > starts[:, None]) & (due <= starts[:, None] + DEADLINE_WINDOW_DAYS * DAY)
    ahead &= public <= public_by[:, None]
    hard = rows["value"].to_numpy(dtype=float)[None, :] > 1
    return Plan(
        ahead.any(axis=1).astype(float), (ahead & hard).any(axis=1).astype(float), _log_term_left(vintage.case, starts)
    )


def _log_term_left(case: Case, days: np.ndarray) -> np.ndarray:
    """Log of the share of the coercer's term that is left, floored at a twentieth; 0 outside declared terms."""
    left = np.ones(len(days))
    for term in case.terms:
        first, last = np.datetime64(term.starts, "D"), np.datetime64(term.ends, "D")
        inside = (days >= first) & (days < last)
        left[inside] = (last - days[inside]).astype(int) / (term.ends - term.starts).days
    return np.log(np.maximum(left, LEAST_TERM_LEFT))


def _origin(
    vintage: Vintage, weeks: CodedWeeks, composites: WeeklyComposites, durations: dict[str, np.ndarray], plan_weeks: int
) -> Origin:
    day = vintage.coded_until
    lead_days = (vintage.day - day).days
    lead_steps = -(-lead_days // 7)
    exposure = np.ones(lead_steps + plan_weeks)
    if lead_days % 7:
        exposure[0] = (lead_days % 7) / 7
    elapsed = np.concatenate([[0.0], np.cumsum(exposure)[:-1]])
    starts = np.datetime64(day, "D") + np.round(7 * elapsed).astype(int) * DAY
    today = np.full(len(starts), np.datetime64(vintage.day, "D"))
    return Origin(
        day=day,
        as_of=vintage.day,
        lead_steps=lead_steps,
        exposure=exposure,
        diplomacy=int(weeks.levels["diplomacy"][-1]),
        force=int(weeks.levels["force"][-1]),
        diplomacy_weeks=float(durations["diplomacy"][-1]),
        force_weeks=float(durations["force"][-1]),
        mediation=bool(weeks.marks["mediation"][-1]) if "mediation" in weeks.marks else False,
        composites=composites.values[-1].copy(),
        plan=plan_at(vintage, starts, public_by=today),
    )


def horizon_day(origin: Origin, weeks: float) -> date:
    """The day that lies ``weeks`` after the as-of day."""
    return origin.as_of + timedelta(days=round(7 * weeks))
