import itertools
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecast.errors import AsOfError
from forecast.models import History
from forecast.outlook import Outlook, build_outlook, plan_weeks_for
from forecast.outlook.outlook import OUTCOMES
from tests.models.given import made_up_fit, real_history
from tests.outlook.conftest import BY

HORIZONS = (4, 13, 26, 52)


def test_a_date_asked_for_twice_is_answered_once() -> None:
    day = date(2026, 12, 31)  # in a report definition and on the command line, say
    answers = build_outlook(made_up_fit("R0", real_history()), by=(day, day)).answers
    assert sum(a.by == day for a in answers if a.question.id == "deal") == 1


def test_a_date_that_is_a_horizons_day_is_answered_as_that_horizon(history: History) -> None:
    fit = made_up_fit("R0", history)
    plain = build_outlook(fit, by=(date(2026, 12, 31),))
    found = build_outlook(fit, by=(history.origin.as_of + timedelta(weeks=13), date(2026, 12, 31)))
    assert found.answers == plain.answers
    assert found.answer("deal", 13).by == date(2026, 7, 14)


def test_every_question_is_answered_at_every_horizon_and_date(outlook: Outlook, history: History) -> None:
    asked = {(q.id, by) for q in history.case.questions for by in (*_horizon_days(history), *BY)}
    assert {(a.question.id, a.by) for a in outlook.answers} == asked
    assert len(outlook.answers) == len(asked)


def _horizon_days(history: History) -> list[date]:
    return [history.origin.as_of + timedelta(weeks=w) for w in HORIZONS]


def test_an_answer_is_the_share_of_paths_on_which_its_event_has_come(outlook: Outlook) -> None:
    levels = outlook.paths.force
    for weeks in HORIZONS:
        up = (np.diff(levels[: weeks + 1], axis=0) > 0).any(axis=0)
        assert outlook.answer("escalation", weeks).probability.mean == pytest.approx(up.mean())
        climbed = np.diff(outlook.paths.diplomacy[: weeks + 1], axis=0) > 0
        deal = (climbed & (outlook.paths.diplomacy[1 : weeks + 1] >= 2)).any(axis=0)
        assert outlook.answer("deal", weeks).probability.mean == pytest.approx(deal.mean())


def test_answers_do_not_contradict_each_other(outlook: Outlook, base_rate: Outlook) -> None:
    for found in (outlook, base_rate):
        by_weeks: dict[float, dict[str, float]] = {}
        for a in found.answers:
            by_weeks.setdefault(a.weeks, {})[a.question.id] = a.probability.mean
        ordered = [by_weeks[w] for w in sorted(by_weeks)]
        for p in ordered:
            assert p["deal_before_escalation"] + p["escalation_before_deal"] + p["neither"] == pytest.approx(1)
            assert max(p["deal_limited"], p["deal_comprehensive"]) <= p["deal"]
            assert p["deal"] <= p["deal_limited"] + p["deal_comprehensive"] + 1e-12
            assert p["deal_lasting"] <= p["deal"]
            assert p["deal_before_escalation"] <= p["deal"]
        for earlier, later in itertools.pairwise(ordered):
            for event, before in earlier.items():
                assert before >= later[event] if event == "neither" else before <= later[event], event


def test_every_probability_has_its_uncertainties(outlook: Outlook) -> None:
    for a in outlook.answers:
        p = a.probability
        assert 0 <= p.lower <= p.mean <= p.upper <= 1, a
        assert 0 <= p.mcse < 0.05
        assert np.isfinite([p.r_hat, p.ess]).all()


def test_a_date_inside_a_week_lies_between_its_ends(outlook: Outlook) -> None:
    curve = outlook.curve("escalation", 12)["mean"]
    three_days = next(a for a in outlook.answers if a.question.id == "escalation" and a.by == BY[0])
    assert three_days.weeks == pytest.approx(3 / 7)
    assert three_days.horizon_weeks is None
    assert 0 < three_days.probability.mean < curve[1]
    assert three_days.probability.mean == pytest.approx(3 / 7 * curve[1], abs=4 * three_days.probability.mcse)


