import numpy as np
import pandas as pd
import pytest

from forecast.errors import ScoreError
from forecast.evaluation.comparison import (
    SCALES,
    HierarchicalDifference,
    biggest_misses,
    compare,
    hierarchical_difference,
    pair,
    paired_difference,
)
from forecast.evaluation.summary import ordered_rows
from forecast.evaluation.table import score_rows
from tests.evaluation.given import checked, stream, table

P = {"R1": [0.1, 0.2, 0.6, 0.3], "R3": [0.3, 0.3, 0.3, 0.9], "R4": [0.5] * 4}
Y: list[float | None] = [0, 0, 1, 1]


def planted(rng: np.random.Generator, mean: float, *, groups: int = 25, size: int = 8) -> pd.DataFrame:
    """Differences about a mean, with events and leads of their own and heavy tails."""
    cluster = np.repeat(np.arange(groups), size)
    band = np.tile(["2-6", "6-13", "13-26", "26-52"], groups * size // 4)
    by_band = dict(zip(["2-6", "6-13", "13-26", "26-52"], rng.normal(0, 0.02, 4), strict=True))
    by_band = {b: v - np.mean(list(by_band.values())) for b, v in by_band.items()}
    noise = 0.08 * rng.standard_t(5, len(cluster))
    values = mean + rng.normal(0, 0.1, groups)[cluster] + np.array([by_band[b] for b in band]) + noise
    ids = [f"event:{c}" for c in cluster]
    return pd.DataFrame({"case": "tiny", "cluster": ids, "band": band, "difference": values})


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
    parts = [
        table({"R1": [p, p], "R3": [q, q]}, y, question=question)
        for question, p, q, y in (
            ("escalation_before_deal", 0.6, 0.2, [1.0, 0.0]),
            ("neither", 0.3, 0.3, [0.0, 1.0]),
            ("deal_before_escalation", 0.1, 0.5, [0.0, 0.0]),
        )
    ]
    found = pair(ordered_rows(checked(*parts)), "R1", "R3", score="rps")
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


def history(rng: np.random.Generator, *, groups: int = 24, size: int = 10) -> tuple[pd.DataFrame, float]:
    """Rare events that settle ten questions each; forecaster B is biased. Differences, and their expectation."""
    event = np.repeat(np.arange(groups), size)
    truth = 1 / (1 + np.exp(1.5 - 0.8 * rng.standard_normal(groups)))
    came = rng.random(groups) < truth
    logit = np.log(truth / (1 - truth))
    errors = 0.3 * rng.standard_normal((2, groups))[:, event] + 0.2 * rng.standard_normal((2, groups * size))
    p = 1 / (1 + np.exp(-(logit[event] + errors + np.array([[0.0], [0.7]]))))
    yes, no = -np.log(p[0] / p[1]), -np.log((1 - p[0]) / (1 - p[1]))
    band = rng.choice(["2-6", "6-13", "13-26", "26-52"], len(event))
    ids = [f"event:{e}" for e in event]
    rows = {"case": "tiny", "cluster": ids, "band": band, "difference": np.where(came[event], yes, no)}
    return pd.DataFrame(rows), float((truth[event] * yes + (1 - truth[event]) * no).mean())


def sound(found: HierarchicalDifference) -> bool:
    return found.r_hat < 1.01 and found.ess > 400 and found.divergences < 20


@pytest.mark.slow
def test_a_planted_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(2)
    better = hierarchical_difference(planted(rng, -0.12), scale=SCALES["log"])
    assert sound(better)
    assert better.lower < -0.12 < better.upper < 0
    assert better.p_a_better > 0.99
    assert better.between_clusters == pytest.approx(0.1, abs=0.04)
    same = hierarchical_difference(planted(rng, 0.0), scale=SCALES["log"])
    assert sound(same)
    assert same.lower < 0 < same.upper
    assert 0.02 < same.p_a_better < 0.98


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_nine_times_in_ten() -> None:
    """Log scores of binary questions: differences are skewed, and the model is not theirs."""
    rng = np.random.default_rng(3)
    true = np.mean([history(rng)[1] for _ in range(3000)])
    found = [hierarchical_difference(history(rng)[0], scale=SCALES["log"], seed=k) for k in range(30)]
    assert np.mean([f.lower < true < f.upper for f in found]) >= 0.8
    assert np.mean([f.mean for f in found]) == pytest.approx(true, abs=0.03)
    assert all(f.r_hat < 1.02 for f in found)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 8])
def test_where_events_do_not_matter_it_is_the_mean_of_independent_differences(size: int) -> None:
    """Of one question each, or of eight that have nothing in common: the error of the mean by the plain formula."""
    rng = np.random.default_rng(6)
    rows = planted(rng, 0.0, groups=80 // size, size=size)
    rows["difference"] = 0.03 + 0.1 * rng.standard_normal(80)
    found = hierarchical_difference(rows, scale=0.3)
    assert sound(found)
    error = rows["difference"].std(ddof=1) / np.sqrt(80)
    assert found.mean == pytest.approx(rows["difference"].mean(), abs=0.5 * error)
    assert found.upper - found.lower == pytest.approx(2 * 1.66 * error, rel=0.35)


@pytest.mark.slow
def test_many_balanced_events_give_what_analysis_of_variance_gives() -> None:
    """Where the prior hardly matters: mean and t interval of the clusters' means."""
    rng = np.random.default_rng(4)
    rows = planted(rng, -0.08, groups=60)
    means = rows.groupby("cluster")["difference"].mean()
    error = means.std(ddof=1) / np.sqrt(60)
    found = hierarchical_difference(rows, scale=0.3)
    assert found.mean == pytest.approx(means.mean(), abs=0.5 * error)
    assert found.upper - found.lower == pytest.approx(2 * 1.67 * error, rel=0.25)


@pytest.mark.slow
def test_a_comparison_carries_both_answers_and_repeats() -> None:
    rng = np.random.default_rng(5)
    truth = rng.beta(1, 3, 60)
    y = (rng.random(60) < truth).astype(float).tolist()
    ps = {"R1": truth.tolist(), "base_rate": [float(np.mean(y))] * 60}
    rows = table(ps, y, clusters=[f"event:{k // 2}" for k in range(60)])
    found = compare(rows, "R1", "base_rate")
    assert sound(found.hierarchical)
    assert found.hierarchical.lower < found.paired.mean < found.hierarchical.upper
    assert found == compare(rows, "R1", "base_rate")
    swapped = compare(rows, "base_rate", "R1")
    assert swapped.paired.mean == pytest.approx(-found.paired.mean)
    assert swapped.hierarchical.p_a_better == pytest.approx(1 - found.hierarchical.p_a_better, abs=0.03)
