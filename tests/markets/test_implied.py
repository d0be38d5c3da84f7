from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import numpy as np
import pytest
import shin
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import DataError
from forecast.markets.implied import Rules, exclusive, implied_probability, taker_fee
from forecast.markets.venue import Fees, Quote

AT = datetime(2026, 10, 6, 16, tzinfo=UTC)
KALSHI = Fees(Decimal("0.07"))
BOOK = Quote(
    "kalshi", "K", AT, bid=Decimal("0.13"), ask=Decimal("0.14"), bid_size=Decimal(300), ask_size=Decimal(100),
    last=Decimal("0.135"), last_at=AT - timedelta(hours=1),
)  # fmt: skip


def test_the_middle_of_a_narrow_book_is_believed() -> None:
    implied = implied_probability(BOOK)
    assert (implied.probability, implied.method, implied.note) == (0.135, "mid", "")
    assert [implied.lower, implied.upper] == pytest.approx([0.13, 0.14])


def test_the_micro_price_leans_to_the_thinner_side() -> None:
    micro = implied_probability(BOOK, rules=Rules(estimator="micro"))
    assert micro.probability == pytest.approx((0.14 * 300 + 0.13 * 100) / 400)
    assert (micro.method, micro.probability is not None and micro.probability > 0.135) == ("micro", True)
    bare = implied_probability(replace(BOOK, bid_size=None), rules=Rules(estimator="micro"))
    assert (bare.method, bare.note) == ("mid", "sizes unknown, so the plain middle")


@pytest.mark.parametrize(
    ("change", "probability", "method", "note"),
    [
        ({"ask": Decimal("0.40")}, 0.135, "last", "spread 0.27"),
        ({"bid": None}, 0.135, "last", "one side missing"),
        ({"ask": Decimal("0.40"), "last_at": AT - timedelta(days=3)}, None, "none", "spread 0.27, last trade too old"),
        ({"ask": Decimal("0.40"), "last": Decimal("0.5")}, None, "none", "spread 0.27, last trade outside the book"),
        ({"ask": Decimal("0.40"), "last_at": None}, None, "none", "spread 0.27, last trade undated"),
        ({"bid": Decimal("0.2")}, None, "none", "crossed book: bid 0.2 above ask 0.14"),
        ({"bid": None, "ask": None, "last": None}, None, "none", "no book"),
        (
            {"bid": None, "ask": None, "last": None, "shown": Decimal("0.3"), "note": "play money"},
            0.3,
            "shown",
            "play money",
        ),
        ({"ask": None, "last": None, "shown": Decimal("0.3")}, None, "none", "one side missing"),
    ],
)
def test_other_prices_are_believed_by_declared_rules(
    change: dict[str, object], probability: float | None, method: str, note: str
) -> None:
    implied = implied_probability(replace(BOOK, **change))  # type: ignore[arg-type] # columns of a table
    assert (implied.probability, implied.method, implied.note) == (probability, method, note)


def test_a_missing_side_leaves_the_band_open_and_is_never_a_price() -> None:
    no_bid, no_ask = implied_probability(replace(BOOK, bid=None)), implied_probability(replace(BOOK, ask=None))
    assert [no_bid.lower, no_bid.upper] == pytest.approx([0.0, 0.14])
    assert [no_ask.lower, no_ask.upper] == pytest.approx([0.13, 1.0])


def test_fees_widen_the_band_in_which_nobody_disagrees() -> None:
    implied = implied_probability(BOOK, fees=KALSHI)
    assert implied.lower == pytest.approx(0.13 - 0.07 * 0.13 * 0.87)
    assert implied.upper == pytest.approx(0.14 + 0.07 * 0.14 * 0.86)
    assert implied.probability == 0.135
    assert [implied.disagrees(p) for p in (0.12, 0.125, 0.148, 0.15)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("price", "contracts", "fee"),
    [("0.50", 1, "0.02"), ("0.50", 100, "1.75"), ("0.05", 100, "0.34"), ("0.01", 100, "0.07"), ("0.95", 100, "0.34")],
)
def test_kalshis_published_fees_are_these_rounded_up_to_the_cent(price: str, contracts: int, fee: str) -> None:
    owed = contracts * taker_fee(Decimal(price), KALSHI)
    assert owed.quantize(Decimal("0.01"), rounding=ROUND_CEILING) == Decimal(fee)


def test_polymarkets_fees_have_an_exponent() -> None:
    assert taker_fee(Decimal("0.5"), Fees(Decimal("0.04"), Decimal(2))) == Decimal("0.0025")
    assert taker_fee(Decimal("0.5"), Fees()) == 0


