import numpy as np
import pytest

from forecast.models import History
from forecast.models.reference import usable_episodes
from forecast.outlook import describe
from tests.models.given import real_history


def test_the_state_is_that_of_the_last_coded_day(history: History) -> None:
    state = describe.state(history)
    assert (state["diplomacy"]["level"], state["force"]["level"]) == ("none", "coercion")
    walkout = state["diplomacy"]["because"][-1]
    assert (walkout["signal"], walkout["date"]) == ("walkout", "2026-04-12")
    assert state["diplomacy"]["since"] == "2026-04-12"  # the day of the walkout, not the end of the week before it
    assert state["force"]["since"] == "2026-04-07"  # the day of the ceasefire, coercion being held from before
    assert (state["diplomacy"]["weeks"], state["force"]["weeks"]) == (0.3, 1.0)
    assert {m["mark"]: m["on"] for m in state["marks"]} == {
        mark: bool(on[-1]) for mark, on in history.weeks.marks.items()
    }


@pytest.mark.parametrize(
    ("when", "ladder", "level", "since", "because"),
    [
        ("2025-02-14", "diplomacy", "none", "2024-06-25", []),  # talks of 14 May 2024 ran out after six weeks, by rule
        ("2025-10-06", "force", "calm", "2025-08-18", []),  # not the ceasefire of June, which left coercion
        ("2026-10-01", "force", "coercion", "2026-09-22", ["2026-09-28", "2026-09-29", "2026-10-01"]),
        # A day of talks inside a week, or a day without, is no step of the weekly coding.
        ("2026-01-22", "diplomacy", "none", "2025-06-14", ["2025-06-14"]),
        ("2026-04-04", "diplomacy", "talks", "2026-02-02", ["2026-03-26"]),
    ],
)
def test_a_level_is_held_since_the_day_of_its_step_by_what_made_it(
    when: str, ladder: str, level: str, since: str, because: list[str]
) -> None:
    history = real_history(when)
    row = describe.state(history)[ladder]
    assert (row["level"], row["since"], [e["date"] for e in row["because"]]) == (level, since, because)
    assert row["weeks"] == round((history.weeks.ends[-1] - np.datetime64(since)).astype(int) / 7, 1)


def test_a_ladder_is_at_rest_by_the_events_of_its_last_step_down() -> None:
    history = real_history("2025-07-25")
    state = describe.state(history)["diplomacy"]
    step = next(s for s in reversed(describe.steps(history)) if s["ladder"] == "diplomacy")
    assert step["to"] == state["level"] == "none"
    assert state["because"] == step["events"] != []


def test_a_mark_that_was_never_on_has_no_first_day() -> None:
    rows = {row["mark"]: row for row in describe.state(real_history("2026-02-14"))["marks"]}
    assert (rows["blockade"]["on"], rows["blockade"]["since"]) == (False, None)


@pytest.mark.parametrize("when", ["2026-04-14", "2026-10-09"])
def test_a_mark_is_on_or_off_since_the_day_on_which_it_last_changed(when: str) -> None:
    history = real_history(when)
    for row in describe.state(history)["marks"]:
        mine = [i for i in history.weeks.intervals if i.hold.mark == row["mark"]]
        since, day = np.datetime64(row["since"]), np.timedelta64(1, "D")
        days = np.arange(since, history.weeks.ends[-1] + day)
        assert all(any(i.holds_at(day) for i in mine) == row["on"] for day in days), row
        assert any(i.holds_at(since - day) for i in mine) != row["on"], row


def test_every_step_has_its_week_and_the_counts_add_up(history: History) -> None:
    steps = describe.steps(history)
    counts = {c["ladder"]: (c["up"], c["down"]) for c in describe.coded_history(history)["counts"]}
    for ladder, level in history.weeks.levels.items():
        assert sum(s["ladder"] == ladder for s in steps) == np.count_nonzero(np.diff(level))
        assert counts[ladder] == ((np.diff(level) > 0).sum(), (np.diff(level) < 0).sum())
    assert [s["week"] for s in steps] == sorted(s["week"] for s in steps)
    assert all(s["events"] for s in steps if s["to"] in {"talks", "conflict"})


def test_nothing_shown_was_published_after_the_as_of_day(history: History) -> None:
    events = [e for s in describe.steps(history) for e in s["events"]]
    events += [e for ladder in ("diplomacy", "force") for e in describe.state(history)[ladder]["because"]]
    assert events
    assert max(e["published"] for e in events) <= "2026-04-14"
    assert max(row["last_published"] for row in describe.signal_ages(history)) <= "2026-04-14"


def test_ages_are_counted_from_the_newest_value(history: History) -> None:
    rows = {row["signal"]: row for row in describe.signal_ages(history)}
    for signal, row in rows.items():
        assert row["age_days"] == (np.datetime64("2026-04-14") - np.datetime64(row["last_event"])).astype(int), signal
        late = row["late_after_days"]
        assert row["status"] == (
            "fresh" if row["age_days"] <= late else "late" if row["age_days"] <= 3 * late else "stale"
        )


@pytest.mark.parametrize(("when", "status", "days"), [("2026-10-09", "fresh", 0), ("2026-11-20", "stale", 42)])
def test_staleness_is_the_gap_between_coding_and_as_of(when: str, status: str, days: int) -> None:
    found = describe.staleness(real_history(when))
    assert (found["status"], found["days"]) == (status, days)


def test_a_single_day_is_one_day() -> None:
    assert "on 9 October 2026, 1 day before the as-of day" in describe.staleness(real_history("2026-10-10"))["text"]


def test_the_evidence_counts_the_episodes_that_are_used(history: History) -> None:
    used = usable_episodes(history.vintage)
    text = describe.evidence(history)
    assert f"{history.weeks.n_weeks} coded weeks" in text
    assert f"{len(used)} reference episodes of {used['dyad'].nunique()} dyads" in text
