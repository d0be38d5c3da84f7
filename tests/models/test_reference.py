from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.models.moves import EPISODE_MOVES
from forecast.models.reference import EpisodeWeeks, episode_weeks, usable_episodes
from forecast.observations import Vintage, as_of
from tests.conftest import Row, TinyCase

NOW = "2021-06-25"
LIMITED = {"started_on": "1990-01-01", "ended_on": "1990-02-15", "outcome": "limited_deal"}  # 45 days: seven weeks
# Coefficients of ordinary size: base log rate a week, slope on duration and effect of mediation, by way of ending.
TYPICAL = {"limited": (-4.3, 0.4, 0.4), "comprehensive": (-6.0, 0.4, 0.4), "collapse": (-2.6, -0.3, -0.2)}


def laid_out(tiny: TinyCase, episodes: Sequence[Row], when: str = NOW) -> EpisodeWeeks:
    return episode_weeks(as_of(tiny.write(episodes=episodes), when))


def typical_log_rates(weeks: np.ndarray, mediated: np.ndarray) -> np.ndarray:
    """Log rates of the three ways to end [row, move]."""
    long = np.log(1 + weeks / 13)
    return np.stack([a + b * long + c * mediated for a, b, c in (TYPICAL[m] for m in EPISODE_MOVES)], axis=-1)


def single_weeks(vintage: Vintage) -> Iterator[tuple[float, bool, str, float, str]]:
    """Weight, mediation, ending, weeks at risk and dyad of every episode that may enter, by the rules on paper."""
    case = vintage.case
    ends_as = {"limited_deal": "limited", "comprehensive_deal": "comprehensive", "open": ""}
    rows: Iterable[Any] = vintage.episodes.itertuples()
    for e in rows:
        inside = pd.isna(e.ended_on) or e.ended_on.date() > case.grid_start
        if e.level == "round" or (e.dyad in case.dyads and inside):
            continue
        stop = vintage.day if pd.isna(e.ended_on) else e.ended_on.date()
        weeks = max(1, (stop - e.started_on.date()).days) / 7
        weight = case.reference_weights.get(e.reference_class, case.default_reference_weight)
        yield weight, e.mediator != "", ends_as.get(e.outcome, "collapse"), weeks, e.dyad


def gathered_log_likelihood(rows: EpisodeWeeks) -> float:
    eta = typical_log_rates(rows.weeks, rows.mediated)
    return float((rows.moves * eta).sum() - rows.weight @ np.exp(eta).sum(axis=1))


# --- what enters -----------------------------------------------------------------------------------------------------


def test_an_episode_is_at_risk_every_week_from_its_start_and_moves_in_the_last(tiny_case: TinyCase) -> None:
    rows = laid_out(tiny_case, [LIMITED])
    np.testing.assert_array_equal(rows.weeks, np.arange(7))
    np.testing.assert_allclose(rows.weight, [*[0.5] * 6, 0.5 * 3 / 7])  # six weeks and three days
    np.testing.assert_array_equal(rows.moves[:-1], 0)
    assert dict(zip(EPISODE_MOVES, rows.moves[-1], strict=True)) == {"limited": 0.5, "comprehensive": 0, "collapse": 0}
    assert rows.dyads == ("(own)", "Ruritania-Strelsau")
    assert (rows.dyad == 1).all()
    assert not rows.mediated.any()


@pytest.mark.parametrize(
    ("outcome", "move"),
    [
        ("limited_deal", "limited"),
        ("comprehensive_deal", "comprehensive"),
        ("inconclusive", "collapse"),
        ("escalation", "collapse"),
    ],
)
def test_failures_are_collapses_and_enter_like_deals(tiny_case: TinyCase, outcome: str, move: str) -> None:
    rows = laid_out(tiny_case, [{**LIMITED, "outcome": outcome, "mediator": "an abbot"}])
    assert rows.moves.sum() == rows.moves[-1, EPISODE_MOVES.index(move)] == 0.5
    assert rows.mediated.all()


def test_talks_that_end_on_the_day_they_start_were_at_risk_for_a_day(tiny_case: TinyCase) -> None:
    rows = laid_out(tiny_case, [{**LIMITED, "ended_on": LIMITED["started_on"]}])
    assert rows.weight.tolist() == pytest.approx([0.5 / 7])
    assert rows.moves.sum(axis=1).tolist() == [0.5]


def test_rounds_are_never_counted(tiny_case: TinyCase) -> None:
    parent = {**LIMITED, "id": "P"}
    rounds = [{**LIMITED, "id": f"R{k}", "level": "round", "parent": "P"} for k in range(3)]
    alone, together = laid_out(tiny_case, [parent]), laid_out(tiny_case, [parent, *rounds])
    np.testing.assert_array_equal(alone.weight, together.weight)
    np.testing.assert_array_equal(alone.moves, together.moves)


