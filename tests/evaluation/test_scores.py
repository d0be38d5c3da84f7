from collections.abc import Callable

import numpy as np
import pytest
import scoringrules
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import ForecastError, ScoreError
from forecast.evaluation.scores import (
    FLOOR,
    brier,
    brier_categories,
    log_score,
    log_score_categories,
    rps,
    skill,
)

CATEGORIES = ("escalation", "nothing", "limited", "comprehensive")
probability = st.floats(0, 1)
inner = st.floats(FLOOR, 1 - FLOOR)


def simplex(k: int) -> st.SearchStrategy[np.ndarray]:
    """Forecasts over k categories, zeros among them."""
    weights = st.lists(st.floats(0, 1), min_size=k, max_size=k).filter(lambda w: sum(w) > 0.01)
    return weights.map(lambda w: np.array(w) / sum(w))


def test_briers_ten_forecasts_of_rain() -> None:
    """Brier (1950), Monthly Weather Review 78, the worked example: P = 0.19 over rain and no rain."""
    rain = np.array([0.7, 0.9, 0.8, 0.4, 0.2, 0.0, 0.0, 0.0, 0.0, 0.1])
    came = np.array([0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    labels = np.where(came == 1, "rain", "no rain").tolist()
    both = brier_categories(np.stack([rain, 1 - rain], axis=1), labels, categories=("rain", "no rain"))
    assert both.mean() == pytest.approx(0.19, abs=1e-12)
    assert brier(rain, came).mean() == pytest.approx(0.095, abs=1e-12)


@pytest.mark.parametrize(
    ("forecast", "came", "published"),
    [
        ((1.0, 0.0, 0.0), "home", 0.0),
        ((0.9, 0.1, 0.0), "home", 0.005),
        ((0.8, 0.1, 0.1), "home", 0.025),
        ((0.5, 0.25, 0.25), "home", 0.15625),
        ((0.35, 0.3, 0.35), "draw", 0.1225),
        ((0.6, 0.3, 0.1), "draw", 0.185),
        ((0.6, 0.25, 0.15), "home", 0.09125),
        ((0.6, 0.15, 0.25), "home", 0.11125),
        ((0.57, 0.33, 0.10), "home", 0.09745),
        ((0.6, 0.2, 0.2), "home", 0.1),
    ],
)
def test_football_matches_of_constantinou_and_fenton(forecast: tuple[float, ...], came: str, published: float) -> None:
    """Constantinou and Fenton (2012), Journal of Quantitative Analysis in Sports 8, table 3: RPS divided by K - 1."""
    found = rps([forecast], [came], categories=("home", "draw", "away"))
    assert found[0] == pytest.approx(published, abs=1e-12)


def test_log_score_of_seven_in_ten() -> None:
    assert log_score([0.7], [1]).values[0] == pytest.approx(0.356675, abs=1e-6)
    assert log_score([0.7], [0]).values[0] == pytest.approx(1.203973, abs=1e-6)


@given(st.lists(st.tuples(inner, st.integers(0, 1)), min_size=1, max_size=20))
def test_binary_scores_agree_with_scoringrules(rows: list[tuple[float, int]]) -> None:
    p, y = np.array(rows).T
    np.testing.assert_allclose(brier(p, y), scoringrules.brier_score(y, p), atol=1e-12)
    found = log_score(p, y)
    np.testing.assert_allclose(found.values, scoringrules.log_score(y, p), atol=1e-12)
    assert not found.clipped.any()


@given(simplex(4), st.integers(0, 3))
def test_rps_agrees_with_scoringrules_once_divided(p: np.ndarray, k: int) -> None:
    """Its categories count from 1, and it does not divide by K - 1."""
    theirs = scoringrules.rps_score(np.array([k + 1]), p[None]) / 3
    np.testing.assert_allclose(rps([p], [CATEGORIES[k]], categories=CATEGORIES), theirs, atol=1e-12)


@given(probability, st.integers(0, 1))
def test_binary_scores_keep_their_bounds_and_forget_which_side_is_called_yes(p: float, y: int) -> None:
    assert 0 <= brier([p], [y])[0] <= 1
    assert -np.log(1 - FLOOR) <= log_score([p], [y]).values[0] <= -np.log(FLOOR)
    assert brier([p], [y])[0] == pytest.approx(brier([1 - p], [1 - y])[0], abs=1e-12)
    assert log_score([p], [y]).values[0] == pytest.approx(log_score([1 - p], [1 - y]).values[0], abs=1e-9)


@given(probability, probability)
def test_binary_scores_are_proper(truth: float, said: float) -> None:
    """Nobody expects to gain by saying what they do not believe; the log score keeps this inside its floor."""

    def expected(q: float) -> tuple[float, float]:
        log = log_score([q, q], [1, 0]).values
        squares = brier([q, q], [1, 0])
        within = min(max(truth, FLOOR), 1 - FLOOR)
        return truth * squares[0] + (1 - truth) * squares[1], within * log[0] + (1 - within) * log[1]

    for honest, other in zip(expected(truth), expected(said), strict=True):
        assert honest <= other + 1e-12


@given(simplex(4), simplex(4))
def test_scores_over_categories_are_proper(truth: np.ndarray, said: np.ndarray) -> None:
    def expected(q: np.ndarray) -> np.ndarray:
        rows = np.tile(q, (4, 1))
        each = [
            brier_categories(rows, CATEGORIES, categories=CATEGORIES),
            rps(rows, CATEGORIES, categories=CATEGORIES),
        ]
        return np.array(each) @ truth

    assert (expected(truth) <= expected(said) + 1e-12).all()


@given(simplex(4), simplex(4))
def test_the_log_score_over_categories_is_proper_above_the_floor(truth: np.ndarray, said: np.ndarray) -> None:
    inside = FLOOR + (1 - 4 * FLOOR) * truth

    def expected(q: np.ndarray) -> float:
        rows = np.tile(q, (4, 1))
        return float(log_score_categories(rows, CATEGORIES, categories=CATEGORIES).values @ inside)

    assert expected(inside) <= expected(said) + 1e-9


@given(simplex(4), st.integers(0, 3), st.permutations(range(4)))
def test_scores_over_categories_keep_their_bounds_and_the_order_matters_to_rps_alone(
    p: np.ndarray, k: int, order: list[int]
) -> None:
    hit, shuffled = [CATEGORIES[k]], [CATEGORIES[i] for i in order]
    assert 0 <= rps([p], hit, categories=CATEGORIES)[0] <= 1
    squares = brier_categories([p], hit, categories=CATEGORIES)[0]
    assert 0 <= squares <= 2
    assert squares == pytest.approx(brier_categories([p[order]], hit, categories=shuffled)[0], abs=1e-12)
    log = log_score_categories([p], hit, categories=CATEGORIES).values[0]
    assert log == pytest.approx(log_score_categories([p[order]], hit, categories=shuffled).values[0], abs=1e-9)
    assert rps([p[::-1]], hit, categories=CATEGORIES[::-1])[0] == pytest.approx(
        rps([p], hit, categories=CATEGORIES)[0], abs=1e-12
    )


@given(simplex(4), st.integers(0, 3))
def test_rps_is_the_mean_brier_score_of_its_cuts(p: np.ndarray, k: int) -> None:
    cuts = [brier([min(p[: j + 1].sum(), 1.0)], [int(k <= j)])[0] for j in range(3)]
    found = rps([p], [CATEGORIES[k]], categories=CATEGORIES)[0]
    assert found == pytest.approx(np.mean(cuts), abs=1e-12)


@given(probability, st.integers(0, 1))
def test_two_categories_are_a_binary_question(p: float, y: int) -> None:
    rows, hit, two = [[1 - p, p]], [("no", "yes")[y]], ("no", "yes")
    assert rps(rows, hit, categories=two)[0] == pytest.approx(brier([p], [y])[0], abs=1e-12)
    assert brier_categories(rows, hit, categories=two)[0] == pytest.approx(2 * brier([p], [y])[0], abs=1e-12)
    log = log_score_categories(rows, hit, categories=two)
    assert log.values[0] == pytest.approx(log_score([p], [y]).values[0], abs=1e-9)


def test_a_near_miss_costs_less_than_a_far_one_by_rps_alone() -> None:
    forecast = [[0.0, 0.0, 1.0, 0.0]]
    near, far = ["comprehensive"], ["escalation"]
    assert rps(forecast, near, categories=CATEGORIES)[0] == pytest.approx(1 / 3)
    assert rps(forecast, far, categories=CATEGORIES)[0] == pytest.approx(2 / 3)
    assert brier_categories(forecast, near, categories=CATEGORIES) == brier_categories(
        forecast, far, categories=CATEGORIES
    )


def test_the_floor_bounds_what_certainty_can_cost_and_gain_and_says_where_it_did() -> None:
    found = log_score([0.0, 1.0, 0.004, 0.005, 0.5], [1, 1, 0, 0, 0])
    expected = [-np.log(0.005), -np.log(0.995), -np.log(0.995), -np.log(0.995), -np.log(0.5)]
    np.testing.assert_allclose(found.values, expected)
    assert found.clipped.tolist() == [True, True, True, False, False]
    wider = log_score([0.0], [1], floor=0.01)
    assert wider.values[0] == pytest.approx(-np.log(0.01))


@given(simplex(4), st.floats(0.001, 0.2))
def test_raising_to_the_floor_leaves_a_distribution(p: np.ndarray, floor: float) -> None:
    each = [log_score_categories([p], [c], categories=CATEGORIES, floor=floor) for c in CATEGORIES]
    q = np.exp([-e.values[0] for e in each])
    assert q.sum() == pytest.approx(1, abs=1e-9)
    assert q.min() >= floor - 1e-12
    assert bool(each[0].clipped[0]) == bool((p < floor).any())


@pytest.mark.parametrize("floor", [0.0, -0.1, 0.5, float("nan")])
def test_a_floor_that_is_none_is_refused(floor: float) -> None:
    with pytest.raises(ScoreError, match="floor"):
        log_score([0.5], [1], floor=floor)


def test_a_floor_that_four_categories_cannot_share_is_refused() -> None:
    with pytest.raises(ScoreError, match="1/4"):
        log_score_categories([[0.25] * 4], ["nothing"], categories=CATEGORIES, floor=0.3)


def test_skill_is_one_when_perfect_and_nothing_when_no_better_and_undefined_against_perfection() -> None:
    np.testing.assert_allclose(skill([0.0, 0.2, 0.3], [0.2, 0.2, 0.2]), [1.0, 0.0, -0.5])
    assert np.isnan(skill(0.1, 0.0))


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf")])
def test_what_is_no_probability_is_refused_with_its_row(bad: float) -> None:
    for score in (brier, log_score):
        with pytest.raises(ScoreError, match=r"row 1.*not a probability"):
            score([0.5, bad], [0, 1])
    with pytest.raises(ScoreError, match="row 0, 1"):
        rps([[0.5, bad, 0.5]], ["a"], categories=("a", "b", "c"))


@pytest.mark.parametrize("bad", [0.5, 2, -1, float("nan")])
def test_what_is_no_outcome_is_refused_with_its_row(bad: float) -> None:
    with pytest.raises(ScoreError, match=r"row 1.*neither 0 nor 1"):
        brier([0.5, 0.5], [1, bad])


def test_forecasts_and_outcomes_of_unequal_number_are_refused() -> None:
    with pytest.raises(ScoreError, match="1 outcomes for 2 forecasts"):
        brier([0.5, 0.5], [1])
    with pytest.raises(ScoreError, match="1 outcomes for 2 forecasts"):
        rps([[0.5, 0.5], [0.5, 0.5]], ["a"], categories=("a", "b"))


def test_what_is_not_even_a_number_is_refused() -> None:
    with pytest.raises(ScoreError, match="probability: not all values are numbers"):
        brier(["half"], [1])


@pytest.mark.parametrize("score", [brier_categories, log_score_categories, rps])
@pytest.mark.parametrize(
    ("rows", "outcome", "categories", "words"),
    [
        ([[0.5, 0.4]], ["a"], ("a", "b"), "row 0: sum to 0.9"),
        ([[0.5, 0.5], [0.6, 0.6]], ["a", "a"], ("a", "b"), "row 1: sum to 1.2"),
        ([[0.5, 0.5]], ["c"], ("a", "b"), "row 0: 'c' is not one of the categories"),
        ([[0.5, 0.5]], ["a"], ("a", "a"), "label 'a' stands twice"),
        ([[1.0]], ["a"], ("a",), "two or more"),
        ([[0.5, 0.5]], ["a"], ("a", "b", "c"), "with 3 entries"),
        ([0.5, 0.5], ["a"], ("a", "b"), "one row a question"),
    ],
)
def test_rows_that_are_no_forecast_are_refused(
    score: Callable[..., object],
    rows: list[object],
    outcome: list[str],
    categories: tuple[str, ...],
    words: str,
) -> None:
    with pytest.raises(ScoreError, match=words):
        score(rows, outcome, categories=categories)


def test_a_refusal_is_the_users_to_mend() -> None:
    assert issubclass(ScoreError, ForecastError)
    assert issubclass(ScoreError, ValueError)
    assert ScoreError.exit_code == 2
