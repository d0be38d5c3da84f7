import math

import pytest

from forecast.report.formats import (
    day,
    minute,
    percent_range,
    plain,
    points,
    quantity,
    short_day,
    signed,
    skill_text,
    weeks,
)


@pytest.mark.parametrize(
    ("lower", "upper", "shown"),
    [
        (0.10, 0.41, "10–41 %"),
        (0.231, 0.234, "23 %"),
        (0.001, 0.12, "< 1 % to 12 %"),
        (0.85, 0.9999, "85 % to > 99 %"),
        (0.0, 1.0, "< 1 % to > 99 %"),
        (0.0, 0.0, "< 1 %"),
    ],
)
def test_an_interval_keeps_to_whole_per_cents_and_never_reaches_the_ends(
    lower: float, upper: float, shown: str
) -> None:
    assert " ".join(percent_range(lower, upper).split()) == shown


@pytest.mark.parametrize(
    ("error", "shown"),
    [(0.0, "under 1 point"), (0.0099, "under 1 point"), (0.01, "up to 1 point"), (0.011, "up to 2 points")],
)
def test_monte_carlo_error_is_rounded_up(error: float, shown: str) -> None:
    assert points(error) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2677000, "2,677,000"),
        (1.00412, "1.004"),
        (0.0, "0"),
        (-4.3, "−4.3"),
        (1e-7, "1e−07"),
        (None, "–"),
        (math.nan, "–"),
        (-math.inf, "−∞"),
        ("deficit", "deficit"),
    ],
)
def test_quantities(value: float | str | None, shown: str) -> None:
    assert quantity(value) == shown


def test_signed_uses_a_true_minus() -> None:
    assert (signed(0.1), signed(-0.2), signed(0)) == ("+0.10", "−0.20", "+0.00")


def test_dates_are_spelled_without_the_locale() -> None:
    assert day("2026-10-09T23:59:59Z") == "9 October 2026"
    assert short_day("2026-10-09") == "9 Oct 2026"
    assert (day(None), short_day(None)) == ("–", "–")


@pytest.mark.parametrize("stamp", ["2026-11-21T10:00:00Z", "2026-11-21T13:30:00+03:30", "2026-11-21T10:00:00"])
def test_times_are_given_in_utc(stamp: str) -> None:
    assert minute(stamp) == "21 November 2026, 10:00 UTC"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0.0, "under a week"), (0.99, "under a week"), (1.0, "1 week"), (1.2, "1 week"), (13, "13 weeks")],
)
def test_weeks(count: float, shown: str) -> None:
    assert weeks(count) == shown


def test_identifiers_become_words() -> None:
    assert plain("comprehensive_deal") == "comprehensive deal"
    assert plain("timings_s") == "timings (seconds)"


def test_skill_has_no_bounds_where_events_are_few() -> None:
    row = {"log_skill": 0.1, "log_skill_lower": 0.05, "log_skill_upper": 0.15, "skill_clusters": 10}
    assert skill_text(row, "log") == "+0.10 (+0.05 to +0.15)"
    assert skill_text(row | {"skill_clusters": 9}, "log") == "+0.10 (few events)"
    assert skill_text(row | {"log_skill": None}, "log") == "–"