def test_own_episodes_count_before_the_grid_and_not_inside_it(tiny_case: TinyCase) -> None:
    own = {"dyad": "Freedonia-Sylvania"}
    before = {**own, "started_on": "2019-11-04", "ended_on": "2019-12-30", "outcome": "inconclusive"}
    across = {**own, "started_on": "2019-12-02", "ended_on": "2020-02-10", "outcome": "inconclusive"}
    inside = {**own, "started_on": "2020-08-03", "ended_on": "2020-08-20", "outcome": "limited_deal"}
    under_way = {**own, "started_on": "2021-05-01", "ended_on": "", "outcome": ""}
    rows = laid_out(tiny_case, [before, across, inside, under_way])
    assert rows.dyads == ("(own)",)
    assert rows.weight.sum() == 8 * 0.5
    np.testing.assert_array_equal(rows.moves.sum(axis=0), [0, 0, 0.5])


def test_a_secret_track_enters_once_it_is_public(tiny_case: TinyCase) -> None:
    secret = {"started_on": "2020-09-07", "ended_on": "2020-12-07", "published_at": "2021-02-01", "secret": "1"}
    track = {**secret, "outcome": "limited_deal"}
    assert laid_out(tiny_case, [LIMITED, track], "2021-01-29").moves[:, 0].sum() == 0.5
    assert laid_out(tiny_case, [LIMITED, track], "2021-02-05").moves[:, 0].sum() == 1.0


@pytest.mark.parametrize(("when", "weeks"), [("2021-01-01", 8.0), ("2021-06-25", 33.0), ("2021-12-17", 33.0)])
def test_talks_under_way_are_at_risk_and_have_made_no_move(tiny_case: TinyCase, when: str, weeks: float) -> None:
    """To the day that the case is coded to: after it, that nothing is said of them is no evidence."""
    ending = {"started_on": "2020-11-06", "ended_on": "2021-12-24", "outcome": "limited_deal"}
    rows = laid_out(tiny_case, [ending], when)
    assert rows.weight.sum() == weeks * 0.5
    assert not rows.moves.any()


def test_a_class_without_a_weight_gets_the_default(tiny_case: TinyCase) -> None:
    rows = laid_out(tiny_case, [LIMITED, {**LIMITED, "reference_class": "feuds", "started_on": "1990-02-12"}])
    np.testing.assert_allclose(rows.weight, [0.5 + 0.25 * 3 / 7, *[0.5] * 5, 0.5 * 3 / 7])
    np.testing.assert_array_equal(rows.moves[:, 0], [0.25, *[0] * 5, 0.5])


def test_a_case_without_usable_episodes_has_no_rows(tiny_case: TinyCase) -> None:
    rows = laid_out(tiny_case, [])
    assert (rows.n_rows, rows.dyads) == (0, ("(own)",))


def test_the_shipped_episodes_that_enter_are_those_of_the_rules(us_iran_now: Vintage) -> None:
    rows, expected = episode_weeks(us_iran_now), list(single_weeks(us_iran_now))
    assert len(usable_episodes(us_iran_now)) == len(expected)
    assert rows.weight.sum() == pytest.approx(sum(w * n for w, _, _, n, _ in expected))
    for j, move in enumerate(EPISODE_MOVES):
        assert rows.moves[:, j].sum() == pytest.approx(sum(w for w, _, ending, _, _ in expected if ending == move))
    others = {dyad for *_, dyad in expected} - set(us_iran_now.case.dyads)
    assert set(rows.dyads) == {"(own)", *others}
    for j, dyad in enumerate(rows.dyads[1:], start=1):
        assert rows.weight[rows.dyad == j].sum() == pytest.approx(sum(w * n for w, *_, n, d in expected if d == dyad))


# --- gathering into blocks -------------------------------------------------------------------------------------------


def test_blocks_of_weeks_say_the_same_as_single_weeks(us_iran_now: Vintage) -> None:
    total = 0.0
    for weight, mediated, ending, weeks, _ in single_weeks(us_iran_now):
        begun = np.arange(np.ceil(weeks))
        eta = typical_log_rates(begun, np.full(len(begun), mediated))
        moved = eta[-1, EPISODE_MOVES.index(ending)] if ending else 0.0
        total += weight * (moved - np.minimum(weeks - begun, 1.0) @ np.exp(eta).sum(axis=1))
    assert total < -100  # so that the tolerance is finer than half a percent
    assert gathered_log_likelihood(episode_weeks(us_iran_now)) == pytest.approx(total, abs=0.25)


def test_long_talks_are_gathered_at_their_mean_duration(tiny_case: TinyCase) -> None:
    weeks = 130  # fills its last block
    start = date(1990, 1, 1)
    rows = laid_out(tiny_case, [{**LIMITED, "ended_on": f"{start + timedelta(weeks=weeks)}"}])
    np.testing.assert_array_equal(rows.weeks[:8], np.arange(8))
    assert rows.n_rows < weeks / 3
    assert rows.weight.sum() == 0.5 * weeks
    assert np.average(rows.weeks, weights=rows.weight) == np.arange(weeks).mean()
    np.testing.assert_array_equal(rows.moves[:, 0], [*[0] * (rows.n_rows - 1), 0.5])
