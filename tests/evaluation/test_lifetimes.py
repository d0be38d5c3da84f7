from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ScoreError
from forecast.evaluation.lifetimes import average_over_time, standing_at, time_average
from tests.evaluation.given import START, checked, stream

DAY = pd.Timedelta(days=1)


def test_the_last_forecast_is_carried_forward() -> None:
    """Two days at 0.1, seven at 0.4, one at 0.9."""
    issued = [START, START + 2 * DAY, START + 9 * DAY]
    found = time_average(issued, [0.1, 0.4, 0.9], end=START + 10 * DAY)
    assert found == pytest.approx((2 * 0.1 + 7 * 0.4 + 0.9) / 10)


def test_it_is_the_mean_of_daily_scores_where_forecasts_come_by_the_day() -> None:
    """What the Good Judgment Project averaged: one score a day, yesterday's where there was no new forecast."""
    rng = np.random.default_rng(1)
    days = np.sort(rng.choice(np.arange(1, 60), 7, replace=False))
    days = np.concatenate([[0], days])
    scores = rng.random(8)
    daily = scores[np.searchsorted(days, np.arange(60), side="right") - 1]
    found = time_average([START + int(d) * DAY for d in days], scores, end=START + 60 * DAY)
    assert found == pytest.approx(daily.mean())


def test_a_later_start_counts_what_stood_then() -> None:
    issued = [START, START + 2 * DAY]
    found = time_average(issued, [0.1, 0.4], start=START + DAY, end=START + 4 * DAY)
    assert found == pytest.approx((0.1 + 2 * 0.4) / 3)
    assert time_average(issued, [0.1, 0.4], start=START + 3 * DAY, end=START + 4 * DAY) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("days", "scores", "start", "end", "words"),
    [
        ([], [], 0, 1, "at least one"),
        ([0, 1], [0.1], 0, 2, "a score for each"),
        ([0], [float("nan")], 0, 2, "a score for each"),
        ([1, 0], [0.1, 0.2], 1, 2, "must increase"),
        ([0, 0], [0.1, 0.2], 0, 2, "must increase"),
        ([0, 2], [0.1, 0.2], 0, 2, "cannot be averaged"),
        ([1], [0.1], 0, 2, "cannot be averaged"),
        ([0], [0.1], 2, 2, "cannot be averaged"),
    ],
)
def test_what_cannot_be_averaged_is_refused(
    days: list[int], scores: list[float], start: int, end: int, words: str
) -> None:
    with pytest.raises(ScoreError, match=words):
        time_average([START + d * DAY for d in days], scores, start=START + start * DAY, end=START + end * DAY)


def test_a_question_that_resolves_early_is_averaged_to_that_day_and_from_when_all_had_spoken() -> None:
    settled = START.date() + timedelta(days=21)
    first = stream([0.2, 0.4, 0.8], 1, settled=settled)
    late = stream([0.5, 0.6], 1, settled=settled, forecaster="market").assign(
        origin=lambda r: r["origin"] + pd.Timedelta(days=10)
    )
    found = average_over_time(checked(first, late)).set_index("forecaster")
    assert (found["start"] == START + pd.Timedelta(days=10)).all()
    assert (found["end"] == START + pd.Timedelta(days=21)).all()
    assert found.loc["R1", "brier"] == pytest.approx((4 * 0.36 + 7 * 0.04) / 11)
    assert found.loc["market", "brier"] == pytest.approx((7 * 0.25 + 4 * 0.16) / 11)
    assert found["forecasts"].to_dict() == {"R1": 2, "market": 2}


def test_an_unsettled_question_has_no_average_yet() -> None:
    both = checked(stream([0.2, 0.4], 0), stream([0.2, 0.4], None, name="escalation"))
    assert average_over_time(both)["question"].tolist() == ["deal"]


def test_the_forecast_that_stood_at_a_lead_is_the_last_one_issued_by_then() -> None:
    rows = checked(stream([0.1, 0.2, 0.3, 0.4], 0, every_days=91))
    assert standing_at(rows, lead_weeks=52)["probability"].tolist() == [0.1]
    assert standing_at(rows, lead_weeks=39)["probability"].tolist() == [0.2]
    assert standing_at(rows, lead_weeks=38.9)["probability"].tolist() == [0.2]
    assert standing_at(rows, lead_weeks=4)["probability"].tolist() == [0.4]
    assert standing_at(rows, lead_weeks=53).empty
    with pytest.raises(ScoreError, match="lead_weeks"):
        standing_at(rows, lead_weeks=-1)


def test_nothing_stands_once_the_question_is_settled() -> None:
    settled = date(2024, 6, 1)
    rows = checked(stream([0.1, 0.2], 1, settled=settled), stream([0.3, 0.4], None, name="escalation"))
    assert standing_at(rows, lead_weeks=40)["question"].tolist() == ["deal", "escalation"]
    assert standing_at(rows, lead_weeks=13)["question"].tolist() == ["escalation"]
