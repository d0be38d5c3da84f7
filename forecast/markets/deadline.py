"""Deadlines as the rules state them.

What a venue calls the end date is when trading is expected to stop: on older Polymarket markets it lies a day before
the deadline, on Kalshi it may lie days after it. Only the rule text says until when the event counts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = "America/New_York"  # where both exchanges count their days unless a rule says otherwise

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DATE = rf"(?P<month>{_MONTH})\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>20\d\d)|(?P<iso>20\d\d-\d\d-\d\d)"
_ZONES = {
    "ET": NEW_YORK,
    "EST": NEW_YORK,
    "EDT": NEW_YORK,
    "PT": "America/Los_Angeles",
    "UTC": "UTC",
    "GMT": "UTC",
    "IRST": "Asia/Tehran",
    "IRAN STANDARD TIME": "Asia/Tehran",
}
_ZONE = "|".join(sorted(_ZONES, key=len, reverse=True))
_CLOCK = r"(?P<{0}hour>\d{{1,2}}):(?P<{0}minute>\d\d)\s*(?P<{0}half>[ap]\.?m\.?)?\s*(?P<{0}zone>" + _ZONE + r")?"
_STATED = re.compile(
    r"\b(?P<word>on or before|before|by|through|until|and)\s+"
    rf"(?:{_CLOCK.format('pre')},?\s*(?:on\s+)?)?(?:{_DATE})(?:,?\s*(?:at\s+)?{_CLOCK.format('post')})?",
    re.IGNORECASE,
)
_CLOCK_ALONE = re.compile(rf"\b{_CLOCK.format('')}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last instant at which an event counts (UTC), and the words that say so."""

    at: datetime
    text: str


def read_deadline(rules: str, title: str = "", *, zone: str = NEW_YORK) -> Deadline | None:
    """Read the deadline of a contract out of its rules.

    "by" a date means its end, or the hour that is given; "before" a date means its start. Rules that leave the date to
    the contract ("by the specified date, 11:59 PM ET") take it from the title, with the hour of the rules.

    Parameters
    ----------
    rules, title
        What the venue says.
    zone
        Where days begin if no zone is stated.

    Returns
    -------
    Deadline or None
        None if nothing is said, or several dates are and the title does not tell which: a deadline is never guessed.
    """
    stated = list(_stated(rules, zone))
    titled = list(_stated(title, zone))
    days = {found.at for found in stated}
    if len(days) == 1:
        return stated[0]
    if stated:
        wanted = {_day(found, zone) for found in titled}
        fitting = [found for found in stated if _day(found, zone) in wanted]
        return fitting[0] if len({found.at for found in fitting}) == 1 else None
    if len(titled) != 1:
        return None
    hours = list(_stated(title, zone, clock=_CLOCK_ALONE.search(rules)))
    return hours[0]


def _stated(text: str, zone: str, *, clock: re.Match[str] | None = None) -> Iterator[Deadline]:
    for match in _STATED.finditer(text):
        word = match["word"].lower()
        if word == "and" and "between" not in text[max(0, match.start() - 60) : match.start()].lower():
            continue
        day = _date_of(match)
        if day is None:
            continue
        hour, where = (
            _clock_of(match, "post") or _clock_of(match, "pre") or (clock and _clock_of(clock, "")) or (None, "")
        )
        if hour is None:
            hour = time(0) if word == "before" else time(23, 59, 59)
        local = datetime.combine(day, hour, ZoneInfo(_ZONES.get(where.upper(), zone)))
        yield Deadline(local.astimezone(UTC), match[0])


def _date_of(match: re.Match[str]) -> date | None:
    try:
        if match["iso"]:
            return date.fromisoformat(match["iso"])
        return date(int(match["year"]), _MONTHS.index(match["month"][:3].lower()) + 1, int(match["day"]))
    except ValueError:
        return None


def _clock_of(match: re.Match[str], place: str) -> tuple[time, str] | None:
    if match[f"{place}hour"] is None:
        return None
    hour, half = int(match[f"{place}hour"]), (match[f"{place}half"] or "").lower()
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    try:
        return time(hour, int(match[f"{place}minute"])), match[f"{place}zone"] or ""
    except ValueError:
        return None


def _day(found: Deadline, zone: str) -> date:
    """Return the local day that a deadline closes: an instant before midnight belongs to the day that ends."""
    return (found.at - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date()
