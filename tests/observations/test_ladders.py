import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.case import LADDERS, LEVELS, Case, Hold
from forecast.observations import CodedWeeks, Vintage, as_of, code_weeks, intervals_of, week_ends
from tests.conftest import Row, TinyCase, without_episodes

SATURDAY, FRIDAY = 5, 4
NONE, TALKS, LIMITED, COMPREHENSIVE = range(4)
CALM, COERCION, CONFLICT = range(3)
START = date(2020, 1, 4)
PARLEY: Row = {"signal": "parley", "event_time": "2020-02-10"}

# --- the grid --------------------------------------------------------------------------------------------------------


@given(weeks=st.integers(1, 200), extra=st.integers(0, 6))
def test_weeks_run_from_saturday_to_friday(weeks: int, extra: int) -> None:
    until = START + timedelta(days=7 * weeks - 1 + extra)
    ends, exposure = week_ends(START, until)
    days = [date.fromisoformat(str(d)) for d in ends]
    assert START.weekday() == SATURDAY
    assert days[0] == START + timedelta(days=6)
    assert all(d.weekday() == FRIDAY for d in days[:weeks])
    assert len(days) == weeks + (extra > 0)
    assert days[-1] == until
    assert exposure.sum() * 7 == pytest.approx((until - START).days + 1)
    assert (exposure[:weeks] == 1).all()


@pytest.mark.parametrize(
    ("until", "share"), [("2026-04-10", 1), ("2026-04-11", 1 / 7), ("2026-04-14", 4 / 7), ("2026-04-16", 6 / 7)]
)
def test_the_last_week_counts_for_what_has_passed_of_it(until: str, share: float) -> None:
    ends, exposure = week_ends(date(2018, 1, 6), date.fromisoformat(until))
    assert str(ends[-1]) == until
    assert exposure[-1] == pytest.approx(share)


# --- small histories, coded by hand ----------------------------------------------------------------------------------


def week_of(weeks: CodedWeeks, day: str) -> int:
    """Return the index of the week that contains a day."""
    return int(np.searchsorted(weeks.ends, np.datetime64(day)))


def levels(weeks: CodedWeeks, ladder: str, first: str, count: int) -> list[int]:
    """Return the levels of some weeks from the one that contains a day."""
    start = week_of(weeks, first)
    return [int(level) for level in weeks.levels[ladder][start : start + count]]


def test_a_parley_holds_talks_up_for_its_days(tiny_case: TinyCase) -> None:
    """21 days from Monday 3 August 2020 are over on Monday 24: three Fridays."""
    vintage = tiny_case.vintage("2020-12-31", [{"signal": "parley", "event_time": "2020-08-03"}])
    assert levels(code_weeks(vintage), "diplomacy", "2020-07-31", 5) == [NONE, TALKS, TALKS, TALKS, NONE]


def test_a_hold_covers_the_end_of_its_days_and_no_more(tiny_case: TinyCase) -> None:
    """21 days from Friday 7 August end with Thursday 27: the Friday after is not covered."""
    vintage = tiny_case.vintage("2020-12-31", [{"signal": "parley", "event_time": "2020-08-07"}])
    assert levels(code_weeks(vintage), "diplomacy", "2020-08-07", 4) == [TALKS, TALKS, TALKS, NONE]
    (interval,) = intervals_of(vintage)
    held = [interval.holds_at(np.datetime64(d)) for d in ("2020-08-06", "2020-08-07", "2020-08-27", "2020-08-28")]
    assert held == [False, True, True, False]


def test_a_second_round_prolongs_talks(tiny_case: TinyCase) -> None:
    rows = [{"signal": "parley", "event_time": d} for d in ("2020-08-03", "2020-08-20")]
    weeks = code_weeks(tiny_case.vintage("2020-12-31", rows))
    assert levels(weeks, "diplomacy", "2020-08-03", 6) == [TALKS] * 5 + [NONE]  # 20 August + 21 days = 10 September


