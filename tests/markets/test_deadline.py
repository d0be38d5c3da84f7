from datetime import UTC, datetime

import pytest

from forecast.markets.deadline import read_deadline

FINAL = (
    "On June 14, 2026, the two announced a written agreement. This market resolves to “Yes” if an instrument "
    "has been signed by the specified date, 11:59 PM ET. It must be the final deal that is "
    "contemplated by the June 14, 2026, memorandum."
)


@pytest.mark.parametrize(
    ("rules", "title", "at"),
    [
        # ET is four hours behind UTC in summer and five in winter
        ("resolve to Yes if … by December 31, 2026, 11:59 PM ET. Otherwise No.", "", (2027, 1, 1, 4, 59)),
        ("resolve to Yes if … by June 30, 2026, 11:59 PM ET.", "", (2026, 7, 1, 3, 59)),
        (
            "commences by December 31, 2026, 11:59 PM ET. Land held as of November 4, 2025 12:00 PM ET",
            "",
            (2027, 1, 1, 4, 59),
        ),
        # before a date is before it begins
        ("If the average is above 60 before November 1, 2026, then Yes.", "", (2026, 11, 1, 4, 0)),
        ("If the United States has agreed before Jan 1, 2027, then Yes.", "", (2027, 1, 1, 5, 0)),
        ("between February 4, and December 31, 2025, 11:59 PM ET", "", (2026, 1, 1, 4, 59)),
        ("confirm, on or before 23:59 UTC June 30, 2026, that they agreed", "", (2026, 6, 30, 23, 59)),
        # the date is the contract's, the hour the rules'
        (FINAL, "US-Iran Final Nuclear Deal by October 31, 2026?", (2026, 11, 1, 3, 59)),
        (
            "No if a strike comes by the specified date, 11:59 PM Iran Standard Time.",
            "Ceasefire through October 31, 2026?",
            (2026, 10, 31, 20, 29),
        ),
        # an hour without minutes, in parentheses, and zones of other places
        ("by October 31, 2026 at 5 PM ET", "", (2026, 10, 31, 21, 0)),
        ("by 5 p.m. ET on October 31, 2026.", "", (2026, 10, 31, 21, 0)),
        ("by October 31, 2026 (11:59 PM Iran Standard Time)", "", (2026, 10, 31, 20, 29)),
        ("by October 31, 2026, 11:59 PM Tehran time.", "", (2026, 10, 31, 20, 29)),
        ("by October 31, 2026, 11:59 PM PST", "", (2026, 11, 1, 6, 59)),
        ("by October 31, 2026, 11:59 PM Central Time", "", (2026, 11, 1, 4, 59)),
        ("by January 31, 2026, 5:00 PM CET", "", (2026, 1, 31, 16, 0)),
        ("by October 31, 2026, 5 October being a holiday", "", (2026, 11, 1, 3, 59)),  # 5 is no hour
        # the rules are the title's day in another zone, or before it for by it
        ("by October 31, 2026, 11:59 PM PT", "A pact by October 31, 2026?", (2026, 11, 1, 6, 59)),
        ("before November 1, 2026", "A pact by October 31, 2026?", (2026, 11, 1, 4, 0)),
        # two dates in the rules, one of them the title's
        ("by June 30, 2026, 11:59 PM ET; checked by July 15, 2026", "Deal by June 30, 2026?", (2026, 7, 1, 3, 59)),
    ],
)
def test_the_deadline_is_what_the_rules_say(rules: str, title: str, at: tuple[int, int, int, int, int]) -> None:
    found = read_deadline(rules, title)
    assert found is not None
    assert found.at.replace(second=0) == datetime(*at, tzinfo=UTC)
    assert found.text in rules + title


@pytest.mark.parametrize(
    ("rules", "title"),
    [
        ("Resolves YES if it happens.", "Iran leadership change by September 30?"),  # which year?
        ("by June 30, 2026, or by July 31, 2026", "A deal?"),
        ("by February 30, 2026", ""),
        ("Clarified on June 17, 2026.", ""),
        ("A deal announced before June 17, 2026 does not count.", "A deal by December 31, 2026?"),
        ("by October 31, 2026, 11:59 PM Baku time", ""),
        ("by 11:59 PM AZT on October 31, 2026", ""),
        ("by October 31, 2026 (5 PM AZT)", ""),
        ("by October 31, 2026, 11:59 PM UTC+4", ""),
        ("by the specified date, 11:59 PM Baku time", "A deal by December 31, 2026?"),
        ("a deal and December 31, 2025", ""),
    ],
)
def test_a_deadline_is_not_guessed(rules: str, title: str) -> None:
    assert read_deadline(rules, title) is None


def test_days_without_a_zone_are_the_venues() -> None:
    utc, york = (read_deadline("by June 30, 2026", zone=zone) for zone in ("UTC", "America/New_York"))
    assert utc is not None
    assert york is not None
    assert utc.at == datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)
    assert (york.at - utc.at).total_seconds() == 4 * 3600
