"""What a price implies: a probability by declared rules, and the band in which nobody has reason to disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np

from forecast.errors import DataError
from forecast.markets.venue import Fees, Quote

Method = Literal["mid", "micro", "last", "shown", "none"]

_YEAR = timedelta(days=365.25)
_ROUNDING = 1e-9  # prices that sum to 1 but for this have no overround to explain


@dataclass(frozen=True, slots=True)
class Rules:
    """Which price is believed.

    Attributes
    ----------
    estimator
        ``mid``, the middle of the book, or ``micro``, the middle weighted by what stands on the other side.
    widest
        A book wider than this is not believed to have a middle [probability].
    freshest
        A last trade that was older than this when the quote stood is not believed.
    """

    estimator: Literal["mid", "micro"] = "mid"
    widest: Decimal = Decimal("0.10")
    freshest: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Implied:
    """What a quote implies.

    Attributes
    ----------
    probability
        Of YES; None if the rules believe no price in the quote.
    lower, upper
        Nobody whose probability lies between would gain by taking a side of the book, fees and time counted: a model
        inside the band does not disagree with the market. 0 and 1 where a side is missing.
    method
        ``mid``, ``micro``, ``last``, ``shown``, or ``none``.
    note
        Why another method was not taken; empty if there is nothing to say.
    """

    probability: float | None
    lower: float
    upper: float
    method: Method
    note: str = ""

    def disagrees(self, probability: float) -> bool:
        """Whether a probability lies outside the band."""
        return not self.lower <= probability <= self.upper


def implied_probability(
    quote: Quote,
    *,
    rules: Rules | None = None,
    fees: Fees | None = None,
    yearly_rate: float = 0.0,
    settles: datetime | None = None,
) -> Implied:
    """Return the probability that a quote implies.

    The order of belief: the book, if it has two sides no further apart than ``rules.widest``; the last trade, if it is
    fresh and inside the book; what the venue shows, if there is no book at all.

    Money that is locked until settlement is worth less, and that pulls the price of YES and the price of NO down alike,
    so the middle of the book towards a half. With d = exp(-rate × years) a taker of YES at a gains if p d > a, a taker
    of NO at 1 - b gains if (1 - p) d > 1 - b; so b and a bound p by 1 - (1 - b)/d and a/d, and the middle m stands for
    1/2 + (m - 1/2)/d. (Page and Clemen, Economic Journal 123, 2013, find prices of far contracts drawn to a half, as
    this says.) The correction of the middle is held to the width of the book: more than that, and it would be the rate
    that speaks and not the market.

    Parameters
    ----------
    quote
        What was quoted.
    rules
        What is believed.
    fees
        What a taker pays, added to the band.
    yearly_rate
        Continuous interest forgone on locked money, net of what the venue pays [1/year].
    settles
        When the money comes back; needed with a rate.

    Raises
    ------
    DataError
        A rate without a time of settlement, or a settlement before the quote.
    """
    rules, fees = rules or Rules(), fees or Fees()
    worth = _discount(quote, yearly_rate, settles)
    lower, upper = _band(quote, fees, worth)
    price, method, note = _believed(quote, rules)
    if price is None:
        return Implied(None, lower, upper, "none", note)
    given = float(price)
    probability = given + (given - 0.5) * (1 / worth - 1)
    if method in {"mid", "micro"} and quote.spread is not None:
        held = float(quote.spread)
        probability = min(max(probability, given - held), given + held)
    return Implied(min(max(probability, 0.0), 1.0), lower, upper, method, note)


def _discount(quote: Quote, yearly_rate: float, settles: datetime | None) -> float:
    if yearly_rate == 0:
        return 1.0
    if settles is None:
        message = f"{quote.venue} {quote.contract_id}: a rate needs the time of settlement"
        raise DataError(message)
    years = (settles - quote.fetched_at) / _YEAR
    if years < 0:
        message = f"{quote.venue} {quote.contract_id}: settles {settles:%Y-%m-%d}, before it was quoted"
        raise DataError(message)
    return float(np.exp(-yearly_rate * years))


def _band(quote: Quote, fees: Fees, worth: float) -> tuple[float, float]:
    lower, upper = 0.0, 1.0
    if quote.bid is not None:
        lower = 1 - (1 - float(quote.bid - taker_fee(quote.bid, fees))) / worth
    if quote.ask is not None:
        upper = float(quote.ask + taker_fee(quote.ask, fees)) / worth
    return max(lower, 0.0), min(upper, 1.0)


def _believed(quote: Quote, rules: Rules) -> tuple[Decimal | None, Method, str]:
    bid, ask, spread = quote.bid, quote.ask, quote.spread
    if bid is not None and ask is not None and spread is not None:
        if spread < 0:
            return None, "none", f"crossed book: bid {bid} above ask {ask}"
        if spread <= rules.widest:
            if rules.estimator == "micro" and quote.bid_size and quote.ask_size:
                weighted = (ask * quote.bid_size + bid * quote.ask_size) / (quote.bid_size + quote.ask_size)
                return weighted, "micro", ""
            note = "" if rules.estimator == "mid" else "sizes unknown, so the plain middle"
            return (bid + ask) / 2, "mid", note
    why = "no book" if bid is None and ask is None else "one side missing" if spread is None else f"spread {spread}"
    if quote.last is not None and quote.last_at is None:
        why += ", last trade undated"
    elif quote.last is not None and quote.last_at is not None:
        fresh = (quote.time or quote.fetched_at) - quote.last_at <= rules.freshest
        inside = (bid is None or bid <= quote.last) and (ask is None or quote.last <= ask)
        if fresh and inside:
            return quote.last, "last", why
        why += ", last trade " + ("outside the book" if fresh else "too old")
    if bid is None and ask is None and quote.shown is not None:
        return quote.shown, "shown", quote.note
    return None, "none", why


def taker_fee(price: Decimal, fees: Fees) -> Decimal:
    """Return what a taker pays for one contract of a large order: ``rate (P (1 - P)) ** exponent``.

    Kalshi rounds the fee of an order up to the cent, so one contract alone may cost a cent more.
    """
    return fees.rate * (price * (1 - price)) ** fees.exponent


def exclusive(prices: Sequence[float], *, method: Literal["multiplicative", "power", "shin"]) -> np.ndarray:
    """Return probabilities that add up to one from the prices of exclusive, exhaustive outcomes.

    Parameters
    ----------
    prices
        Price of YES on each outcome [outcome], which together exceed 1 by the overround.
    method
        ``multiplicative`` divides by the sum; ``power`` raises to one power k, with sum p^k = 1 (Clarke, Kovalchik and
        Ingram, American Journal of Sports Science 5, 2017); ``shin`` takes a share z of traders to know the outcome,
        p = (sqrt(z² + 4 (1 - z) π²/Π) - z) / (2 (1 - z)) with Π the sum of prices π (Shin, Economic Journal 103, 1993).

    Returns
    -------
    numpy.ndarray
        Probabilities [outcome].

    Raises
    ------
    DataError
        Fewer than two outcomes, a price outside (0, 1), or, for Shin, prices that sum to less than 1.
    """
    given = np.asarray(prices, dtype=float)
    if given.ndim != 1 or given.size < 2 or not np.all((given > 0) & (given < 1)):
        message = f"prices {list(prices)}: exclusive outcomes need two prices or more, each between 0 and 1"
        raise DataError(message)
    if method == "multiplicative":
        return given / given.sum()
    if method == "power":
        return _power(given)
    return _shin(given)


def _power(prices: np.ndarray) -> np.ndarray:
    from scipy.optimize import brentq

    logs = np.log(prices)
    highest = np.log(prices.size) / -logs.max()  # there even the largest has fallen to 1/n; equal prices meet it there
    power = brentq(lambda k: np.exp(k * logs).sum() - 1, 0.0, highest * (1 + _ROUNDING), xtol=1e-14)
    probabilities = np.exp(power * logs)
    return probabilities / probabilities.sum()


def _shin(prices: np.ndarray) -> np.ndarray:
    from scipy.optimize import brentq

    total = prices.sum()
    if abs(total - 1) < _ROUNDING:
        return prices / total
    if total < 1:
        message = f"prices sum to {total:.4f}: Shin's method explains prices above 1, not below; take another"
        raise DataError(message)

    def outcome(z: float) -> np.ndarray:
        return (np.sqrt(z**2 + 4 * (1 - z) * prices**2 / total) - z) / (2 * (1 - z))

    informed = brentq(lambda z: outcome(z).sum() - 1, 0.0, 1 - 1e-9, xtol=1e-14)
    probabilities = outcome(informed)
    return probabilities / probabilities.sum()
