"""The grid posterior against adaptive quadrature, which shares nothing with it but the formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from forecast.evaluation.logistic import logistic_posterior

PRIOR = ((0.0, 0.5), (1.0, 0.3))


def test_without_rows_the_posterior_is_the_prior() -> None:
    none = np.empty(0)
    found = logistic_posterior(np.empty((0, 2)), none, weight=none, prior=PRIOR)
    for k, (mean, sd) in enumerate(PRIOR):
        assert found.mean(k) == pytest.approx(mean, abs=1e-9)
        assert found.bounds(k) == pytest.approx(stats.norm(mean, sd).interval(0.9), abs=2e-3)
        assert found.below(k, mean + sd) == pytest.approx(stats.norm.cdf(1), abs=2e-3)
    mean, lower, upper = found.probability((1.0, 0.0), 0.8)
    assert (mean, lower, upper) == pytest.approx((0.5, *stats.logistic.cdf(stats.norm(0, 0.5).interval(0.8))), abs=2e-3)


def test_two_parameters_are_those_of_quadrature() -> None:
    x = np.array([[1.0, -2.0], [1.0, -0.5], [1.0, 1.5], [1.0, 0.3]])
    y, weight = np.array([0.0, 1.0, 1.0, 0.0]), np.array([1.0, 0.5, 0.25, 0.8])

    def density(b: float, a: float) -> float:
        p = 1 / (1 + np.exp(-(x @ [a, b])))
        prior = np.exp(-(a**2) / (2 * 0.5**2) - (b - 1) ** 2 / (2 * 0.3**2))
        return float(prior * np.prod(np.where(y == 1, p, 1 - p) ** weight))

    def moment(of: str) -> float:
        integrand = {"1": density, "a": lambda b, a: a * density(b, a), "b": lambda b, a: b * density(b, a)}[of]
        return float(integrate.dblquad(integrand, -3, 3, -1, 3, epsabs=1e-6)[0])

    found = logistic_posterior(x, y, weight=weight, prior=PRIOR)
    assert found.mean(0) == pytest.approx(moment("a") / moment("1"), abs=1e-5)
    assert found.mean(1) == pytest.approx(moment("b") / moment("1"), abs=1e-5)


def test_a_third_parameter_that_is_always_zero_keeps_its_prior_and_leaves_the_others_alone() -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(30), rng.normal(size=30)])
    y, weight = (rng.random(30) < 0.4).astype(float), np.full(30, 0.7)
    two = logistic_posterior(x, y, weight=weight, prior=PRIOR, points=61)
    three = logistic_posterior(
        np.column_stack([x, np.zeros(30)]), y, weight=weight, prior=(*PRIOR, (0.2, 0.5)), points=61
    )
    assert three.weight.shape == (61, 61, 61)
    assert [three.mean(k) for k in (0, 1)] == pytest.approx([two.mean(k) for k in (0, 1)], abs=1e-4)
    assert three.mean(2) == pytest.approx(0.2, abs=1e-6)


@given(st.integers(1, 5), st.integers(1, 4))
def test_a_row_k_times_at_weight_one_kth_is_one_row(k: int, rows: int) -> None:
    x = np.column_stack([np.ones(rows), np.linspace(-2, 1, rows)])
    y = np.arange(rows) % 2.0
    once = logistic_posterior(x, y, weight=np.ones(rows), prior=PRIOR, points=21)
    often = logistic_posterior(
        np.repeat(x, k, axis=0), np.repeat(y, k), weight=np.full(rows * k, 1 / k), prior=PRIOR, points=21
    )
    np.testing.assert_allclose(often.weight, once.weight, atol=1e-9)
