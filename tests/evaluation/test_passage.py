from itertools import pairwise

import numpy as np
import pytest
import scoringrules
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import integrate, stats

from forecast.errors import ScoreError
from forecast.evaluation.passage import crps_curve, crps_draws
from forecast.evaluation.scores import brier

NEVER = float("inf")
hazards = st.lists(st.floats(0, 0.5), min_size=8, max_size=8)


def curve(weekly: list[float]) -> np.ndarray:
    """P(T <= week) from weekly hazards."""
    return np.concatenate([[0.0], 1 - np.cumprod(1 - np.array(weekly))])


def by_quadrature(cdf: np.ndarray, time: float, until: float) -> float:
    def integrand(t: float) -> float:
        return float((np.interp(t, np.arange(len(cdf)), cdf) - (time <= t)) ** 2)

    breaks = sorted({*(w for w in range(len(cdf)) if w < until), min(time, until), until})
    return sum(integrate.quad(integrand, a, b - 1e-13)[0] for a, b in pairwise(breaks))


@given(hazards, st.one_of(st.floats(0, 9), st.just(NEVER)), st.floats(0.1, 8), st.floats(0.1, 12))
def test_the_closed_form_is_the_integral(weekly: list[float], time: float, horizon: float, censored: float) -> None:
    if np.isfinite(time) and time > censored:
        time = NEVER  # what comes after the censoring is not seen
    cdf = curve(weekly)
    found = crps_curve([cdf], [time], horizon=horizon, censored=[censored])
    assert found[0] == pytest.approx(by_quadrature(cdf, time, min(horizon, censored)), abs=1e-7)


def test_a_uniform_passage_by_hand() -> None:
    """F(t) = t/4 to week 4, T = 1: the integral of t²/16 to 1 and of (1 - t/4)² from there is 1/48 + 27/48."""
    line = np.arange(5) / 4
    assert crps_curve([line], [1.0], horizon=4)[0] == pytest.approx(28 / 48)
    assert crps_curve([line], [NEVER], horizon=4)[0] == pytest.approx(64 / 48)
    assert crps_curve([line], [NEVER], horizon=4, censored=[2.0])[0] == pytest.approx(8 / 48)


def test_an_exponential_passage_on_a_fine_grid_agrees_with_scoringrules() -> None:
    """Weeks stand for tenths of the mean here, and the horizon is far beyond what matters."""
    grid = np.arange(3001)
    cdf = stats.expon(scale=100).cdf(grid)
    times = np.array([3.0, 50.5, 100.0, 333.3])
    found = crps_curve(np.tile(cdf, (4, 1)), times, horizon=3000)
    np.testing.assert_allclose(found, scoringrules.crps_exponential(times, 1 / 100), rtol=1e-4)


def test_draws_agree_with_scoringrules_uncensored() -> None:
    rng = np.random.default_rng(1)
    draws, times = rng.exponential(10, (6, 200)), rng.exponential(10, 6)
    ours = crps_draws(draws, times, horizon=1e6)
    np.testing.assert_allclose(ours, scoringrules.crps_ensemble(times, draws, estimator="nrg"), rtol=1e-10)


def test_draws_agree_with_scoringrules_under_a_threshold() -> None:
    rng = np.random.default_rng(2)
    draws, times = rng.exponential(10, (6, 200)), rng.exponential(10, 6)
    theirs = scoringrules.twcrps_ensemble(times, draws, b=7.5, estimator="nrg")
    np.testing.assert_allclose(crps_draws(draws, times, horizon=7.5), theirs, rtol=1e-10)


def test_draws_and_curve_agree_where_draws_follow_the_curve() -> None:
    rng = np.random.default_rng(3)
    cdf = curve([0.02, 0.1, 0.05, 0.2, 0.0, 0.3, 0.1, 0.02])
    u = rng.random(200_000)
    draws = np.where(u <= cdf[-1], np.interp(u, cdf, np.arange(9.0)), NEVER)
    times, censored = np.array([0.5, 3.2, NEVER, NEVER]), np.array([8.0, 8.0, 8.0, 4.5])
    many = crps_draws(np.tile(draws, (4, 1)), times, horizon=6, censored=censored)
    exact = crps_curve(np.tile(cdf, (4, 1)), times, horizon=6, censored=censored)
    np.testing.assert_allclose(many, exact, atol=0.01)


