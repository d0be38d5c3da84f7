import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecast.case import Question
from forecast.models import History, get_rung
from forecast.outlook.outlook import OUTCOMES, classify
from forecast.outlook.paths import NEVER, Paths, first_passages, first_step_up, occurred_by, simulate
from tests.models.given import drawn, real_history

WEEKS = 6


def levels(top: int) -> st.SearchStrategy[np.ndarray]:
    """Levels of one draw's five paths over six weeks [week, draw, path], the same for all in week 0."""
    walk = arrays(np.int8, (WEEKS + 1, 1, 5), elements=st.integers(0, top))
    return walk.map(lambda w: np.concatenate([np.full_like(w[:1], w[0, 0, 0]), w[1:]]))


PATHS = st.builds(lambda d, f: Paths(d, f, 1, 1), levels(3), levels(2))


def question(event: str, **more: Any) -> Question:
    return Question(id=event, event=event, label=event, definition=event, **more)


def ladder(*paths: list[int]) -> np.ndarray:
    """Lay paths out as [week, draw, path]."""
    return np.array(paths, dtype=np.int8).T[:, None, :]


def scan(series: list[int], to: int, until: int = 9) -> int:
    """First week of a step up to between two levels, by looking at every week."""
    for week in range(1, len(series)):
        if series[week] > series[week - 1] and to <= series[week] <= until:
            return week
    return int(NEVER)


# --- first passages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "to", "week"),
    [
        ([0, 1, 2, 0], 2, 2),
        ([2, 2, 2, 2], 2, NEVER),  # in force already: nothing is reached
        ([2, 0, 2, 2], 2, 2),  # lapsed and made anew
        ([3, 2, 1, 0], 2, NEVER),  # a step down is no deal
        ([2, 3, 3, 3], 2, 1),
        ([0, 0, 0, 0], 2, NEVER),
        ([2, 1, 1, 2], 0, 3),
    ],
)
def test_a_passage_is_a_step_up(path: list[int], to: int, week: int) -> None:
    assert first_step_up(ladder(path), to)[0, 0] == week


@given(PATHS)
def test_passages_are_found_as_by_looking_at_every_week(paths: Paths) -> None:
    for k in range(5):
        d, f = paths.diplomacy[:, 0, k].tolist(), paths.force[:, 0, k].tolist()
        deal, escalation = scan(d, 2), scan(f, 0)
        expected = {
            "deal": deal,
            "deal_limited": scan(d, 2, 2),
            "deal_comprehensive": scan(d, 3),
            "escalation": escalation,
            "deal_before_escalation": deal if deal < escalation else NEVER,
            "escalation_before_deal": escalation if escalation <= deal else NEVER,
            "neither": min(deal, escalation),
        }
        assert {e: int(first_passages(paths, question(e))[0, k]) for e in expected} == expected


@pytest.mark.parametrize(
    ("path", "week"),
    [
        ([0, 2, 2, 2, 2, 2, 0], 1),
        ([0, 2, 2, 0, 0, 0, 0], NEVER),  # one week short
        ([0, 2, 3, 2, 0, 0, 0], 1),  # some deal stays in force
        ([0, 2, 0, 2, 2, 2, 0], 3),  # the second one lasts
        ([0, 0, 0, 0, 2, 2, 2], 4),
        ([0, 0, 0, 0, 0, 2, 2], NEVER),  # the paths end too early to tell
        ([2, 2, 2, 2, 2, 2, 2], NEVER),  # no step
        ([2, 2, 3, 3, 3, 0, 0], 2),
    ],
)
def test_a_deal_lasts_if_one_is_in_force_in_each_of_the_weeks_that_follow(path: list[int], week: int) -> None:
    diplomacy = ladder(path)
    paths = Paths(diplomacy, np.zeros_like(diplomacy), 1, 1)
    assert first_passages(paths, question("deal_lasting", lasting_weeks=2))[0, 0] == week


@given(PATHS)
def test_a_lasting_deal_is_a_deal_and_a_longer_one_a_shorter_one(paths: Paths) -> None:
    deal = first_passages(paths, question("deal"))
    one, two = (first_passages(paths, question("deal_lasting", lasting_weeks=w)) for w in (1, 2))
    assert (deal <= one).all()
    assert (one <= two).all()


def test_a_tie_counts_as_escalation() -> None:
    tie = Paths(ladder([0, 0, 2]), ladder([0, 0, 1]), 1, 1)
    assert first_passages(tie, question("deal_before_escalation"))[0, 0] == NEVER
    assert first_passages(tie, question("escalation_before_deal"))[0, 0] == 2
    assert OUTCOMES[classify(tie, 2)[0, 0]] == "escalation_first"


# --- dates -----------------------------------------------------------------------------------------------------------