@given(p=st.floats(0.01, 0.99), years=st.floats(0.1, 3.0), rate=st.floats(0.001, 0.08))
def test_locked_money_draws_prices_to_a_half_and_the_correction_draws_them_back(
    p: float, years: float, rate: float
) -> None:
    """A market of risk-neutral people who believe p bids p d for YES and (1 - p) d for NO; the band must hold p."""
    worth = float(np.exp(-rate * years))
    bid, ask = p * worth, 1 - (1 - p) * worth
    quote = Quote("v", "c", AT, bid=Decimal(bid), ask=Decimal(ask))
    settles = AT + timedelta(days=365.25 * years)
    implied = implied_probability(quote, rules=Rules(widest=Decimal(1)), yearly_rate=rate, settles=settles)
    assert implied.lower <= p + 1e-9
    assert implied.upper >= p - 1e-9
    middle = (bid + ask) / 2
    assert abs(middle - 0.5) <= abs(p - 0.5) + 1e-12
    assert implied.probability == pytest.approx(p, abs=1e-9)


def test_the_correction_is_no_larger_than_the_book_is_wide() -> None:
    settles = AT + timedelta(days=3 * 365)
    implied = implied_probability(BOOK, yearly_rate=0.2, settles=settles)
    assert implied.probability == pytest.approx(0.135 - 0.01)


def test_a_rate_needs_a_settlement_after_the_quote() -> None:
    with pytest.raises(DataError, match="kalshi K: a rate needs the time of settlement"):
        implied_probability(BOOK, yearly_rate=0.04)
    with pytest.raises(DataError, match="before it was quoted"):
        implied_probability(BOOK, yearly_rate=0.04, settles=AT - timedelta(days=1))


# --- overround ------------------------------------------------------------------------------------------------------


def test_shins_method_gives_the_numbers_that_its_package_prints() -> None:
    """The example of the shin package's own documentation: odds 2.6, 2.4 and 4.3."""
    found = exclusive([1 / 2.6, 1 / 2.4, 1 / 4.3], method="shin")
    assert found == pytest.approx([0.37299406033208965, 0.4047794109200184, 0.2222265287474275], abs=1e-12)


odds = st.lists(st.floats(0.02, 0.6), min_size=2, max_size=8)


@given(shares=odds, margin=st.floats(0.0, 0.25))
def test_shins_method_agrees_with_the_package(shares: list[float], margin: float) -> None:
    prices = np.array(shares) / sum(shares) * (1 + margin)
    if prices.max() >= 1:
        return
    theirs = shin.calculate_implied_probabilities([1 / p for p in prices], max_iterations=100_000)
    assert exclusive(list(prices), method="shin") == pytest.approx(list(theirs), abs=1e-6)


@pytest.mark.parametrize("method", ["multiplicative", "power", "shin"])
@given(shares=odds, margin=st.floats(0.0, 0.25))
def test_probabilities_add_up_and_keep_their_order(method: str, shares: list[float], margin: float) -> None:
    prices = np.array(shares) / sum(shares) * (1 + margin)
    if prices.max() >= 1:
        return
    found = exclusive(list(prices), method=method)  # type: ignore[arg-type] # one of the three
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert ((found > 0) & (found < 1)).all()
    assert (np.diff(found[np.argsort(prices)]) >= -1e-12).all()
    if margin == 0:
        assert found == pytest.approx(prices, abs=1e-9)


@pytest.mark.parametrize("n", range(2, 40))
@pytest.mark.parametrize("price", [0.02, 0.25, 0.6])
def test_equal_prices_are_equally_likely(n: int, price: float) -> None:
    for method in ("multiplicative", "power"):
        assert exclusive([price] * n, method=method) == pytest.approx([1 / n] * n)


def test_power_and_shin_take_more_from_longshots() -> None:
    prices = [0.8, 0.2, 0.1]
    plain, power, shins = (exclusive(prices, method=m) for m in ("multiplicative", "power", "shin"))
    assert power[-1] < plain[-1]
    assert shins[-1] < plain[-1]
    k = np.log(power) / np.log(prices)
    assert k == pytest.approx(k[0])  # one exponent for all


def test_for_two_outcomes_shin_is_the_additive_method() -> None:
    assert exclusive([0.7, 0.4], method="shin") == pytest.approx([0.65, 0.35], abs=1e-9)


@pytest.mark.parametrize(
    ("prices", "method", "message"),
    [
        ([0.5], "power", "two prices or more"),
        ([0.5, 1.0], "multiplicative", "between 0 and 1"),
        ([0.5, float("nan")], "power", "between 0 and 1"),
        ([0.4, 0.5], "shin", "sum to 0.9000"),
    ],
)
def test_prices_that_are_none_are_refused(prices: list[float], method: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        exclusive(prices, method=method)  # type: ignore[arg-type] # one of the three
