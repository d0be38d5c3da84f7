import numpy as np
import pytest

from forecast.errors import ScoreError
from forecast.evaluation.comparison import biggest_misses, compare, pair, paired_difference
from forecast.evaluation.summary import ordered_rows
from forecast.evaluation.table import score_rows
from tests.evaluation.given import checked, stream, table

P = {"R1": [0.1, 0.2, 0.6, 0.3], "R3": [0.3, 0.3, 0.3, 0.9], "R4": [0.5] * 4}
Y: list[float | None] = [0, 0, 1, 1]


def test_pairs_are_differences_on_the_same_questions() -> None:
    rows = score_rows(table(P, Y))
    found = pair(rows, "R1", "R3", score="brier")
    np.testing.assert_allclose(found["difference"], [0.01 - 0.09, 0.04 - 0.09, 0.16 - 0.49, 0.49 - 0.01])
    np.testing.assert_allclose(pair(rows, "R3", "R1", score="brier")["difference"], -found["difference"])
    assert found["forecasts"].tolist() == [1, 1, 1, 1]


def test_origins_of_one_question_are_averaged_by_band_of_lead() -> None:
    """Weekly forecasts over a year: the question counts once in each band."""
    rng = np.random.default_rng(1)
    a, b = rng.random(52), rng.random(52)
    rows = score_rows(checked(stream(a.tolist(), 1), stream(b.tolist(), 1, forecaster="R3")))
    found = pair(rows, "R1", "R3", score="brier").set_index("band")
    assert found["forecasts"].to_dict() == {"0-2": 2, "2-6": 4, "6-13": 7, "13-26": 13, "26-52": 26}
    wanted = ((1 - a[:26]) ** 2 - (1 - b[:26]) ** 2).mean()
    assert found.loc["26-52", "difference"] == pytest.approx(wanted)


def test_the_plain_answer_by_hand() -> None:
    found = paired_difference(pair(score_rows(table(P, Y, clusters=["a", "a", "b", "b"])), "R1", "R4", score="brier"))
    assert found.mean == pytest.approx(np.mean([0.01, 0.04, 0.16, 0.49]) - 0.25)
    assert (found.n, found.clusters) == (4, 2)
    assert [found.lower, found.upper] == pytest.approx([0.025 - 0.25, 0.325 - 0.25])


def test_ordered_outcomes_are_compared_by_rps() -> None:
    races = ("escalation_before_deal", "neither", "deal_before_escalation")
    parts = [
        table({"R1": [p, p], "R3": [q, q]}, y, question=question)
        for question, p, q, y in (
            (races[0], 0.6, 0.2, [1.0, 0.0]),
            (races[1], 0.3, 0.3, [0.0, 1.0]),
            (races[2], 0.1, 0.5, [0.0, 0.0]),
        )
    ]
    found = pair(ordered_rows(checked(*parts), outcomes=races), "R1", "R3", score="rps")
    np.testing.assert_allclose(found["difference"], [0.085 - 0.445, 0.185 - 0.145])


@pytest.mark.parametrize(
    ("a", "b", "score", "words"),
    [
        ("R1", "R9", "log", "forecaster 'R9'"),
        ("R1", "R1", "log", "two forecasters"),
        ("R1", "R3", "probability", "one of brier, rps, log"),
        ("R1", "R3", "rps", "one of brier, rps, log"),
    ],
)
def test_what_cannot_be_paired_is_refused(a: str, b: str, score: str, words: str) -> None:
    with pytest.raises(ScoreError, match=words):
        pair(score_rows(table(P, Y)), a, b, score=score)


def test_unequal_questions_are_refused() -> None:
    rows = table(P, Y).drop(index=[0])
    with pytest.raises(ScoreError, match="R1 lacks 1 of 4"):
        compare(rows, "R1", "R3")


def test_one_event_cannot_tell_forecasters_apart() -> None:
    with pytest.raises(ScoreError, match="one event, tiny/a, settles every question"):
        compare(table(P, Y, clusters=["a"] * 4), "R1", "R3")


def test_the_biggest_misses_come_first_with_what_settled_them() -> None:
    found = biggest_misses(table(P, Y), n=3)
    assert found["forecaster"].tolist() == ["R3", "R1", "R4"]
    assert found["log"].tolist() == pytest.approx(-np.log([0.3, 0.3, 0.5]))
    first = found.iloc[1]
    assert (first["cluster"], first["outcome"], first["probability"]) == ("event:3", 1.0, 0.3)
    assert str(first["origin"].date()) == "2024-03-29"
    assert biggest_misses(table(P, Y), forecaster="R4", n=9)["forecaster"].tolist() == ["R4"] * 4
    with pytest.raises(ScoreError, match="log or brier"):
        biggest_misses(table(P, Y), score="rps")


def test_a_question_missed_again_and_again_is_one_miss() -> None:
    found = biggest_misses(checked(stream([0.1, 0.02, 0.3], 1), stream([0.2], 1, name="escalation")))
    assert found["question"].tolist() == ["deal", "escalation"]
    assert found["probability"].tolist() == [0.02, 0.2]
    assert found["forecasts"].tolist() == [3, 1]


@pytest.mark.slow
def test_a_comparison_carries_both_answers_and_repeats() -> None:
    rng = np.random.default_rng(5)
    truth = rng.beta(1, 3, 60)
    y = (rng.random(60) < truth).astype(float).tolist()
    ps = {"R1": truth.tolist(), "base_rate": [float(np.mean(y))] * 60}
    rows = table(ps, y, clusters=[f"event:{k // 2}" for k in range(60)])
    found = compare(rows, "R1", "base_rate")
    assert found.hierarchical.r_hat < 1.02
    assert found.hierarchical.lower < found.paired.mean < found.hierarchical.upper
    assert found == compare(rows, "R1", "base_rate")
    swapped = compare(rows, "base_rate", "R1")
    assert swapped.paired.mean == pytest.approx(-found.paired.mean)
    assert swapped.hierarchical.p_a_better == pytest.approx(1 - found.hierarchical.p_a_better, abs=0.03)
