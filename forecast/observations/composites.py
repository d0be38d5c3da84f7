"""Weekly composites of raw signals, the drivers of rung R3.

Each component is turned into a weekly series, standardised over the weeks of this vintage (so never with a look ahead),
signed, and a composite is the mean of the components that are known in a week. Counts of events are taken per unit of
media coverage, because sources grew denser and a raw count is not an intensity.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.case import Component, Composite
from forecast.observations.ladders import DAY, CodedWeeks
from forecast.observations.series import days_of, decayed_count, standardised
from forecast.observations.vintage import Vintage

_HALF_EVENT = 0.5  # added above and below, so that the log share of a week without events is finite


@dataclass(frozen=True, slots=True)
class WeeklyComposites:
    """Composites by week.

    Attributes
    ----------
    names
        Composite ids.
    values
        Standard deviations from the vintage's own mean [week, composite]; 0 where nothing is known.
    known
        Whether any component was known [week, composite].
    """

    names: tuple[str, ...]
    values: np.ndarray
    known: np.ndarray


def weekly_composites(vintage: Vintage, weeks: CodedWeeks) -> WeeklyComposites:
    """Return the case's composites for every coded week, from what was public at the end of that week.

    A value counts from its publication, not from its event: the hazards of the next week can only have answered to it
    once it was known.
    """
    composites = vintage.case.composites
    columns = [_composite(vintage, composite, weeks) for composite in composites]
    values = np.column_stack(columns) if columns else np.empty((weeks.n_weeks, 0))
    known = np.isfinite(values)
    return WeeklyComposites(tuple(c.id for c in composites), np.where(known, values, 0.0), known)


def _composite(vintage: Vintage, composite: Composite, weeks: CodedWeeks) -> np.ndarray:
    parts = np.stack([standardised(k.sign * _series(vintage, k, weeks)) for k in composite.components])
    known = np.isfinite(parts)
    count = known.sum(axis=0)
    total = np.where(known, parts, 0.0).sum(axis=0)
    return standardised(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _series(vintage: Vintage, component: Component, weeks: CodedWeeks) -> np.ndarray:
    rows = vintage.observations[vintage.observations["signal"].isin(component.signals)]
    if component.sides:
        rows = rows[rows["side"].isin(component.sides)]
    if component.transform == "decayed_count":
        return _share_of_coverage(vintage, rows, component, weeks.ends)
    level = _level_at(rows, weeks.ends, component)
    if component.transform == "log_change":
        return level - _level_at(rows, weeks.ends - np.timedelta64(round(7 * component.weeks), "D"), component)
    return level - _trailing_mean(level, round(component.weeks))


def _level_at(rows: pd.DataFrame, ends: np.ndarray, component: Component) -> np.ndarray:
    """Log of the newest value public at each day; NaN where it was measured too long ago to stand for today."""
    ordered = rows.sort_values(["published_at", "event_time", "id"], kind="stable")
    ordered = ordered[ordered["event_time"] >= ordered["event_time"].cummax()]  # a late report of old days is not news
    public = days_of(ordered["published_at"])
    newest = np.searchsorted(public, ends, side="right") - 1
    known = newest >= 0
    value = ordered["value"].to_numpy(dtype=float)
    log_value = np.log(np.where(value > 0, value, np.nan))  # zero has no log: unknown
    measured = days_of(ordered["event_time"])
    level = np.full(len(ends), np.nan)
    level[known] = log_value[newest[known]]
    if component.stale_after_days is not None:
        stale = np.zeros(len(ends), dtype=bool)
        stale[known] = ends[known] - measured[newest[known]] > component.stale_after_days * DAY
        level[stale] = np.nan
    return level


def _trailing_mean(level: np.ndarray, width: int) -> np.ndarray:
    return pd.Series(level).rolling(width, min_periods=width // 2).mean().to_numpy()


def _share_of_coverage(vintage: Vintage, rows: pd.DataFrame, component: Component, ends: np.ndarray) -> np.ndarray:
    """Log of the decayed count of some events over that of all events: an intensity per unit of coverage."""
    kinds = {s.id: s.kind for s in vintage.case.signals}
    everything = vintage.observations[vintage.observations["signal"].map(kinds).eq("event")]
    counted = decayed_count(days_of(rows["first_published_at"]), ends, component.weeks)
    coverage = decayed_count(days_of(everything["first_published_at"]), ends, vintage.case.media_weeks)
    per_week = coverage * np.log(2.0) / vintage.case.media_weeks
    expected = per_week * component.weeks / np.log(2.0)
    return np.log(counted + _HALF_EVENT) - np.log(expected + _HALF_EVENT)
