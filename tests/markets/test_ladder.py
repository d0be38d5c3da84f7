from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import DataError
from forecast.markets.ladder import Leg, fit_curve

ORIGIN = datetime(2026, 10, 6, tzinfo=UTC)


def leg(days: float, probability: float, half: float = 0.0) -> Leg:
    low, high = max(probability - half, 0.0), min(probability + half, 1.0)
    return Leg(ORIGIN + timedelta(days=days), probability, low, high)


@st.composite
def ladders(draw: st.DrawFn) -> list[Leg]:
    days = draw(st.lists(st.integers(1, 1500), min_size=1, max_size=12, unique=True))
    price, half = st.floats(0, 1), st.floats(0, 0.3)
    return [leg(day, draw(price), draw(half)) for day in days]


@given(legs=ladders())
def test_any_prices_become_a_curve(legs: list[Leg]) -> None:
    curve = fit_curve(ORIGIN, legs)
    assert (np.diff(curve.days) > 0).all()
    assert (np.diff(curve.cumulative) >= -1e-12).all()
    assert ((curve.cumulative >= 0) & (curve.cumulative <= 1)).all()
    assert (curve.hazards >= -1e-12).all()
    assert (np.diff(curve.lower) >= 0).all()
    assert (np.diff(curve.upper) >= 0).all()


@given(legs=ladders(), asked=st.lists(st.floats(-10, 1500), min_size=2, max_size=30))
def test_the_curve_rises_between_its_legs_and_passes_through_them(legs: list[Leg], asked: list[float]) -> None:
    curve = fit_curve(ORIGIN, legs)
    at = curve.at(np.sort(asked))
    inside = at[~np.isnan(at)]
    assert (np.diff(inside) >= -1e-12).all()
    assert curve.at(curve.days) == pytest.approx(np.minimum(curve.cumulative, 1 - 1e-9), abs=1e-9)


@given(legs=ladders())
def test_the_hazards_give_the_curve_back(legs: list[Leg]) -> None:
    curve = fit_curve(ORIGIN, legs)
    lengths = np.diff(curve.days, prepend=0.0)
    assert 1 - np.exp(-np.cumsum(curve.hazards * lengths)) == pytest.approx(curve.cumulative, abs=1e-8)


@given(legs=ladders())
def test_no_other_monotone_ladder_is_nearer_than_the_pooled_one(legs: list[Leg]) -> None:
    """Weighted least squares by brute force: against sorted prices, the running maximum and the mean."""
    curve = fit_curve(ORIGIN, legs)
    width = np.array([max(x.upper - x.lower, 0.005) for x in sorted(legs, key=lambda x: x.deadline)])
    weights = width**-2.0

    def miss(candidate: np.ndarray) -> float:
        return float((weights * (candidate - curve.raw) ** 2).sum())

    mean = np.full_like(curve.raw, np.average(curve.raw, weights=weights))
    for other in (np.sort(curve.raw), np.maximum.accumulate(curve.raw), mean):
        assert miss(curve.cumulative) <= miss(other) * (1 + 1e-9) + 1e-12


def test_a_constant_hazard_is_found_again() -> None:
    rate = 0.004
    curve = fit_curve(ORIGIN, [leg(d, 1 - np.exp(-rate * d)) for d in (25, 55, 86, 451)])
    assert curve.hazards == pytest.approx(rate)
    assert curve.moved == pytest.approx(0, abs=1e-12)
    assert curve.by(ORIGIN + timedelta(days=40)) == pytest.approx(1 - np.exp(-rate * 40))
    assert curve.by(ORIGIN) == 0
    assert np.isnan(curve.by(ORIGIN + timedelta(days=452)))  # nobody has priced it


def test_legs_that_cross_are_pooled_by_how_tight_their_books_are() -> None:
    """Two violators pool to their weighted mean: with widths 0.01 and 0.05 the weights are 25 to 1."""
    curve = fit_curve(ORIGIN, [leg(25, 0.20, 0.005), leg(55, 0.10, 0.025), leg(86, 0.40, 0.005)])
    pooled = (25 * 0.20 + 0.10) / 26
    assert curve.cumulative == pytest.approx([pooled, pooled, 0.40])
    assert curve.hazards[1] == pytest.approx(0, abs=1e-15)
    assert curve.moved == pytest.approx(pooled - 0.10)


def test_bands_hold_each_other() -> None:
    legs = [Leg(ORIGIN + timedelta(days=d), p, a, b) for d, p, a, b in (
        (10, 0.10, 0.08, 0.50), (20, 0.12, 0.05, 0.20), (30, 0.30, 0.06, 0.60)
    )]  # fmt: skip
    curve = fit_curve(ORIGIN, legs)
    assert list(curve.lower) == [0.08, 0.08, 0.08]  # who is paid by the first date is paid by the last
    assert list(curve.upper) == [0.20, 0.20, 0.60]


@pytest.mark.parametrize(
    ("legs", "message"),
    [
        ([], "needs legs"),
        ([leg(-1, 0.1)], "deadline has passed"),
        ([leg(0, 0.1)], "deadline has passed"),
        ([leg(5, 0.1), leg(5, 0.2)], "2026-10-11 00:00 stands twice"),
        ([Leg(ORIGIN + timedelta(days=1), 1.2, 0.0, 1.0)], "no probability in a band"),
        ([Leg(ORIGIN + timedelta(days=1), 0.2, 0.5, 0.4)], "no probability in a band"),
    ],
)
def test_what_is_no_ladder_is_refused(legs: list[Leg], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_curve(ORIGIN, legs)
