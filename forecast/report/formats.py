"""Numbers and dates as both reports print them.

A probability is never finer than a whole per cent and never 0 % or 100 % (`forecast.outlook.words.percent`). Month
names are spelled here because `strftime` follows the machine's locale, and the same document must give the same bytes.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from forecast.evaluation.resampling import LEAST_CLUSTERS
from forecast.outlook.words import counted, percent

MISSING = "–"

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def percent_range(lower: float, upper: float) -> str:
    """Interval of a probability: ``10–41 %``, ``< 1 % to 12 %``.

    Parameters
    ----------
    lower, upper : float
        Probabilities in [0, 1].

    Returns
    -------
    str
        One number where both ends print alike.
    """
    low, high = percent(lower), percent(upper)
    if low == high:
        return low
    if low[0].isdigit() and high[0].isdigit():
        return f"{low.removesuffix('%').rstrip()}–{high}"
    return f"{low} to {high}"


def points(error: float) -> str:
    """Monte-Carlo error of a probability, rounded up to whole percentage points.

    Parameters
    ----------
    error : float
        Standard error on the probability scale, in [0, 1].

    Returns
    -------
    str
        ``under 1 point``, ``up to 2 points``, ...
    """
    whole = math.ceil(round(100 * error, 9))
    return "under 1 point" if error < 0.01 else f"up to {counted(whole, 'point')}"


def quantity(value: float | str | None, digits: int = 4) -> str:
    """A measured value: ``2,677,000``, ``1.004``, ``–`` where there is none.

    Parameters
    ----------
    value : float or str or None
        Text passes through.
    digits : int
        Significant digits of a value below a thousand.
    """
    if value is None:
        return MISSING
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else ("∞" if value > 0 else "−∞")
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
    return text.replace("-", "−")


def signed(value: float) -> str:
    """A difference with two decimals and its sign: ``+0.10``, ``−0.20``."""
    return f"{value:+.2f}".replace("-", "−")


def fixed(value: float) -> str:
    """A number with two decimals: ``0.35``, ``−0.02``."""
    return f"{value:.2f}".replace("-", "−")


def day(stamp: str | None) -> str:
    """Spell the day of an ISO date or time out: ``9 October 2026``."""
    if stamp is None:
        return MISSING
    moment = date.fromisoformat(stamp[:10])
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def short_day(stamp: str | None) -> str:
    """Shorten the day of an ISO date or time: ``9 Oct 2026``."""
    if stamp is None:
        return MISSING
    moment = date.fromisoformat(stamp[:10])
    return f"{moment.day} {_MONTHS[moment.month - 1][:3]} {moment.year}"


def minute(stamp: str) -> str:
    """Spell an ISO time out in UTC: ``21 November 2026, 10:00 UTC``."""
    moment = datetime.fromisoformat(stamp)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{day(moment.isoformat())}, {moment:%H:%M} UTC"


def instant(stamp: str) -> str:
    """Spell an as-of time out: the day if it is the end of one, and the minute if it lies within one."""
    return day(stamp) if stamp.endswith("T23:59:59Z") else minute(stamp)


def weeks(count: float) -> str:
    """Say a length of time in weeks: ``under a week``, ``1 week``, ``13 weeks``."""
    if count < 1:
        return "under a week"
    whole = round(count)
    return "1 week" if whole == 1 else f"{whole} weeks"


def plain(identifier: str) -> str:
    """Write an identifier as words: ``limited_deal`` becomes ``limited deal``, ``timings_s`` ``timings (seconds)``."""
    words = identifier.removesuffix("_s").replace("_", " ")
    return f"{words} (seconds)" if identifier.endswith("_s") else words


def confidence(interval: float) -> str:
    """Name an interval by its probability: ``90 % interval``."""
    return f"{100 * interval:.0f} % interval"


def number(value: float | None, decimals: int = 3) -> str:
    """A score: ``0.123``; a dash where there is none."""
    return MISSING if value is None else f"{value:.{decimals}f}".replace("-", "−")


def between(row: Mapping[str, Any], name: str) -> str:
    """Bounds of a score: ``0.101 to 0.150``; words where a single event leaves none."""
    lower, upper = row[f"{name}_lower"], row[f"{name}_upper"]
    return "no interval" if lower is None or upper is None else f"{number(lower)} to {number(upper)}"


def skill_text(row: Mapping[str, Any], name: str) -> str:
    """Skill with its bounds: ``+0.10 (−0.05 to +0.22)``; no bounds where too few events would make them too narrow."""
    value, lower, upper = (row[f"{name}_skill{end}"] for end in ("", "_lower", "_upper"))
    if value is None:
        return MISSING
    if row["skill_clusters"] < LEAST_CLUSTERS:
        return f"{signed(value)} (few events)"
    return signed(value) if lower is None or upper is None else f"{signed(value)} ({signed(lower)} to {signed(upper)})"


FILTERS: dict[str, Callable[..., Any]] = {
    "confidence": confidence,
    "counted": counted,
    "day": day,
    "fixed": fixed,
    "instant": instant,
    "minute": minute,
    "percent": percent,
    "plain": plain,
    "points": points,
    "quantity": quantity,
    "short_day": short_day,
    "signed": signed,
    "weeks": weeks,
}
"""Filters that both templates share; each environment adds its own for links."""
