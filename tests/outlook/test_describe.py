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
    assert state["force"]["since"] < "2026-04-14"
    assert {m["mark"]: m["on"] for m in state["marks"]} == {
        mark: bool(on[-1]) for mark, on in history.weeks.marks.items()
    }


@pytest.mark.parametrize("when", ["2026-04-14", "2026-10-09"])
def test_a_mark_is_on_or_off_since_the_day_on_which_it_last_changed(when: str) -> None:
    history = real_history(when)
    for row in describe.state(history)["marks"]:
        mine = [i for i in history.weeks.intervals if i.hold.mark == row["mark"]]
        since, day = np.datetime64(row["since"]), np.timedelta64(1, "D")
        days = np.arange(since, history.weeks.ends[-1] + day)
        assert all(any(i.holds_at(day) for i in mine) == row["on"] for day in days), row
        assert any(i.holds_at(since - day) for i in mine) != row["on"] or since == history.weeks.ends[0], row


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


def test_the_evidence_counts_the_episodes_that_are_used(history: History) -> None:
    used = usable_episodes(history.vintage)
    text = describe.evidence(history)
    assert f"{history.weeks.n_weeks} coded weeks" in text
    assert f"{len(used)} reference episodes of {used['dyad'].nunique()} dyads" in text
