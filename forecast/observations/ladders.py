"""Code the weeks of the two ladders, and the marks, by the rules that the case declares.

A hold rule and an event that opens it give an interval; the level of a week is the highest level held at the end of its
last day. Weeks run from Saturday to Friday, so that a Friday as-of ends a whole week; the last week may be a part of
one, and carries its share of a week as its exposure.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from forecast.case import LADDERS, LEVELS, Case, Hold
from forecast.observations.vintage import Vintage

DAY = np.timedelta64(1, "D")
WEEK = np.timedelta64(7, "D")
FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Interval:
    """A ladder held at a level (or a mark held on) by one event, from ``start`` until before ``stop``."""

    hold: Hold
    event_id: str
    closed_by_id: str | None
    start: np.datetime64
    stop: np.datetime64

    def holds_at(self, day: np.datetime64) -> bool:
        """Whether the interval covers the end of that day."""
        return bool(self.start <= day < self.stop)


@dataclass(frozen=True, slots=True)
class CodedWeeks:
    """The coded history.

    Attributes
    ----------
    ends
        Last day of each week [week]; the last one is the day that the coding reaches, perhaps inside a week.
    exposure
        Share of a week that each entry covers [week], 1 but for the last.
    levels
        Ladder to level index [week].
    marks
        Mark to on or off [week].
    intervals
        All intervals behind them, by start.
    """

    ends: np.ndarray
    exposure: np.ndarray
    levels: dict[str, np.ndarray]
    marks: dict[str, np.ndarray]
    intervals: tuple[Interval, ...]

    @property
    def n_weeks(self) -> int:
        """Number of entries, the last perhaps a part of a week."""
        return len(self.ends)


def week_ends(start: date, until: date) -> tuple[np.ndarray, np.ndarray]:
    """Return the last day of every week from ``start`` and its exposure; the last entry is ``until`` itself."""
    first_friday = np.datetime64(start, "D") + (FRIDAY - start.weekday()) % 7 * DAY
    last = np.datetime64(until, "D")
    fridays = np.arange(first_friday, last + DAY, WEEK)
    exposure = np.ones(len(fridays))
    if fridays[-1] == last:
        return fridays, exposure
    return np.append(fridays, last), np.append(exposure, (last - fridays[-1]) / WEEK)


def code_weeks(vintage: Vintage) -> CodedWeeks:
    """Code both ladders and the marks for every week up to the end of what the vintage covers."""
    ends, exposure = week_ends(vintage.case.grid_start, vintage.coded_until)
    intervals = intervals_of(vintage)
    levels = {ladder: levels_on(intervals, ladder, ends) for ladder in LADDERS}
    marks = {mark: _any_covering(intervals, mark, ends) for mark in vintage.case.marks}
    return CodedWeeks(ends=ends, exposure=exposure, levels=levels, marks=marks, intervals=intervals)


def levels_on(intervals: tuple[Interval, ...], ladder: str, days: np.ndarray) -> np.ndarray:
    """Return the level that a ladder is held at by the end of each day [day]."""
    level = np.zeros(len(days), dtype=int)
    for interval in intervals:
        if interval.hold.ladder == ladder:
            covered = (interval.start <= days) & (days < interval.stop)
            level[covered] = np.maximum(level[covered], LEVELS[ladder].index(str(interval.hold.level)))
    return level


def intervals_of(vintage: Vintage) -> tuple[Interval, ...]:
    """Return the intervals that the case's holds draw from the vintage's events, by start."""
    events = _events(vintage.case, vintage.observations)
    found = [interval for hold in vintage.case.holds for interval in _intervals(hold, events)]
    return tuple(sorted(found, key=lambda i: (i.start, i.event_id)))


def _events(case: Case, observations: pd.DataFrame) -> pd.DataFrame:
    kinds = {s.id: s.kind for s in case.signals}
    events = observations[observations["signal"].map(kinds).eq("event")]
    return events.assign(day=events["event_time"].dt.tz_localize(None).to_numpy().astype("datetime64[D]"))


def _intervals(hold: Hold, events: pd.DataFrame) -> list[Interval]:
    openers = _matching(events, hold.opened_by, hold.by_sides)
    closers = _matching(events, hold.closed_by, hold.closed_by_sides)
    closing_days = closers["day"].to_numpy().astype("datetime64[D]")
    found = []
    for event_id, day in zip(openers["id"], openers["day"].to_numpy().astype("datetime64[D]"), strict=True):
        stop = day + hold.for_days * DAY if hold.for_days else np.datetime64("9999-12-31", "D")
        later = np.flatnonzero(closing_days >= day)
        closer = None
        if len(later) and closing_days[later[0]] < stop:
            stop, closer = closing_days[later[0]], str(closers["id"].iloc[later[0]])
        found.append(Interval(hold, str(event_id), closer, day, stop))
    return found


def _matching(events: pd.DataFrame, signals: tuple[str, ...], sides: tuple[str, ...]) -> pd.DataFrame:
    wanted = events["signal"].isin(signals)
    if sides:
        wanted &= events["side"].isin(sides)
    return events[wanted].sort_values(["event_time", "id"], kind="stable")


def _any_covering(intervals: tuple[Interval, ...], mark: str, ends: np.ndarray) -> np.ndarray:
    on = np.zeros(len(ends), dtype=bool)
    for interval in intervals:
        if interval.hold.mark == mark:
            on |= (interval.start <= ends) & (ends < interval.stop)
    return on
