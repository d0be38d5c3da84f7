import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecast.models import History, build_history, horizon_day
from forecast.models.history import plan_at, weeks_in_level
from forecast.models.moves import FEATURES
from forecast.observations import Vintage
from tests.conftest import ACTS, PRICES, TinyCase
from tests.models.plain import weeks_spent

TERMS_OF_OFFICE = [date(2017, 1, 20), date(2021, 1, 20), date(2025, 1, 20), date(2029, 1, 20)]


def column(history: History, name: str) -> np.ndarray:
    return history.features[:, FEATURES.index(name)]


def deadlines(vintage: Vintage) -> list[tuple[date, date, float]]:
    """Day, day of publication and hardness of every deadline."""
    rows = vintage.observations[vintage.observations["signal"] == "deadline"]
    days = ([t.date() for t in rows[column]] for column in ("event_time", "published_at"))
    return [*zip(*days, rows["value"], strict=True)]


def due_within_a_fortnight(known: list[tuple[date, date, float]], day: date, *, public_by: date) -> list[float]:
    """Hardness of the deadlines in the 14 days after a day that were public by another."""
    end = day + timedelta(days=14)
    return [hardness for due, public, hardness in known if day < due <= end and public <= public_by]


def share_of_term_left(day: date) -> float:
    for first, last in itertools.pairwise(TERMS_OF_OFFICE):
        if first <= day < last:
            return (last - day) / (last - first)
    raise AssertionError(day)


def test_features_describe_the_week_before(history: History) -> None:
    diplomacy, force = (history.weeks.levels[ladder][:-1] for ladder in ("diplomacy", "force"))
    for name, expected in {
        "from_none": diplomacy == 0,
        "from_limited": diplomacy == 2,
        "from_comprehensive": diplomacy == 3,
        "from_calm": force == 0,
        "coercion": force == 1,
        "conflict": force == 2,
        "talks": diplomacy == 1,
        "agreement": diplomacy >= 2,
        "mediation": history.weeks.marks["mediation"][:-1],
    }.items():
        np.testing.assert_array_equal(column(history, name), expected.astype(float), err_msg=name)
        assert 0 < expected.sum() < len(expected), name


def test_durations_are_those_of_the_run_of_weeks_in_a_level(history: History) -> None:
    for ladder in ("diplomacy", "force"):
        spent = weeks_spent(history.weeks.levels[ladder], history.weeks.exposure)
        np.testing.assert_allclose(column(history, f"{ladder}_duration"), np.log(1 + spent[:-1] / 13))
        assert getattr(history.origin, f"{ladder}_weeks") == pytest.approx(spent[-1])


def test_a_duration_starts_anew_with_every_step_and_counts_parts_of_weeks() -> None:
    spent = weeks_in_level(np.array([0, 0, 1, 1, 0]), np.array([1.0, 1.0, 1.0, 1.0, 0.5]))
    np.testing.assert_allclose(spent, [1.0, 2.0, 1.0, 2.0, 0.5])


def test_deadlines_count_in_the_fortnight_before_them_and_only_once_public(history: History) -> None:
    starts = [day.astype(date) for day in history.weeks.ends[:-1]]
    known = deadlines(history.vintage)
    hardness = [due_within_a_fortnight(known, day, public_by=day) for day in starts]
    np.testing.assert_array_equal(column(history, "deadline"), [bool(h) for h in hardness])
    np.testing.assert_array_equal(column(history, "hard_deadline"), [any(v > 1 for v in h) for h in hardness])
    assert any(hardness)


def test_a_note_mended_later_does_not_unsay_a_deadline(history: History) -> None:
    rows = history.vintage.observations
    mended = rows.assign(published_at=rows["published_at"].where(rows["signal"] != "deadline", history.vintage.instant))
    starts = history.weeks.ends[:-1]
    again = plan_at(replace(history.vintage, observations=mended), starts, public_by=starts)
    np.testing.assert_array_equal(again.deadline, column(history, "deadline"))