@pytest.mark.parametrize("walkout", ["2020-08-03", "2020-08-06", "2020-08-07"])
def test_a_walkout_ends_talks_on_its_day(tiny_case: TinyCase, walkout: str) -> None:
    rows = [{"signal": "parley", "event_time": "2020-08-03"}, {"signal": "storming_out", "event_time": walkout}]
    weeks = code_weeks(tiny_case.vintage("2020-12-31", rows))
    assert weeks.levels["diplomacy"].max() == NONE


def test_a_walkout_ends_only_what_was_open_and_a_new_round_begins_again(tiny_case: TinyCase) -> None:
    rows: list[Row] = [
        {"signal": "parley", "event_time": "2020-08-03"},
        {"signal": "storming_out", "event_time": "2020-08-11"},
        {"signal": "parley", "event_time": "2020-08-25"},
    ]
    vintage = tiny_case.vintage("2020-12-31", rows)
    assert levels(code_weeks(vintage), "diplomacy", "2020-08-03", 7) == [TALKS, NONE, NONE, TALKS, TALKS, TALKS, NONE]
    first, second = intervals_of(vintage)
    assert (first.event_id, first.closed_by_id, str(first.stop)) == ("O0", "O1", "2020-08-11")
    assert (second.event_id, second.closed_by_id, str(second.stop)) == ("O2", None, "2020-09-15")


def test_only_the_named_sides_open_and_close(tiny_case: TinyCase) -> None:
    rows: list[Row] = [
        {"signal": "parley", "side": "sylvania", "event_time": "2020-06-01"},  # talks need both
        {"signal": "siege_start", "event_time": "2020-06-01"},
        {"signal": "siege_end", "side": "sylvania", "event_time": "2020-06-20"},  # only the besieger lifts it
    ]
    weeks = code_weeks(tiny_case.vintage("2020-12-31", rows))
    assert weeks.levels["diplomacy"].max() == NONE
    assert weeks.levels["force"][week_of(weeks, "2020-06-01") :].tolist() == [COERCION] * 31
    assert weeks.marks["siege"].sum() == 3  # the mark is closed by either side


def test_a_siege_lasts_until_it_is_lifted(tiny_case: TinyCase) -> None:
    rows: list[Row] = [
        {"signal": "siege_start", "event_time": "2020-03-01"},
        {"signal": "siege_end", "event_time": "2020-08-21"},
    ]
    weeks = code_weeks(tiny_case.vintage("2020-12-31", rows))
    expected = [COERCION if "2020-03-01" <= str(end) < "2020-08-21" else CALM for end in weeks.ends]
    assert weeks.levels["force"].tolist() == expected
    assert weeks.marks["siege"].tolist() == [level == COERCION for level in expected]
    still = code_weeks(tiny_case.vintage("2020-08-20", rows))
    assert still.levels["force"][-1] == COERCION
    assert still.marks["siege"][-1]


def test_conflict_steps_down_to_coercion_and_then_to_calm(tiny_case: TinyCase) -> None:
    """A skirmish on Monday 4 May 2020: 14 days of conflict, then coercion until 28 days are over."""
    rows = [{"signal": "skirmish", "event_time": "2020-05-04"}]
    weeks = code_weeks(tiny_case.vintage("2020-12-31", rows))
    assert levels(weeks, "force", "2020-05-04", 5) == [CONFLICT, CONFLICT, COERCION, COERCION, CALM]
    stopped = [*rows, {"signal": "armistice", "event_time": "2020-05-12"}]
    weeks = code_weeks(tiny_case.vintage("2020-12-31", stopped))
    assert levels(weeks, "force", "2020-05-04", 5) == [CONFLICT, COERCION, COERCION, COERCION, CALM]