@given(PATHS, st.lists(st.floats(0, WEEKS), min_size=2, max_size=6))
def test_later_dates_are_no_less_likely_and_neither_no_more(paths: Paths, dates: list[float]) -> None:
    for event in ("deal", "escalation", "deal_before_escalation", "escalation_before_deal", "neither"):
        asked = question(event)
        came = [occurred_by(asked, first_passages(paths, asked), week) for week in sorted(dates)]
        for earlier, later in itertools.pairwise(came):
            assert (later <= earlier if event == "neither" else earlier <= later).all(), event


@given(PATHS, st.floats(0, WEEKS))
def test_what_comes_first_sums_to_one_at_any_date(paths: Paths, weeks: float) -> None:
    total = np.zeros((1, 5), dtype=int)
    for event in ("deal_before_escalation", "escalation_before_deal", "neither"):
        total += occurred_by(question(event), first_passages(paths, question(event)), weeks)
    assert (total == 1).all()


def test_at_a_whole_week_an_event_of_that_week_has_come() -> None:
    passage = np.array([[1, 2, 3, NEVER]], dtype=np.int16)
    for weeks, came in ((0, [0, 0, 0, 0]), (1, [1, 0, 0, 0]), (2, [1, 1, 0, 0]), (52, [1, 1, 1, 0])):
        np.testing.assert_array_equal(occurred_by(question("deal"), passage, weeks)[0], came)


@pytest.mark.parametrize("share", [1 / 7, 3 / 7, 0.5, 6 / 7])
def test_within_a_week_events_are_spread_evenly(share: float) -> None:
    passage = np.full((1, 700), 3, dtype=np.int16)
    assert occurred_by(question("deal"), passage, 2 + share).mean() == pytest.approx(share, abs=1 / 700)


# --- exclusive outcomes ----------------------------------------------------------------------------------------------


@given(PATHS, st.integers(0, WEEKS))
def test_outcomes_agree_with_the_questions(paths: Paths, weeks: int) -> None:
    found = classify(paths, weeks)
    came = {
        event: occurred_by(question(event), first_passages(paths, question(event)), weeks)
        for event in (
            "deal_before_escalation",
            "escalation_before_deal",
            "neither",
            "deal_limited",
            "deal_comprehensive",
        )
    }
    limited, comprehensive = (found == OUTCOMES.index(f"{kind}_first") for kind in ("limited", "comprehensive"))
    np.testing.assert_array_equal(limited | comprehensive, came["deal_before_escalation"])
    np.testing.assert_array_equal(found == OUTCOMES.index("escalation_first"), came["escalation_before_deal"])
    np.testing.assert_array_equal(found == OUTCOMES.index("neither"), came["neither"])
    assert (limited <= came["deal_limited"]).all()
    assert (comprehensive <= came["deal_comprehensive"]).all()


@given(PATHS, st.integers(0, WEEKS))
def test_a_deal_is_a_limited_or_a_comprehensive_one(paths: Paths, weeks: int) -> None:
    of = {e: first_passages(paths, question(e)) for e in ("deal", "deal_limited", "deal_comprehensive")}
    np.testing.assert_array_equal(of["deal"], np.minimum(of["deal_limited"], of["deal_comprehensive"]))
    came = {e: occurred_by(question(e), passage, weeks) for e, passage in of.items()}
    np.testing.assert_array_equal(came["deal"], came["deal_limited"] | came["deal_comprehensive"])


# --- simulation ------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_paths_and_another_one_others(history: History) -> None:
    draws = drawn("R3", history, draws=10)
    first, again, other = (
        simulate(get_rung("R3"), draws, history.origin, weeks=12, paths=6, seed=seed) for seed in (1, 1, 2)
    )
    assert first.diplomacy.shape == first.force.shape == (13, 20, 6)
    assert (first.weeks, first.chains, first.draws) == (12, 2, 10)
    np.testing.assert_array_equal(first.diplomacy, again.diplomacy)
    np.testing.assert_array_equal(first.force, again.force)
    assert (first.force != other.force).any()


def test_paths_start_at_the_as_of_day_with_the_silent_days_behind_them() -> None:
    """Days between the last coded day and the as-of day are simulated, but what came in them is not counted."""
    late = real_history("2026-11-20")
    assert late.origin.lead_steps == 6
    rung, draws = get_rung("R1"), drawn("R1", late, draws=40)
    paths = simulate(rung, draws, late.origin, weeks=4, paths=50, seed=1)
    moved = (paths.diplomacy[0] != late.origin.diplomacy) | (paths.force[0] != late.origin.force)
    assert 0.2 < moved.mean() < 0.95
    frozen = draws.assign(base=draws["base"] - 50.0)
    still = simulate(rung, frozen, late.origin, weeks=4, paths=5, seed=1)
    assert (still.diplomacy == late.origin.diplomacy).all()
    assert (still.force == late.origin.force).all()