def test_the_term_left_shrinks_to_a_twentieth_and_starts_anew(history: History) -> None:
    starts = [day.astype(date) for day in history.weeks.ends[:-1]]
    expected = [np.log(max(share_of_term_left(day), 0.05)) for day in starts]
    np.testing.assert_allclose(column(history, "log_term_left"), expected)
    assert min(expected) == pytest.approx(np.log(0.05))


def test_a_case_without_terms_of_office_has_no_permanence(tiny_case: TinyCase, us_iran_now: Vintage) -> None:
    case = us_iran_now.case.model_copy(update={"terms": ()})
    vintage = Vintage(case, us_iran_now.instant, us_iran_now.observations, us_iran_now.episodes, us_iran_now.breakdowns)
    assert (column(build_history(vintage, plan_weeks=4), "log_term_left") == 0).all()


# --- the origin ------------------------------------------------------------------------------------------------------


def test_the_plan_holds_what_was_public_at_the_origin(history: History) -> None:
    origin = history.origin
    starts = [origin.day + timedelta(days=7 * k) for k in range(len(origin.exposure))]
    known = deadlines(history.vintage)
    hardness = [due_within_a_fortnight(known, day, public_by=origin.as_of) for day in starts]
    np.testing.assert_array_equal(origin.plan.deadline, [bool(h) for h in hardness])
    np.testing.assert_array_equal(origin.plan.hard_deadline, [any(v > 1 for v in h) for h in hardness])
    expected = [np.log(max(share_of_term_left(day), 0.05)) for day in starts]
    np.testing.assert_allclose(origin.plan.log_term_left, expected)


@pytest.mark.parametrize(
    ("days_beyond", "steps", "first"), [(0, 0, 1.0), (7, 1, 1.0), (3, 1, 3 / 7), (10, 2, 3 / 7), (41, 6, 6 / 7)]
)
def test_silent_days_before_the_as_of_day_are_steps_to_simulate(
    us_iran_at: Callable[[str], Vintage], days_beyond: int, steps: int, first: float
) -> None:
    now = us_iran_at("2026-10-09")
    late = now.instant + timedelta(days=days_beyond)
    vintage = Vintage(now.case, late, now.observations, now.episodes, now.breakdowns)
    origin = build_history(vintage, plan_weeks=5).origin
    assert (origin.day, origin.as_of) == (date(2026, 10, 9), late.date())
    assert (origin.lead_steps, len(origin.exposure)) == (steps, steps + 5)
    assert origin.exposure[0] == pytest.approx(first)
    assert origin.exposure[:steps].sum() * 7 == pytest.approx(days_beyond)
    assert (origin.exposure[1:] == 1).all()
    assert horizon_day(origin, 4) == late.date() + timedelta(days=28)


WITHOUT_LAGS = tuple({**row, "published_at": row["event_time"]} for row in ACTS if row["signal"] != "harvest")


@pytest.mark.parametrize("friday", ["2020-08-28", "2020-09-11", "2020-12-04", "2021-02-05", "2021-04-02"])
def test_where_a_forecast_starts_is_where_the_next_week_of_a_later_fit_starts(tiny_case: TinyCase, friday: str) -> None:
    """One state, seen as the origin of a forecast and as a row of the history to be fitted a season later."""
    then = build_history(tiny_case.vintage(friday, (*WITHOUT_LAGS, *PRICES)), plan_weeks=4).origin
    later = build_history(tiny_case.vintage("2021-06-25", (*WITHOUT_LAGS, *PRICES)), plan_weeks=4)
    row = dict(zip(FEATURES, later.features[later.weeks.ends[:-1] == np.datetime64(friday)][0], strict=True))
    assert (row["from_none"], row["talks"], row["agreement"]) == (
        then.diplomacy == 0,
        then.diplomacy == 1,
        then.diplomacy > 1,
    )
    assert (row["from_calm"], row["coercion"], row["conflict"]) == tuple(then.force == level for level in range(3))
    assert row["diplomacy_duration"] == pytest.approx(np.log1p(then.diplomacy_weeks / 13))
    assert row["force_duration"] == pytest.approx(np.log1p(then.force_weeks / 13))
    assert row["log_term_left"] == pytest.approx(then.plan.log_term_left[0])