def test_the_highest_level_held_counts(tiny_case: TinyCase) -> None:
    rows: list[Row] = [
        {"signal": "pact_start", "event_time": "2020-08-03"},
        {"signal": "parley", "event_time": "2020-08-04"},
        {"signal": "pact_end", "event_time": "2020-08-10"},
    ]
    weeks = code_weeks(tiny_case.vintage("2020-12-31", rows))
    assert levels(weeks, "diplomacy", "2020-08-03", 4) == [LIMITED, TALKS, TALKS, NONE]


def test_what_is_not_public_yet_is_not_coded(tiny_case: TinyCase) -> None:
    letter = {"signal": "letter", "event_time": "2020-09-01", "published_at": "2020-09-16"}
    before, after = (code_weeks(tiny_case.vintage(day, [PARLEY, letter])) for day in ("2020-09-15", "2020-09-16"))
    assert before.levels["diplomacy"][-1] == NONE
    assert after.levels["diplomacy"][-1] == TALKS


# --- any history, against the definition -----------------------------------------------------------------------------


def held(hold: Hold, events: list[tuple[str, str, date]], day: date) -> bool:
    """Whether a hold is on at the end of a day, straight from its rule: opened, not run out, not closed since."""
    for signal, side, opened in events:
        opens = signal in hold.opened_by and (not hold.by_sides or side in hold.by_sides)
        if not opens or opened > day:
            continue
        if hold.for_days is not None and day >= opened + timedelta(days=hold.for_days):
            continue
        if not any(
            name in hold.closed_by
            and (not hold.closed_by_sides or who in hold.closed_by_sides)
            and opened <= shut <= day
            for name, who, shut in events
        ):
            return True
    return False


def assert_follows_the_rules(case: Case, events: list[tuple[str, str, date]], weeks: CodedWeeks) -> None:
    for index, end in enumerate(weeks.ends):
        day = date.fromisoformat(str(end))
        on = [hold for hold in case.holds if held(hold, events, day)]
        for ladder in LADDERS:
            names = [h.level for h in on if h.ladder == ladder]
            highest = max((LEVELS[ladder].index(str(name)) for name in names), default=0)
            assert weeks.levels[ladder][index] == highest, (ladder, day)
        for mark in case.marks:
            assert weeks.marks[mark][index] == any(h.mark == mark for h in on), (mark, day)


@pytest.fixture(scope="module")
def small(new_tiny_case: Callable[[], TinyCase]) -> Case:
    return new_tiny_case().write()


TYPES = (
    "parley",
    "letter",
    "storming_out",
    "pact_start",
    "pact_end",
    "skirmish",
    "armistice",
    "siege_start",
    "siege_end",
)


@settings(max_examples=25)
@given(
    events=st.lists(
        st.tuples(st.sampled_from(TYPES), st.sampled_from(("both", "freedonia", "sylvania")), st.integers(-100, 250)),
        max_size=25,
    )
)
def test_any_history_is_coded_by_the_rules(small: Case, events: list[tuple[str, str, int]]) -> None:
    dated = [(signal, side, START + timedelta(days=day)) for signal, side, day in events]
    observations = pd.DataFrame(
        {
            "id": [f"O{n}" for n in range(len(dated))],
            "signal": pd.Series([signal for signal, _, _ in dated], dtype="str"),
            "side": pd.Series([side for _, side, _ in dated], dtype="str"),
            "event_time": pd.to_datetime([day for _, _, day in dated], utc=True),
        }
    )
    nothing = pd.DataFrame()
    vintage = Vintage(small, datetime(2020, 10, 1, tzinfo=UTC), observations, nothing, nothing)
    assert_follows_the_rules(small, dated, code_weeks(vintage))


# --- the shipped case: what is on the public record ------------------------------------------------------------------


@pytest.fixture(scope="module")
def coded_at(us_iran: Case) -> Callable[[str], CodedWeeks]:
    """Code the weeks as of some day from the events alone, which is all that the rules look at."""
    events = without_episodes(us_iran).model_copy(update={"observations": ("data/events.csv",)})
    return cache(lambda when: code_weeks(as_of(events, when)))


