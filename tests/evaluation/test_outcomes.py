"""Outcomes against the record, against a plain scan of the coded weeks, and against what any outcome must satisfy."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.case import Case, Hold, Question
from forecast.errors import AsOfError
from forecast.evaluation.outcomes import FIRST, Outcome, first_passage_times, realised
from forecast.observations import Vintage, code_weeks
from forecast.outlook.outlook import OUTCOMES
from tests.conftest import Row, TinyCase

EVENTS = (
    "deal",
    "deal_limited",
    "deal_comprehensive",
    "deal_lasting",
    "escalation",
    "deal_before_escalation",
    "escalation_before_deal",
    "neither",
)
LASTING = 3

Decided = dict[tuple[str, date], Outcome]


def ask(vintage: Vintage, as_of: date, by: Iterable[date]) -> Decided:
    """Outcomes by question (or category of what comes first) and deadline."""
    found = realised(vintage, as_of=as_of, by=by)
    return {(f"{o.question}:{o.category}" if o.category else o.question, o.by): o for o in found}


def end_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)


# --- the record ------------------------------------------------------------------------------------------------------


def test_the_understanding_of_august_2023(us_iran_now: Vintage) -> None:
    """In force from Thursday 10 August to 12 October: eight whole weeks, and a few days."""
    asked, by = date(2023, 7, 28), date(2023, 8, 25)
    found = ask(us_iran_now, asked, [by])
    day = date(2023, 8, 10)
    assert found["deal", by] == Outcome("deal", "", by, 1, day, end_of(day), ("E0102",))
    assert found["deal_limited", by].outcome == 1
    assert found["deal_comprehensive", by] == Outcome("deal_comprehensive", "", by, 0, by, end_of(by))
    lasted = found["deal_lasting", by]
    assert (lasted.outcome, lasted.decided_on, lasted.settled_by) == (1, date(2023, 10, 6), ("E0102",))
    assert found["escalation", by].outcome == 0
    for event, outcome in (("deal_before_escalation", 1), ("escalation_before_deal", 0), ("neither", 0)):
        assert found[event, by] == Outcome(event, "", by, outcome, day, end_of(day), ("E0102",))
    assert found["first:limited_first", by].outcome == 1


def test_the_war_of_june_2025(us_iran_now: Vintage) -> None:
    """Coercion since a threat of 4 June; on Friday 13 June the first strikes, two events of one day."""
    asked = date(2025, 6, 6)
    week, quarter = date(2025, 6, 13), date(2025, 9, 5)
    found = ask(us_iran_now, asked, [week, quarter])
    for by in (week, quarter):
        war = found["escalation", by]
        assert (war.outcome, war.decided_on, war.public_at) == (1, week, end_of(week))
        assert set(war.settled_by) == {"E0157", "E0158"}
        assert found["deal", by] == Outcome("deal", "", by, 0, by, end_of(by))
        assert found["deal_before_escalation", by].outcome == 0
        assert found["deal_before_escalation", by].decided_on == week
        assert found["escalation_before_deal", by].outcome == 1
        assert found["first:escalation_first", by].outcome == 1


def test_islamabad_in_april_2026_was_no_deal(us_iran_now: Vintage) -> None:
    """The ceasefire of 7 April is a step down in force; then comes 4 May, and only in June a deal."""
    month, quarter = date(2026, 5, 1), date(2026, 7, 3)
    found = ask(us_iran_now, date(2026, 4, 3), [month, quarter])
    assert [found[e, month].outcome for e in ("deal", "escalation", "neither")] == [0, 0, 1]
    assert found["neither", month] == Outcome("neither", "", month, 1, month, end_of(month))
    assert found["first:neither", month].outcome == 1
    assert found["escalation", quarter].decided_on == date(2026, 5, 4)
    assert found["deal", quarter].decided_on == date(2026, 6, 17)
    assert found["escalation_before_deal", quarter].outcome == 1


def test_the_memorandum_of_june_2026_did_not_last(us_iran_now: Vintage) -> None:
    """Signed on 17 June, over on 8 July: a deal, none that held eight weeks, which was seen on Friday 10 July."""
    by = date(2026, 7, 3)
    found = ask(us_iran_now, date(2026, 6, 5), [by])
    assert (found["deal", by].decided_on, found["deal", by].settled_by) == (date(2026, 6, 17), ("E0280",))
    assert found["deal_before_escalation", by].outcome == 1
    assert found["escalation", by].decided_on == date(2026, 6, 26)
    assert found["deal_lasting", by] == Outcome("deal_lasting", "", by, 0, by, end_of(date(2026, 7, 10)))


def test_whether_a_deal_lasts_is_open_while_it_stands(us_iran_at: Callable[[str], Vintage]) -> None:
    then = us_iran_at("2026-06-26")
    by = date(2026, 6, 26)
    found = ask(then, date(2026, 6, 5), [by])
    assert found["deal", by].outcome == 1
    assert found["deal_lasting", by] == Outcome("deal_lasting", "", by, None)


def test_beyond_the_coding_only_what_has_come_is_decided(us_iran_now: Vintage) -> None:
    by = date(2026, 12, 4)
    found = ask(us_iran_now, date(2026, 6, 5), [by])
    decided = {event: found[event, by].outcome for event in EVENTS}
    assert decided == {
        **dict.fromkeys(EVENTS, 0),
        "deal": 1,
        "deal_limited": 1,
        "escalation": 1,
        "deal_before_escalation": 1,
        "deal_comprehensive": None,
        "deal_lasting": None,
    }


def test_every_friday_agrees_with_a_scan_of_the_coded_weeks(us_iran_now: Vintage) -> None:
    """Any step up among the weeks that follow, by looking at each; whatever the code of first passages does."""
    weeks = code_weeks(us_iran_now)
    ends = [day.astype(object) for day in weeks.ends]
    diplomacy, force = weeks.levels["diplomacy"], weeks.levels["force"]
    for t in range(60, len(ends) - 30, 7):
        found = ask(us_iran_now, ends[t], [ends[t + h] for h in (1, 4, 13, 26)])
        for h in (1, 4, 13, 26):
            ahead = range(t + 1, t + h + 1)
            deals = [k for k in ahead if diplomacy[k] > diplomacy[k - 1] and diplomacy[k] >= 2]
            wars = [k for k in ahead if force[k] > force[k - 1]]
            assert found["deal", ends[t + h]].outcome == bool(deals)
            assert found["escalation", ends[t + h]].outcome == bool(wars)
            first = "neither"
            if deals or wars:
                before = bool(deals) and (not wars or deals[0] < wars[0])
                first = "deal_before_escalation" if before else "escalation_before_deal"
            for event in ("deal_before_escalation", "escalation_before_deal", "neither"):
                assert found[event, ends[t + h]].outcome == (event == first)


# --- days inside weeks, on the small case ----------------------------------------------------------------------------


def asking(vintage: Vintage) -> Vintage:
    """The small case with every kind of question, and a letter that makes peace for good."""
    case = vintage.case
    questions = tuple(
        Question(id=e, event=e, label=e, definition=e, lasting_weeks=LASTING if e == "deal_lasting" else None)
        for e in EVENTS
    )
    peace = Hold(
        ladder="diplomacy",
        level="comprehensive_deal",
        opened_by=("letter",),
        closed_by=("pact_end",),
        reason="A letter seals it.",
    )
    updated: Case = case.model_copy(update={"questions": questions, "holds": (*case.holds, peace)})
    return replace(vintage, case=updated)


def known(tiny: TinyCase, when: str, *acts: Row) -> Vintage:
    return asking(tiny.vintage(when, ({"signal": "parley", "event_time": "2020-02-10"}, *acts)))


STRIKE = {"signal": "skirmish", "event_time": "2020-07-16"}  # a Thursday
MONDAY, WEDNESDAY, THURSDAY, FRIDAY = (date(2020, 7, d) for d in (13, 15, 16, 17))
ASKED = date(2020, 7, 10)  # the Friday before


def test_by_a_date_means_to_its_end(tiny_case: TinyCase) -> None:
    found = ask(known(tiny_case, "2020-12-04", STRIKE), ASKED, [WEDNESDAY, THURSDAY, FRIDAY])
    assert [found["escalation", day].outcome for day in (WEDNESDAY, THURSDAY, FRIDAY)] == [0, 1, 1]
    assert found["escalation", WEDNESDAY].public_at == end_of(FRIDAY)  # until then a step may still be dated earlier


def test_a_week_is_decided_when_it_is_over(tiny_case: TinyCase) -> None:
    early, whole = (known(tiny_case, when, STRIKE) for when in ("2020-07-16", "2020-07-17"))
    assert ask(early, ASKED, [THURSDAY])["escalation", THURSDAY].outcome is None
    assert ask(whole, ASKED, [THURSDAY])["escalation", THURSDAY].outcome == 1


def test_what_is_taken_back_within_its_week_counts_for_neither(tiny_case: TinyCase) -> None:
    truce = {"signal": "armistice", "event_time": "2020-07-16"}
    siege = {"signal": "siege_start", "event_time": "2020-05-01"}
    fought = known(tiny_case, "2020-12-04", siege, {**STRIKE, "event_time": "2020-07-14"}, truce)
    by = date(2020, 8, 7)
    assert ask(fought, ASKED, [by])["escalation", by].outcome == 0
    went_on = known(tiny_case, "2020-12-04", siege, {**STRIKE, "event_time": "2020-07-14"})
    assert ask(went_on, ASKED, [by])["escalation", by].outcome == 1


@pytest.mark.parametrize("asked", [MONDAY, date(2020, 7, 14), WEDNESDAY])
def test_weeks_end_on_friday_whatever_the_day_of_the_question(tiny_case: TinyCase, asked: date) -> None:
    """Fighting from Thursday to Sunday: seen on the Friday, though not seven days after the question."""
    over = {"signal": "armistice", "event_time": "2020-07-19"}
    found = ask(known(tiny_case, "2020-12-04", STRIKE, over), asked, [asked + timedelta(weeks=1)])
    assert found["escalation", asked + timedelta(weeks=1)].decided_on == THURSDAY


def test_what_happened_before_the_question_and_came_out_after_it_counts_for_neither(tiny_case: TinyCase) -> None:
    hidden = {"signal": "pact_start", "event_time": "2020-07-08", "published_at": "2020-07-15"}
    same_day = {**STRIKE, "event_time": "2020-07-10"}
    by = date(2020, 8, 7)
    found = ask(known(tiny_case, "2020-12-04", hidden, same_day), ASKED, [by])
    assert [found[e, by].outcome for e in ("deal", "escalation", "neither")] == [0, 0, 1]


def test_a_deal_and_an_escalation_of_one_week_count_as_escalation_from_the_earlier_day(tiny_case: TinyCase) -> None:
    pact = {"signal": "pact_start", "event_time": "2020-07-14", "published_at": "2020-07-17"}
    found = ask(known(tiny_case, "2020-12-04", STRIKE, pact), ASKED, [MONDAY, WEDNESDAY, FRIDAY])
    for day, outcomes in ((MONDAY, [0, 0, 1]), (WEDNESDAY, [0, 1, 0]), (FRIDAY, [0, 1, 0])):
        races = ("deal_before_escalation", "escalation_before_deal", "neither")
        assert [found[e, day].outcome for e in races] == outcomes
        assert found["first:escalation_first", day].outcome == outcomes[1]
    tie = found["escalation_before_deal", FRIDAY]
    assert tie.decided_on == date(2020, 7, 14)
    assert len(tie.settled_by) == 2
    assert found["deal", FRIDAY].public_at == end_of(FRIDAY)


@pytest.mark.parametrize("by", [WEDNESDAY, FRIDAY])
def test_of_a_deal_and_an_escalation_in_one_week_the_escalation_tells_what_came_first(
    tiny_case: TinyCase, by: date
) -> None:
    """A pact known on its Tuesday would have been first, had there been no fighting on the Thursday."""
    pact = {"signal": "pact_start", "event_time": "2020-07-14", "published_at": "2020-07-14"}
    found = ask(known(tiny_case, "2020-12-04", STRIKE, pact), ASKED, [by])
    assert found["deal", by].public_at == end_of(date(2020, 7, 14))
    for race in ("deal_before_escalation", "escalation_before_deal", "first:escalation_first"):
        assert found[race, by].public_at == end_of(THURSDAY)


def test_a_comprehensive_deal_is_none_of_the_limited_ones(tiny_case: TinyCase) -> None:
    letter = {"signal": "letter", "event_time": "2020-07-14"}
    found = ask(known(tiny_case, "2020-12-04", letter), ASKED, [FRIDAY])
    assert [found[e, FRIDAY].outcome for e in ("deal", "deal_limited", "deal_comprehensive")] == [1, 0, 1]
    assert found["first:comprehensive_first", FRIDAY].outcome == 1


def test_questions_of_the_future_are_refused(us_iran_at: Callable[[str], Vintage]) -> None:
    then = us_iran_at("2026-06-26")
    with pytest.raises(AsOfError, match="as of 2026-06-27: not to be had from what was known on 2026-06-26"):
        realised(then, as_of=date(2026, 6, 27), by=[date(2026, 12, 4)])
    with pytest.raises(AsOfError, match="deadline 2026-06-05: must lie after 2026-06-05"):
        realised(then, as_of=date(2026, 6, 5), by=[date(2026, 6, 5)])


# --- first passages --------------------------------------------------------------------------------------------------


def test_first_passages_of_june_2026(us_iran_now: Vintage) -> None:
    found = {p.question: p for p in first_passage_times(us_iran_now, as_of=date(2026, 6, 5))}
    assert "neither" not in found
    assert found["deal"].weeks == pytest.approx(12 / 7)
    assert found["escalation"].weeks == 3.0
    assert np.isinf([found[q].weeks for q in ("deal_comprehensive", "deal_lasting", "escalation_before_deal")]).all()
    assert {p.watched for p in found.values() if p.question != "deal_lasting"} == {18.0}
    assert found["deal_lasting"].watched == 10.0


def test_how_long_a_lasting_deal_is_watched_for_does_not_depend_on_whether_one_stands(
    us_iran_at: Callable[[str], Vintage],
) -> None:
    """As of 5 May 2023; the understanding of 10 August had lasted eight weeks on 6 October."""
    for when, weeks, watched in (("2023-08-04", np.inf, 5), ("2023-09-29", np.inf, 13), ("2023-10-06", 97 / 7, 14)):
        found = {p.question: p for p in first_passage_times(us_iran_at(when), as_of=date(2023, 5, 5))}
        assert found["deal_lasting"].weeks == pytest.approx(weeks)
        assert found["deal_lasting"].watched == watched
        assert found["deal"].watched == watched + 8
    short = {p.question: p for p in first_passage_times(us_iran_at("2023-08-04"), as_of=date(2023, 7, 28))}
    assert short["deal_lasting"].watched == 0


# --- what any outcome satisfies --------------------------------------------------------------------------------------

SIGNALS = ("parley", "storming_out", "pact_start", "pact_end", "letter", "skirmish", "armistice", "siege_start")
START = date(2020, 7, 4)
DAYS = st.integers(0, 90)
ACTS = st.lists(st.tuples(st.sampled_from(SIGNALS), DAYS), max_size=14, unique=True)


def acts_of(drawn: list[tuple[str, int]]) -> tuple[dict[str, Any], ...]:
    return tuple({"signal": s, "event_time": str(START + timedelta(days=d)), "side": "both"} for s, d in drawn)


@given(ACTS, st.integers(0, 40), st.lists(st.integers(1, 60), min_size=2, max_size=6, unique=True))
def test_outcomes_are_exclusive_nested_and_stay_what_they_are(
    new_tiny_case: Callable[[], TinyCase], drawn: list[tuple[str, int]], asked: int, ahead: list[int]
) -> None:
    tiny = new_tiny_case()
    as_of = START + timedelta(days=asked)
    deadlines = sorted(as_of + timedelta(days=d) for d in ahead)
    seen = [ask(known(tiny, when, *acts_of(drawn)), as_of, deadlines) for when in ("2020-08-26", "2020-12-04")]
    for found in seen:
        for by in deadlines:
            came = {event: found[event, by].outcome for event in EVENTS}
            races = [came[e] for e in ("deal_before_escalation", "escalation_before_deal", "neither")]
            firsts = [found[f"{FIRST}:{name}", by].outcome for name in OUTCOMES]
            assert races.count(None) in (0, 3)
            assert races.count(None) == 3 or sum(filter(None, races)) == 1
            assert firsts.count(None) == 4 if None in races else sum(filter(None, firsts)) == 1
            if None not in (came["deal_limited"], came["deal_comprehensive"]):
                assert came["deal"] == max(came["deal_limited"] or 0, came["deal_comprehensive"] or 0)
            if came["deal_lasting"]:
                assert came["deal"] == 1
            for event in EVENTS:
                _whole(found[event, by], as_of)
        for event in EVENTS:
            asked_by = [found[event, by].outcome for by in deadlines]
            series = [outcome for outcome in asked_by if outcome is not None]
            assert series == sorted(series, reverse=event == "neither")
    first, last = seen
    assert all(last[k].outcome is not None for k in last)
    changed = {k: (o, last[k]) for k, o in first.items() if o.outcome is not None and o != last[k]}
    assert not changed


def _whole(outcome: Outcome, as_of: date) -> None:
    """A decided outcome says when, and by what unless nothing came; an open one says nothing."""
    if outcome.outcome is None:
        assert (outcome.decided_on, outcome.public_at, outcome.settled_by) == (None, None, ())
        return
    assert outcome.decided_on is not None
    assert outcome.public_at is not None
    assert as_of < outcome.decided_on
    if not outcome.settled_by:
        assert outcome.decided_on == outcome.by
    elif outcome.question != "deal_lasting":
        assert outcome.decided_on <= outcome.by
