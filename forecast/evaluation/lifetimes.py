"""Scores over the life of a question: the average over time, and the forecast that stood at a given lead.

Lead is counted to the deadline fixed at issue, never to the day that settled the question: what resolves early
resolves YES, so a lead to that day would tell the outcome.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from forecast.errors import ScoreError
from forecast.evaluation.checks import as_floats
from forecast.evaluation.scores import FLOOR
from forecast.evaluation.table import QUESTION, check_table, deadline, score_rows

_DAY = pd.Timedelta(days=1)


def time_average(
    issued: Sequence[pd.Timestamp] | pd.Series,
    scores: ArrayLike,
    *,
    end: pd.Timestamp,
    start: pd.Timestamp | None = None,
) -> float:
    """Average a question's score over time, the last forecast carried forward (the Good Judgment Project's, by day).

    Parameters
    ----------
    issued
        When the forecasts were issued [forecast], increasing.
    scores
        What each of them scores, now that the outcome is known [forecast].
    end
        When the question closed: its deadline, or what settled it if that came first.
    start
        From when to count; by default the first forecast.

    Returns
    -------
    float
        The mean, each score weighted by the time that its forecast stood.

    Raises
    ------
    ScoreError
        No forecasts, times out of order, one issued at or after the end, or a start before the first of them.
    """
    times, values = pd.DatetimeIndex(list(issued)), as_floats(scores, name="scores")
    if not len(times) or values.shape != (len(times),) or np.isnan(values).any():
        message = f"{len(times)} times of issue with {values.size} scores: need at least one, and a score for each"
        raise ScoreError(message)
    if not times.is_monotonic_increasing or not times.is_unique:
        message = "times of issue must increase, no two alike"
        raise ScoreError(message)
    begin = times[0] if start is None else start
    if times[-1] >= end or not times[0] <= begin < end:
        message = f"forecasts from {times[0]} to {times[-1]} cannot be averaged from {begin} to {end}"
        raise ScoreError(message)
    stops = [*times[1:], end]
    stood = [max((stop - max(time, begin)) / _DAY, 0.0) for time, stop in zip(times, stops, strict=True)]
    return float(np.average(values, weights=stood))


def average_over_time(table: pd.DataFrame, *, floor: float = FLOOR) -> pd.DataFrame:
    """Time-averaged scores of every settled question, from when all forecasters of it had spoken until it closed.

    Returns
    -------
    pandas.DataFrame
        One row a forecaster and settled question: ``start``, ``end``, ``forecasts`` that stood in between, ``brier``
        and ``log``. Average these over questions, never over days.

    Raises
    ------
    ScoreError
        The table breaks a rule.
    """
    rows = score_rows(table, floor=floor)
    rows["end"] = np.minimum(deadline(rows), rows["decided_on"])
    found = []
    for key, question in rows.groupby(list(QUESTION)):
        start = question.groupby("forecaster")["origin"].min().max()
        for name, own in question.groupby("forecaster"):
            stream = own.sort_values("origin")
            end = stream["end"].iloc[0]
            line = {"label": stream["label"].iloc[0], "forecaster": name, **dict(zip(QUESTION, key, strict=True))}
            before = int((stream["origin"] <= start).sum())
            line |= {"start": start, "end": end, "forecasts": len(stream) - before + 1}
            for score in ("brier", "log"):
                line[score] = time_average(stream["origin"], stream[score], start=start, end=end)
            found.append(line)
    return pd.DataFrame(found)


def standing_at(table: pd.DataFrame, *, lead_weeks: float) -> pd.DataFrame:
    """Keep the forecast of each question that stood at a fixed lead to its deadline, the last one issued by then.

    Questions that were settled before that time had no forecast standing and are left out, as are those first asked
    after it.

    Parameters
    ----------
    table
        Forecasts joined to outcomes.
    lead_weeks
        Weeks before the deadline.

    Returns
    -------
    pandas.DataFrame
        Rows of the table, at most one a forecaster and question.

    Raises
    ------
    ScoreError
        The table breaks a rule, or the lead is negative.
    """
    if not lead_weeks >= 0:
        message = f"lead_weeks {lead_weeks}: must not be negative"
        raise ScoreError(message)
    rows = check_table(table)
    at = deadline(rows) - pd.Timedelta(weeks=lead_weeks)
    open_then = rows["decided_on"].isna() | (rows["decided_on"] > at)
    standing = rows[(rows["origin"] <= at) & open_then].sort_values("origin", kind="stable")
    kept = standing.groupby(["forecaster", *QUESTION], dropna=False).tail(1)
    return kept.sort_index().reset_index(drop=True)