def test_the_shipped_history_is_coded_by_its_own_rules(us_iran: Case, us_iran_now: Vintage) -> None:
    with (us_iran.folder / "data" / "events.csv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["published_at"] <= "2026-10-09T23:59:59Z"]
    events = [(r["signal"], r["side"], date.fromisoformat(r["event_time"][:10])) for r in rows]
    assert_follows_the_rules(us_iran, events, code_weeks(us_iran_now))


def test_the_nuclear_deal_is_in_force_until_the_withdrawal(us_iran_now: Vintage) -> None:
    """The United States left the JCPOA on Tuesday 8 May 2018."""
    weeks = code_weeks(us_iran_now)
    before = weeks.ends < np.datetime64("2018-05-08")
    assert str(weeks.ends[before][-1]) == "2018-05-04"
    assert (weeks.levels["diplomacy"][before] == COMPREHENSIVE).all()
    assert (weeks.levels["diplomacy"][~before] < COMPREHENSIVE).all()


def test_the_two_limited_deals_are_in_force_between_their_dates(us_iran_now: Vintage) -> None:
    """Detainees and funds, announced and then held back; the memorandum, signed and then declared over."""
    weeks = code_weeks(us_iran_now)
    deals = (("2023-08-10", "2023-10-12"), ("2026-06-17", "2026-07-08"))
    inside = [any(first <= str(end) < last for first, last in deals) for end in weeks.ends]
    assert sum(inside) == 9 + 3
    np.testing.assert_array_equal(weeks.levels["diplomacy"] == LIMITED, inside)


def test_the_war_begins_on_28_february_2026(coded_at: Callable[[str], CodedWeeks]) -> None:
    assert coded_at("2026-02-27").levels["force"][-1] == COERCION
    assert coded_at("2026-02-28").levels["force"][-1] == CONFLICT
    weeks = coded_at("2026-04-10")
    march = (weeks.ends > np.datetime64("2026-02-28")) & (weeks.ends < np.datetime64("2026-04-07"))
    assert (weeks.levels["force"][march] == CONFLICT).all()


def test_islamabad_turns_from_talks_under_a_ceasefire_to_a_blockade(coded_at: Callable[[str], CodedWeeks]) -> None:
    """Friday 10 April 2026: talks, after a ceasefire. 12 April: the walkout. 13 April: the blockade."""
    before, after = coded_at("2026-04-10"), coded_at("2026-04-14")
    assert (before.levels["diplomacy"][-1], before.levels["force"][-1]) == (TALKS, COERCION)
    assert not before.marks["blockade"][-1]
    assert (after.levels["diplomacy"][-1], after.levels["force"][-1]) == (NONE, COERCION)
    assert after.marks["blockade"][-1]
    assert (before.exposure[-1], after.exposure[-1]) == (1, pytest.approx(4 / 7))
    assert after.n_weeks == before.n_weeks + 1


def test_the_blockades_are_marked(us_iran_now: Vintage) -> None:
    """Enforced from 13 April, lifted on 18 June 2026, again from 14 July."""
    weeks = code_weeks(us_iran_now)
    first = (weeks.ends >= np.datetime64("2026-04-13")) & (weeks.ends < np.datetime64("2026-06-18"))
    again = weeks.ends >= np.datetime64("2026-07-14")
    np.testing.assert_array_equal(weeks.marks["blockade"], first | again)


def test_steps_are_as_many_as_the_record_suggests(us_iran_now: Vintage) -> None:
    weeks = code_weeks(us_iran_now)
    steps = {ladder: np.diff(level) for ladder, level in weeks.levels.items()}
    counts = {ladder: (int((step > 0).sum()), int((step < 0).sum())) for ladder, step in steps.items()}
    assert all(25 <= n <= 45 for n in counts["force"]), counts
    assert all(12 <= n <= 20 for n in counts["diplomacy"]), counts
    assert str(weeks.ends[0]) == "2018-01-12"
    assert str(weeks.ends[-1]) == "2026-10-09"
