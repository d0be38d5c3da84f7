from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ScoreError
from forecast.evaluation.summary import ordered_rows, ordered_table, score_table
from tests.evaluation.given import checked, table

P = {"base_rate": [0.3, 0.3, 0.3, 0.3], "R1": [0.1, 0.2, 0.6, 0.0]}
Y: list[float | None] = [0, 0, 1, 1]
RACES = ("escalation_before_deal", "neither", "deal_before_escalation")


def test_means_counts_and_skill_by_hand() -> None:
    found = score_table(table(P, Y, clusters=["a", "a", "b", "c"]), reference="base_rate").set_index("forecaster")
    r1, base = found.loc["R1"], found.loc["base_rate"]
    assert (r1["n"], r1["forecasts"], r1["clusters"], r1["clipped"]) == (4, 4, 3, 1)
    assert r1["brier"] == pytest.approx((0.01 + 0.04 + 0.16 + 1) / 4)
    assert r1["log"] == pytest.approx(-np.log([0.9, 0.8, 0.6, 0.005]).mean())
    assert base["log"] == pytest.approx(-np.log([0.7, 0.7, 0.3, 0.3]).mean())
    assert r1["log_skill"] == pytest.approx(1 - r1["log"] / base["log"])
    assert (r1["base_rate"], r1["mean_probability"]) == (0.5, pytest.approx(0.225))
    assert [base[c] for c in ("log_skill", "log_skill_lower", "log_skill_upper")] == [0, 0, 0]
    assert r1["log_lower"] <= r1["log"] <= r1["log_upper"]
    assert (r1["label"], r1["question"], r1["band"]) == ("reconstructed", "deal", "6-13")


def test_groups_are_kept_apart_and_a_forecasters_row_does_not_depend_on_the_others() -> None:
    both = checked(table(P, Y), table(P, Y, question="escalation", weeks=26))
    found = score_table(both)
    assert found[["question", "band"]].astype(str).to_numpy().tolist() == [
        *[["deal", "6-13"]] * 2,
        *[["escalation", "13-26"]] * 2,
    ]
    alone = score_table(both[both["forecaster"] == "R1"])
    pd.testing.assert_frame_equal(alone, found[found["forecaster"] == "R1"].reset_index(drop=True))
    pooled = score_table(both, group=())
    assert pooled["n"].tolist() == [8, 8]


def test_a_question_asked_often_counts_once() -> None:
    """Nine forecasts of one question and one of another: the mean is over two questions."""
    often = pd.concat(
        [table({"R1": [0.9]}, [0]).assign(origin=o) for o in pd.date_range("2024-01-05", periods=9, tz="UTC")]
    )
    once = table({"R1": [0.5]}, [1], question="escalation")
    (line,) = score_table(checked(often, once), group=()).to_dict("records")
    assert (line["n"], line["forecasts"]) == (2, 10)
    assert line["brier"] == pytest.approx((0.81 + 0.25) / 2)


def test_open_questions_wait_and_nothing_settled_is_nothing_to_score() -> None:
    rows = table(P, [0, 0, 1, None])
    assert score_table(rows)["n"].tolist() == [3, 3]
    with pytest.raises(ScoreError, match="nothing is settled"):
        score_table(table(P, [None] * 4))


def test_unequal_questions_a_strange_reference_and_a_strange_group_are_refused() -> None:
    rows = table(P, Y)
    with pytest.raises(ScoreError, match="R1 lacks 1 of 4"):
        score_table(rows.drop(index=7))
    with pytest.raises(ScoreError, match="reference 'R9'"):
        score_table(rows, reference="R9")
    with pytest.raises(ScoreError, match="group 'mood'"):
        score_table(rows, group=("mood",))


def test_published_and_reconstructed_are_never_scored_together() -> None:
    rows = pd.concat([table(P, Y), table(P, Y, label="published", every=5)])
    with pytest.raises(ScoreError, match="apart"):
        score_table(rows)


def test_the_same_seed_gives_the_same_table() -> None:
    rows = table(P, Y)
    pd.testing.assert_frame_equal(score_table(rows, seed=3), score_table(rows, seed=3))
    assert not score_table(rows, seed=3).equals(score_table(rows, seed=4))


def three(forecasts: dict[str, list[tuple[float, float, float]]], came: list[int]) -> pd.DataFrame:
    """Exclusive questions, the settling event shared."""
    parts = []
    for k, question in enumerate(RACES):
        ps = {f: [row[k] for row in rows] for f, rows in forecasts.items()}
        parts.append(table(ps, [float(c == k) for c in came], question=question))
    return pd.concat(parts, ignore_index=True)


def test_exclusive_questions_become_one_ordered_forecast() -> None:
    rows = three({"R1": [(0.6, 0.25, 0.15), (0.35, 0.3, 0.35)]}, [0, 1])
    found = ordered_rows(rows, outcomes=RACES)
    np.testing.assert_allclose(found["rps"], [0.09125, 0.1225])  # Constantinou and Fenton (2012), table 3
    np.testing.assert_allclose(found["log"], -np.log([0.6, 0.3]))
    np.testing.assert_allclose(found["brier"], [0.16 + 0.0625 + 0.0225, 0.1225 + 0.49 + 0.1225])
    assert found["outcome"].tolist() == list(RACES[:2])
    assert found["cluster"].tolist() == ["event:0", "event:1"]
    (line,) = ordered_table(rows, outcomes=RACES).to_dict("records")
    assert line["rps"] == pytest.approx((0.09125 + 0.1225) / 2)
    assert (line["band"], line["n"]) == ("6-13", 2)


def test_what_comes_first_has_four_outcomes() -> None:
    p = {"escalation_first": 0.3, "neither": 0.5, "limited_first": 0.15, "comprehensive_first": 0.05}
    parts = [table({"R1": [v]}, [float(k == "limited_first")], question=k) for k, v in p.items()]
    rows = pd.concat(parts)
    found = ordered_rows(rows)
    assert found["rps"].tolist() == pytest.approx([(0.09 + 0.64 + 0.0025) / 3])
    assert found["outcome"].tolist() == ["limited_first"]
    with pytest.raises(ScoreError, match="needs all of"):
        ordered_rows(rows, outcomes=RACES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.assign(probability=0.3), "sum to 0.9"),
        (lambda r: r.assign(outcome=1.0), "exactly one of them YES"),
        (lambda r: r.assign(outcome=0.0), "exactly one of them YES"),
        (lambda r: r.iloc[:-1], "needs all of"),
        (lambda r: r[r["question"] == "neither"], "needs all of"),
        (lambda r: r[r["question"] == "neither"].assign(question="deal"), "needs all of"),
    ],
)
def test_what_is_no_ordered_forecast_is_refused(change: Callable[[pd.DataFrame], pd.DataFrame], words: str) -> None:
    with pytest.raises(ScoreError, match=words):
        ordered_rows(change(three({"R1": [(0.6, 0.25, 0.15)]}, [0])), outcomes=RACES)
