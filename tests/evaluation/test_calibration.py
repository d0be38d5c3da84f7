import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from forecast.errors import ScoreError
from forecast.evaluation.calibration import decompose, recalibrate, reliability, two_parameter_check
from forecast.evaluation.scores import FLOOR, brier, log_score

questions = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.95, 1.0]), st.integers(0, 1)), min_size=1, max_size=40
)


def calibrated(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    p = rng.beta(1, 3, n)
    return p, (rng.random(n) < p).astype(float)


def by_min_max(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Isotonic regression by its min-max formula (Barlow et al., 1972): slow, and nothing else alike."""
    levels = np.unique(p)
    means = {
        (i, j): y[(p >= levels[i]) & (p <= levels[j])].mean() for i in range(len(levels)) for j in range(i, len(levels))
    }
    fit = [max(min(means[i, j] for j in range(k, len(levels))) for i in range(k + 1)) for k in range(len(levels))]
    return np.array(fit)[np.searchsorted(levels, p)]


@given(questions)
def test_recalibration_is_isotonic_regression(rows: list[tuple[float, int]]) -> None:
    p, y = np.array(rows, dtype=float).T
    found = recalibrate(p, y)
    np.testing.assert_allclose(found, by_min_max(p, y), atol=1e-12)
    order = np.argsort(p, kind="stable")
    assert (np.diff(found[order]) >= -1e-12).all()
    assert found.mean() == pytest.approx(y.mean(), abs=1e-12)
    for value in set(p):
        assert np.ptp(found[p == value]) == 0


@given(questions, st.sampled_from(["brier", "log"]))
def test_the_parts_add_up_and_none_is_negative(rows: list[tuple[float, int]], score: str) -> None:
    p, y = np.array(rows, dtype=float).T
    assert score in {"brier", "log"}
    found = decompose(p, y, score="brier" if score == "brier" else "log", simulations=20)
    mean = brier(p, y).mean() if score == "brier" else log_score(p, y).values.mean()
    assert found.score == pytest.approx(mean, abs=1e-12)
    assert found.score == pytest.approx(found.mcb - found.dsc + found.unc, abs=1e-12)
    assert min(found.mcb, found.dsc, found.unc) >= -1e-12


def test_a_decomposition_by_hand() -> None:
    """Forecasts 0.2, 0.2, 0.6, 0.8 of which 0, 1, 0, 1 came: blocks 0.5, 0.5 | 0 pooled to 1/3 each, then 1."""
    found = decompose([0.2, 0.2, 0.6, 0.8], [0, 1, 0, 1], simulations=50)
    np.testing.assert_allclose(recalibrate([0.2, 0.2, 0.6, 0.8], [0, 1, 0, 1]), [1 / 3, 1 / 3, 1 / 3, 1])
    assert found.score == pytest.approx((0.04 + 0.64 + 0.36 + 0.04) / 4)
    assert found.unc == pytest.approx(0.25)
    assert found.dsc == pytest.approx(0.25 - 1 / 6)
    assert found.mcb == pytest.approx(0.27 - 1 / 6)


def test_certainty_that_is_right_costs_nothing_and_the_base_rate_has_no_discrimination() -> None:
    right = decompose([0.0, 0.0, 1.0], [0, 0, 1], simulations=20)
    assert (right.score, right.mcb) == (0, 0)
    assert right.dsc == pytest.approx(right.unc)
    flat = decompose([0.25] * 4, [0, 0, 1, 0], score="log", simulations=20)
    assert [flat.mcb, flat.dsc] == pytest.approx([0, 0], abs=1e-15)
    assert flat.unc == pytest.approx(stats.bernoulli(0.25).entropy())
    wrong = decompose([0.0, 0.0, 1.0], [1, 1, 0], score="log", simulations=20)
    assert wrong.score == pytest.approx(-np.log(FLOOR))


def test_the_null_is_what_a_calibrated_forecaster_would_show() -> None:
    """Its p-values are uniform, and its MCB at n = 60 is far from nothing."""
    rng = np.random.default_rng(1)
    found = [decompose(*calibrated(rng, 60), simulations=200, seed=k) for k in range(150)]
    inside = np.mean([d.null_lower <= d.mcb <= d.null_upper for d in found])
    assert inside == pytest.approx(0.9, abs=0.07)
    assert stats.kstest([d.p_value for d in found], "uniform").pvalue > 0.01
    assert np.mean([d.mcb - d.null_mean for d in found]) == pytest.approx(0, abs=0.002)
    assert np.mean([d.null_mean for d in found]) > 0.01


def test_the_null_shrinks_as_questions_grow_and_miscalibration_does_not() -> None:
    rng = np.random.default_rng(2)
    few, many = calibrated(rng, 50), calibrated(rng, 5000)
    few_null, many_null = (decompose(*q, simulations=100) for q in (few, many))
    assert many_null.null_mean < few_null.null_mean / 10
    p, y = many
    extreme = p**2 / (p**2 + (1 - p) ** 2)
    off = decompose(extreme, y, simulations=100)
    assert off.mcb > off.null_upper
    assert off.p_value == 0
    assert off.mcb == pytest.approx(((extreme - p) ** 2).mean(), abs=0.004)  # what PAV should find: back to the truth


def test_questions_that_hang_together_have_a_wider_null() -> None:
    rng = np.random.default_rng(3)
    p = np.repeat(rng.beta(1, 3, 12), 10)
    y = (rng.random(12) < p[::10]).repeat(10)
    clusters = np.repeat([f"event:{k}" for k in range(12)], 10)
    together, apart = decompose(p, y, clusters=clusters), decompose(p, y)
    assert together.null_mean > 3 * apart.null_mean
    with pytest.raises(ScoreError, match="2 clusters for 120 forecasts"):
        decompose(p, y, clusters=["a", "b"])


def test_consistency_bands_hold_the_curve_of_a_calibrated_forecaster() -> None:
    rng = np.random.default_rng(4)
    inside = []
    for k in range(60):
        p = rng.choice(np.linspace(0.05, 0.95, 10), 200)
        curve = reliability(p, (rng.random(200) < p).astype(float), simulations=200, seed=k)
        inside.append(((curve["lower"] <= curve["recalibrated"]) & (curve["recalibrated"] <= curve["upper"])).mean())
        assert curve["n"].sum() == 200
        assert curve["probability"].is_monotonic_increasing
        assert curve["recalibrated"].is_monotonic_increasing
    assert np.mean(inside) == pytest.approx(0.9, abs=0.05)


def test_consistency_bands_show_a_forecaster_that_is_too_sure() -> None:
    rng = np.random.default_rng(5)
    p = rng.choice([0.02, 0.5, 0.98], 300)
    curve = reliability(p, (rng.random(300) < 0.5 + (p - 0.5) / 2).astype(float))
    assert (curve["recalibrated"] > curve["upper"]).tolist() == [True, False, False]
    assert (curve["recalibrated"] < curve["lower"]).tolist() == [False, False, True]


def test_the_two_parameters_of_a_distorted_forecaster_come_back() -> None:
    rng = np.random.default_rng(6)
    logit = rng.normal(-1, 1.5, 1500)
    y = (rng.random(1500) < 1 / (1 + np.exp(-(0.4 + 0.6 * logit)))).astype(float)
    found = two_parameter_check(1 / (1 + np.exp(-logit)), y)
    assert found.bias_lower < 0.4 < found.bias_upper
    assert found.slope_lower < 0.6 < found.slope_upper
    assert found.slope_upper - found.slope_lower < 0.25
    assert found.overconfident > 0.999


def test_the_grid_agrees_with_importance_sampling() -> None:
    """Draws from a wide Student t about the mode, weighted: no grid, no Laplace."""
    rng = np.random.default_rng(7)
    p, y = calibrated(rng, 40)
    x = np.log(p) - np.log1p(-p)
    x = np.clip(x, np.log(FLOOR / (1 - FLOOR)), -np.log(FLOOR / (1 - FLOOR)))

    def minus(t: np.ndarray) -> float:
        eta = t[0] + t[1] * x
        return float(-(y * eta - np.logaddexp(0, eta)).sum() + t[0] ** 2 / 2 + (t[1] - 1) ** 2 / 2)

    best = optimize.minimize(minus, [0.0, 1.0])
    proposal = stats.multivariate_t(best.x, 1.5 * best.hess_inv, df=5)
    draws = proposal.rvs(20_000, random_state=rng)
    weight = np.exp(-np.array([minus(t) for t in draws]) - proposal.logpdf(draws) + best.fun)
    weight /= weight.sum()
    found = two_parameter_check(p, y)
    assert found.bias == pytest.approx(weight @ draws[:, 0], abs=0.02)
    assert found.slope == pytest.approx(weight @ draws[:, 1], abs=0.02)
    assert found.overconfident == pytest.approx(weight @ (draws[:, 1] < 1), abs=0.02)
    order = np.argsort(draws[:, 1])
    lower = np.interp(0.05, weight[order].cumsum(), draws[order, 1])
    assert found.slope_lower == pytest.approx(lower, abs=0.03)


def test_fewer_questions_worth_say_less_and_none_leave_the_prior() -> None:
    p, y = calibrated(np.random.default_rng(8), 100)
    full, half = two_parameter_check(p, y), two_parameter_check(p, y, worth=0.5)
    assert half.slope_upper - half.slope_lower > full.slope_upper - full.slope_lower
    nothing = two_parameter_check(p, y, worth=1e-9)
    assert [nothing.bias, nothing.slope] == pytest.approx([0, 1], abs=1e-3)
    assert nothing.slope_upper == pytest.approx(1 + stats.norm.ppf(0.95), abs=0.01)
    for worth in (0.0, 1.1, float("nan")):
        with pytest.raises(ScoreError, match="worth"):
            two_parameter_check(p, y, worth=worth)


def test_certain_forecasts_are_clipped_and_counted() -> None:
    assert two_parameter_check([0.0, 1.0, 0.5], [0, 1, 1]).clipped == 2


@pytest.mark.parametrize(("p", "y"), [([], []), ([[0.5]], [[1.0]]), ([1.5], [1]), ([0.5], [0.5])])
def test_what_cannot_be_calibrated_is_refused(p: list[float], y: list[float]) -> None:
    for function in (decompose, reliability, two_parameter_check):
        with pytest.raises(ScoreError):
            function(p, y)
