"""Weekly measurements of leverage, and what moves it: the items and drivers of a case, laid out by week.

A value counts in the week in which what it measures ended, provided that it was public at the as-of time: latent
leverage is estimated for the past, week by week, with all that is known today. Standardisation uses the vintage's own
weeks, so nothing looks ahead.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.case import LADDERS, LEVELS, Driver, Item
from forecast.errors import DataError
from forecast.observations.ladders import WEEK, CodedWeeks
from forecast.observations.series import days_of, decayed_count, standardised
from forecast.observations.vintage import Vintage

_THEATRE_WEEKS = 4.0  # half-life of what an item remembers of itself
_LEAST_COVERAGE = 0.1  # events a week, so that the log of the first weeks is finite
_HILL_POWER = 1.5
_ADAPTED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class WeeklyItems:
    """Items and drivers by week.

    Attributes
    ----------
    items, drivers
        Their declarations, in the order of the columns.
    values
        What was measured [week, item]: standardised logs, counts, or 0 and 1; 0 where nothing is known.
    known
        Whether anything was [week, item].
    memory
        Log of one plus the item's own decayed count before the week [week, item]; 0 for normal items.
    log_coverage
        Log of the events recorded a week before this one, times the week's exposure [week].
    moved
        Drivers, oriented so that more raises leverage, mean 0 and (but for marks) standard deviation 1 [week, driver].
    """

    items: tuple[Item, ...]
    drivers: tuple[Driver, ...]
    values: np.ndarray
    known: np.ndarray
    memory: np.ndarray
    log_coverage: np.ndarray
    moved: np.ndarray

    def spoken(self) -> set[str]:
        """Ids of the items that have a value, and of the drivers that have moved."""
        said = {item.id for k, item in enumerate(self.items) if self.known[:, k].any()}
        return said | {driver.id for k, driver in enumerate(self.drivers) if np.ptp(self.moved[:, k]) > 0.0}


def weekly_items(vintage: Vintage, weeks: CodedWeeks) -> WeeklyItems:
    """Lay out the case's items and drivers for every coded week.

    Raises
    ------
    DataError
        A value does not fit its item's likelihood: a level of which no log can be taken.
    """
    case, n = vintage.case, weeks.n_weeks
    columns = [_column(vintage, item, weeks) for item in case.items]
    values = np.column_stack(columns) if columns else np.empty((n, 0))
    for k, item in enumerate(case.items):
        values[_left_to_ladder(item, weeks), k] = np.nan
    known = np.isfinite(values)
    memory = [_memory(vintage, item, weeks) for item in case.items]
    moved = [_driver(vintage, driver, weeks) for driver in case.drivers]
    return WeeklyItems(
        items=case.items,
        drivers=case.drivers,
        values=np.where(known, values, 0.0),
        known=known,
        memory=np.column_stack(memory) if memory else np.empty((n, 0)),
        log_coverage=np.log(_coverage(vintage, weeks)) + np.log(weeks.exposure),
        moved=np.column_stack(moved) if moved else np.empty((n, 0)),
    )


def _rows(vintage: Vintage, signals: tuple[str, ...], sides: tuple[str, ...] = ()) -> pd.DataFrame:
    rows = vintage.observations[vintage.observations["signal"].isin(signals)]
    return rows[rows["side"].isin(sides)] if sides else rows


def _column(vintage: Vintage, item: Item, weeks: CodedWeeks) -> np.ndarray:
    if item.likelihood == "normal":
        return standardised(_log_level(vintage, item, weeks.ends))
    counts = _weekly_count(_rows(vintage, item.signals, item.sides), weeks.ends)
    if item.likelihood == "count":
        return counts
    zeros = _weekly_count(_rows(vintage, item.otherwise, item.sides), weeks.ends)
    return np.where(counts > 0, 1.0, np.where(zeros > 0, 0.0, np.nan))


def _log_level(vintage: Vintage, item: Item, ends: np.ndarray) -> np.ndarray:
    """Mean log of a level by week of measurement, perhaps less its own trailing mean; NaN where none was measured."""
    rows = _rows(vintage, item.signals, item.sides)
    bad = rows[~(rows["value"] > 0)] if item.floor is None else rows[~(rows["value"] >= 0)]
    if len(bad):
        first = bad.iloc[0]
        message = (
            f"{first['file']}, row {first['row']}, field 'value': {first['value']} of {first['signal']} has no log, "
            f"which item {item.id!r} takes; mend the value, or give the item a floor"
        )
        raise DataError(message)
    before = (item.weeks or 0) + 1
    grid = np.concatenate([ends[0] - WEEK * np.arange(before, 0, -1), ends])
    index = np.searchsorted(grid, days_of(rows["event_time"]), side="left")
    inside = (index > 0) & (index < len(grid))
    logs = np.log(np.maximum(rows["value"].to_numpy(dtype=float), item.floor or 0.0))
    level = pd.Series(logs[inside]).groupby(index[inside]).mean().reindex(range(len(grid))).to_numpy()
    if item.weeks is not None:
        level = level - pd.Series(level).rolling(item.weeks, min_periods=item.weeks // 2).mean().to_numpy()
    return np.asarray(level[before:])


def _weekly_count(rows: pd.DataFrame, ends: np.ndarray) -> np.ndarray:
    index = np.searchsorted(ends, days_of(rows["event_time"]), side="left")
    inside = (days_of(rows["event_time"]) > ends[0] - WEEK) & (index < len(ends))
    return np.bincount(index[inside], minlength=len(ends)).astype(float)


def _left_to_ladder(item: Item, weeks: CodedWeeks) -> np.ndarray:
    """Weeks that begin at a level at which the item's events make the ladder's own move [week]."""
    left = np.zeros(weeks.n_weeks, dtype=bool)
    for ladder in LADDERS:
        named = [LEVELS[ladder].index(level) for level in item.left_to_ladder if level in LEVELS[ladder]]
        left[1:] |= np.isin(weeks.levels[ladder][:-1], named)
    return left


def _memory(vintage: Vintage, item: Item, weeks: CodedWeeks) -> np.ndarray:
    if item.likelihood != "count":
        return np.zeros(weeks.n_weeks)
    days = days_of(_rows(vintage, item.signals, item.sides)["event_time"])
    return np.log1p(decayed_count(days, _starts(weeks), _THEATRE_WEEKS))


def _coverage(vintage: Vintage, weeks: CodedWeeks) -> np.ndarray:
    """Events of all kinds recorded a week, as it stood before the week began: sources grew denser [week]."""
    kinds = {s.id: s.kind for s in vintage.case.signals}
    everything = vintage.observations[vintage.observations["signal"].map(kinds).eq("event")]
    half_life = vintage.case.media_weeks
    recorded = decayed_count(days_of(everything["event_time"]), _starts(weeks), half_life)
    return recorded * np.log(2.0) / half_life + _LEAST_COVERAGE


def _starts(weeks: CodedWeeks) -> np.ndarray:
    """Last day before each week."""
    return np.concatenate([weeks.ends[:1] - WEEK, weeks.ends[:-1]])


def _driver(vintage: Vintage, driver: Driver, weeks: CodedWeeks) -> np.ndarray:
    if driver.kind == "mark":
        on = weeks.marks[str(driver.mark)].astype(float)
        return driver.sign * (on - on.mean())
    half_life = float(driver.weeks or 1.0)
    count = decayed_count(days_of(_rows(vintage, driver.signals, driver.sides)["event_time"]), weeks.ends, half_life)
    if driver.kind == "events":
        raw = np.log1p(count)
    else:
        relief = decayed_count(days_of(_rows(vintage, driver.relief)["event_time"]), weeks.ends, half_life)
        raw = _effective_pressure(count - relief, float(driver.adapts_weeks or 1.0))
    scaled = standardised(raw)
    return driver.sign * np.where(np.isfinite(scaled), scaled, 0.0)


def _effective_pressure(pressure: np.ndarray, adapts_weeks: float) -> np.ndarray:
    """Pressure net of adaptation, saturating: Hill's curve with its half-point at the mean of what was felt.

    Adaptation is an exponential mean of past pressure, of which half is made good. The three constants are
    conventions: one dyad has little to teach them with beside the effect itself.
    """
    fading = 0.5 ** (1.0 / adapts_weeks)
    adapted = np.zeros(len(pressure))
    for t in range(1, len(pressure)):
        adapted[t] = fading * adapted[t - 1] + (1.0 - fading) * pressure[t - 1]
    felt = np.maximum(pressure - _ADAPTED_SHARE * adapted, 0.0)
    if not felt.any():
        return felt
    powered = felt**_HILL_POWER
    return np.asarray(powered / (felt[felt > 0].mean() ** _HILL_POWER + powered))