@given(hazards, st.one_of(st.floats(0, 9), st.just(NEVER)))
def test_over_the_horizon_it_is_the_mean_brier_score_of_having_come(weekly: list[float], time: float) -> None:
    cdf = curve(weekly)
    days = np.arange(4000) / 500 + 1 / 1000
    squares = brier(np.interp(days, np.arange(9), cdf), (time <= days).astype(float))
    found = crps_curve([cdf], [time], horizon=8)[0] / 8
    assert found == pytest.approx(squares.mean(), abs=1e-3)
    assert 0 <= found <= 1


@given(hazards, hazards, st.floats(1, 8))
def test_what_a_false_curve_costs_is_its_squared_distance(truth: list[float], said: list[float], until: float) -> None:
    """In expectation over passages drawn from the truth, censored at a time that has nothing to do with them."""
    cdf = curve(truth)
    u = (np.arange(400) + 0.5) / 400
    times = np.where(u <= cdf[-1], np.interp(u, cdf, np.arange(9.0)), NEVER)
    seen = np.where(times <= until, times, NEVER)
    honest, other = (
        crps_curve(np.tile(f, (400, 1)), seen, horizon=8, censored=np.full(400, until)).mean()
        for f in (cdf, curve(said))
    )
    t = (np.arange(2000) + 0.5) / 2000 * until
    distance = (np.interp(t, np.arange(9), cdf) - np.interp(t, np.arange(9), curve(said))) ** 2
    assert other - honest == pytest.approx(distance.mean() * until, abs=0.02)


def test_nothing_after_the_censoring_or_the_horizon_matters() -> None:
    early, late = curve([0.1] * 4 + [0.0] * 4), curve([0.1] * 4 + [0.5] * 4)
    for censored, horizon in ((4.0, 8.0), (8.0, 4.0)):
        one, other = crps_curve([early, late], [NEVER, NEVER], horizon=horizon, censored=[censored, censored])
        assert one == other
    assert crps_curve([early], [5.0], horizon=4)[0] == crps_curve([early], [NEVER], horizon=4)[0]


@pytest.mark.parametrize(
    ("cdf", "time", "horizon", "censored", "words"),
    [
        ([[0.0, 0.5, 0.4]], [1.0], 2, None, "falls from week 1 to week 2"),
        ([[0.0, 0.5, 1.2]], [1.0], 2, None, "not a probability"),
        ([[0.0, 0.5, float("nan")]], [1.0], 2, None, "not a probability"),
        ([[0.0, 0.5]], [1.0], 2, None, "ends at week 1, before the horizon of 2 weeks"),
        ([[0.0, 0.5]], [-1.0], 1, None, "must not be negative"),
        ([[0.0, 0.5]], [float("nan")], 1, None, "none missing"),
        ([[0.0, 0.5]], [0.9], 1, [0.5], "happened in week 0.9, but known only to week 0.5"),
        ([[0.0, 0.5]], [0.9], float("inf"), None, "finite horizon"),
        ([[0.0, 0.5]], [0.9, 0.8], 1, None, "2 times"),
        ([0.0, 0.5], [0.9], 1, None, "one row a question"),
    ],
)
def test_what_is_no_curve_or_no_time_is_refused(
    cdf: ArrayLike, time: list[float], horizon: float, censored: list[float] | None, words: str
) -> None:
    with pytest.raises(ScoreError, match=words):
        crps_curve(cdf, time, horizon=horizon, censored=censored)


@pytest.mark.parametrize("draws", [[[1.0, -1.0]], [[1.0, float("nan")]], [1.0, 2.0], [[]]])
def test_what_are_no_draws_is_refused(draws: ArrayLike) -> None:
    with pytest.raises(ScoreError, match="draws"):
        crps_draws(draws, [1.0], horizon=4)
