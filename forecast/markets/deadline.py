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
_APART = timedelta(hours=36)  # of a rule and a title that mean one day: their zones, and "before" a day for "by" it
_ZONES = {  # the clock of a place, summer time or not, as rules use these words
    "America/New_York": ("ET", "EST", "EDT", "Eastern Time", "Eastern Standard Time", "Eastern Daylight Time"),
    "America/Chicago": ("CT", "CDT", "Central Time", "Central Standard Time", "Central Daylight Time"),
    "America/Los_Angeles": ("PT", "PST", "PDT", "Pacific Time", "Pacific Standard Time", "Pacific Daylight Time"),
    "Europe/Paris": ("CET", "CEST", "Central European Time"),
    "Asia/Tehran": ("IRST", "Iran Standard Time", "Iran Time", "Tehran Time"),
    "UTC": ("UTC", "GMT"),
}
_PLACES = {name.upper(): place for place, names in _ZONES.items() for name in names}
_ZONE = rf"(?:{'|'.join(sorted(_PLACES, key=len, reverse=True))})\b(?!\s?[+−-]\s?\d)"  # UTC+3 is not UTC
_HOUR = (
    r"(?=\d{{1,2}}(?::\d\d|\s*[ap]\.?m\b))"  # a number alone is no hour
    r"(?P<{0}hour>\d{{1,2}})(?::(?P<{0}minute>\d\d))?(?:\s*(?P<{0}half>[ap]\.?m\b\.?))?"
)
_CLOCK = _HOUR + r"(?:\s*\(?(?P<{0}zone>" + _ZONE.replace("{", "{{").replace("}", "}}") + "))?"
_STATED = re.compile(
    r"\b(?P<word>on or before|before|by|through|until|and)\s+"
    rf"(?:{_CLOCK.format('pre')}\)?,?\s*(?:on\s+)?)?(?:{_DATE})(?:,?\s*\(?(?:at\s+)?{_CLOCK.format('post')})?",
    re.IGNORECASE,
)
_CLOCK_ALONE = re.compile(rf"\b{_CLOCK.format('')}", re.IGNORECASE)
_OTHER_ZONE = re.compile(  # what follows a clock like a zone: capitals, "… time" or an offset
    rf"\b{_HOUR.format('')}\s*\(?(?!{_ZONE})(?![ap]\.?m\b)(?:(?-i:[A-Z]{{2,5}}\b)|(?:[a-z]+\s+){{1,3}}?time\b|[+−-]\s?\d)",
    re.IGNORECASE,
)


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
        A deadline is never guessed: None if nothing is said, if several dates are and the title does not tell which, if
        the only one is not the title's, or if a clock stands with a zone that is not known.
    """
    if _OTHER_ZONE.search(rules) or _OTHER_ZONE.search(title):
        return None
    stated = list(_stated(rules, zone))
    titled = list(_stated(title, zone))
    if len({found.at for found in stated}) == 1:
        meant = not titled or any(abs(stated[0].at - named.at) <= _APART for named in titled)
        return stated[0] if meant else None
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
        local = datetime.combine(day, hour, ZoneInfo(_PLACES.get(where.upper(), zone)))
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
        return time(hour, int(match[f"{place}minute"] or 0)), match[f"{place}zone"] or ""
    except ValueError:
        return None


def _day(found: Deadline, zone: str) -> date:
    """Return the local day that a deadline closes: an instant before midnight belongs to the day that ends."""
    return (found.at - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date()