def test_curves_pass_through_the_answers_and_only_rise(outlook: Outlook) -> None:
    for event in ("deal", "escalation", "deal_comprehensive"):
        curve = outlook.curve(event, 52)
        assert {len(series) for series in curve.values()} == {53}
        assert curve["mean"][0] == 0
        assert (np.diff(curve["mean"]) >= 0).all()
        assert ((curve["lower"] <= curve["mean"]) & (curve["mean"] <= curve["upper"])).all()
        for weeks in HORIZONS:
            p = outlook.answer(event, weeks).probability
            assert [curve[k][weeks] for k in ("mean", "lower", "upper")] == pytest.approx([p.mean, p.lower, p.upper])


def test_outcomes_are_exclusive_and_sum_to_one(outlook: Outlook) -> None:
    for weeks in HORIZONS:
        found = {name: p.mean for name, p in outlook.outcomes(weeks).items()}
        assert tuple(found) == OUTCOMES
        assert sum(found.values()) == pytest.approx(1)
        assert found["neither"] == pytest.approx(outlook.answer("neither", weeks).probability.mean)
        deals = found["limited_first"] + found["comprehensive_first"]
        assert deals == pytest.approx(outlook.answer("deal_before_escalation", weeks).probability.mean)


def test_every_path_is_somewhere_on_each_ladder(outlook: Outlook, base_rate: Outlook) -> None:
    for found in (outlook, base_rate):
        for ladder, levels in (("diplomacy", 4), ("force", 3)):
            share = found.occupancy(ladder)
            assert share.shape == (found.paths.weeks + 1, levels)
            np.testing.assert_allclose(share.sum(axis=1), 1)
    assert outlook.occupancy("diplomacy")[0, outlook.origin.diplomacy] == 1


def test_the_table_repeats_the_answers(outlook: Outlook) -> None:
    table = outlook.table()
    assert len(table) == len(outlook.answers)
    row = table[(table["question"] == "deal") & (table["weeks"] == 13)].iloc[0]
    p = outlook.answer("deal", 13).probability
    assert (row["probability"], row["mcse"], row["lower"], row["upper"]) == (p.mean, p.mcse, p.lower, p.upper)
    assert row["by"] == date(2026, 7, 14)


def test_an_answer_that_was_not_asked_for_is_an_error(outlook: Outlook) -> None:
    with pytest.raises(KeyError):
        outlook.answer("deal", 5)


def test_the_same_fit_gives_the_same_outlook(outlook: Outlook) -> None:
    assert build_outlook(outlook.fit, by=BY).answers == outlook.answers


def test_the_gate_sees_parameters_and_probabilities(history: History) -> None:
    fit = made_up_fit("R0", history, chains=4, draws=300)
    found = build_outlook(fit)
    assert [check.name for check in found.checks] == [
        *("r_hat", "ess_bulk", "ess_tail", "divergences", "e_bfmi"),
        *("probability_r_hat", "probability_ess"),
    ]
    assert found.gate == "pass", found.checks
    diverging = fit.sample_stats["diverging"] | True
    broken = replace(fit, sample_stats=fit.sample_stats.assign(diverging=diverging))
    assert build_outlook(broken).gate == "fail"


def test_a_base_rate_does_not_tell_how_long_a_deal_lasts(base_rate: Outlook) -> None:
    for weeks in HORIZONS:
        deal, lasting = (base_rate.answer(q, weeks).probability.mean for q in ("deal", "deal_lasting"))
        assert deal == lasting


@pytest.mark.parametrize("day", [date(2026, 4, 14), date(2026, 4, 1), date(2028, 4, 12)])
def test_a_date_that_cannot_be_forecast_is_refused(history: History, day: date) -> None:
    with pytest.raises(AsOfError, match=f"--by {day}"):
        build_outlook(made_up_fit("R0", history), by=(day,))


@pytest.mark.parametrize(
    ("by", "weeks"), [((), 60), ((date(2026, 5, 1),), 60), ((date(2027, 4, 14),), 61), ((date(2028, 4, 11),), 112)]
)
def test_the_plan_reaches_the_last_date_and_the_weeks_that_a_deal_must_last(by: tuple[date, ...], weeks: int) -> None:
    assert plan_weeks_for(HORIZONS, 8, date(2026, 4, 14), by) == weeks
