"""Kalshi: the exchange's public trade API, version 2.

Read only and without a key. What is easily got wrong: prices are dollar strings; an empty side shows as 0 or 1 and is
told only by its size; what settled some months ago has moved to ``/historical``, with other field names; settlements
may be scalar; trading may go on after the deadline; candles of hours without a trade have no price of their own.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import httpx
from pydantic import AliasChoices, BaseModel, Field

from forecast.errors import VenueError
from forecast.markets.deadline import read_deadline
from forecast.markets.fields import SHAPE, Price, Seconds, Stamp
from forecast.markets.http import Client, Keep, Params, listed, parse, segment
from forecast.markets.venue import (
    Contract,
    Fees,
    Found,
    PricePoint,
    Quote,
    Raw,
    Resolution,
    found_in,
    middle,
    resolution_of,
)

_BASE = "https://external-api.kalshi.com/trade-api/v2"
_FEES = Fees(Decimal("0.07"))
_PERIOD = 60  # minutes of a candle
_WINDOW = timedelta(minutes=_PERIOD * 4000)  # a request may ask for at most 5,000 candles
_SETTLED = ("finalized", "settled")  # "determined" can still be disputed


class Market(BaseModel):
    """A market, live or historical, as far as it is used."""

    model_config = SHAPE
    ticker: str
    event_ticker: str
    title: str
    subtitle: str = Field(default="", alias="yes_sub_title")
    rules_primary: str
    rules_secondary: str = ""
    open_time: Stamp
    close_time: Stamp
    status: str
    result: Literal["yes", "no", "scalar", "void", ""]
    settlement: Price | None = Field(default=None, alias="settlement_value_dollars")
    settled_at: Stamp | None = Field(default=None, alias="settlement_ts")
    yes_bid: Price = Field(alias="yes_bid_dollars")
    yes_ask: Price = Field(alias="yes_ask_dollars")
    bid_size: Decimal = Field(alias="yes_bid_size_fp")
    ask_size: Decimal = Field(alias="yes_ask_size_fp")
    last: Price = Field(alias="last_price_dollars")
    volume: Decimal = Field(alias="volume_fp")
    open_interest: Decimal = Field(alias="open_interest_fp")


class Series(BaseModel):
    """A family of events."""

    model_config = SHAPE
    ticker: str
    title: str


class Trade(BaseModel):
    """The last trade of a candle, if there was one: ``close_dollars`` on the live tier, ``close`` on the historical."""

    model_config = SHAPE
    close: Price | None = Field(default=None, validation_alias=AliasChoices("close_dollars", "close"))


class LastTrade(BaseModel):
    """A trade of the exchange's list, which begins with the newest."""

    model_config = SHAPE
    price: Price = Field(alias="yes_price_dollars")
    at: Stamp = Field(alias="created_time")


class Level(BaseModel):
    """The close of a candle's bid or ask, which is always there."""

    model_config = SHAPE
    close: Price = Field(validation_alias=AliasChoices("close_dollars", "close"))


class Candle(BaseModel):
    """A candle: bid and ask at its end, and the last trade in it if there was one."""

    model_config = SHAPE
    end: Seconds = Field(alias="end_period_ts")
    yes_bid: Level
    yes_ask: Level
    price: Trade


class Kalshi:
    """Reader of the Kalshi exchange."""

    name = "kalshi"

    def __init__(self, *, base: str = _BASE, keep: Keep | None = None) -> None:
        self._base = base
        self.client = Client(self.name, per_second=10, keep=keep)

    def search(self, text: str) -> Found:
        """Return the contracts of every series whose title or ticker holds all words of ``text``.

        The venue has no search: this reads its list of series, then the events of those that fit.
        """
        words = text.lower().split()
        answer, raw = self.client.json(f"{self._base}/series")
        every = [
            parse(Series, s, venue=self.name, url=raw.url)
            for s in listed(answer, "series", venue=Kalshi.name, url=raw.url)
        ]
        fitting = [s.ticker for s in every if all(w in f"{s.title} {s.ticker}".lower() for w in words)]
        markets = (market for ticker in fitting for market in self._series(ticker))
        return found_in(markets, contract_of)

    def event(self, ticker: str) -> list[Contract]:
        """Return every live market of an event, such as the legs of a ladder; those of long ago have moved on."""
        answer, raw = self.client.json(f"{self._base}/events/{segment(ticker)}", {"with_nested_markets": "true"})
        event = answer.get("event") if isinstance(answer, dict) else None
        return [contract_of(market, raw) for market in listed(event, "markets", venue=Kalshi.name, url=raw.url)]

    def contract(self, contract_id: str) -> Contract:
        """Return a contract by its ticker, from the live tier or from the historical one."""
        market, raw = self._market(contract_id)
        return contract_of(market, raw)

    def quote(self, contract: Contract) -> Quote:
        """Return best bid and ask for YES, a side only if somebody stands there."""
        market, raw = self._market(contract.id)
        quote = quote_of(market, raw)
        needs_trade = quote.spread is None and quote.last is not None and contract.resolution is None
        return self._with_trade(quote) if needs_trade else quote

    def _with_trade(self, quote: Quote) -> Quote:
        """Return the quote with the time of its last trade, if the exchange tells one at that price."""
        try:
            answer, raw = self.client.json(f"{self._base}/markets/trades", {"ticker": quote.contract_id, "limit": 1})
            rows = listed(answer, "trades", venue=Kalshi.name, url=raw.url)
            trades = [parse(LastTrade, row, venue=Kalshi.name, url=raw.url) for row in rows[:1]]
        except VenueError:
            return quote  # without its time the trade is not believed, and the rest of the quote stands
        return replace(quote, last_at=trades[0].at) if trades and trades[0].price == quote.last else quote

    def history(self, contract: Contract, *, start: datetime, end: datetime) -> list[PricePoint]:
        """Return hourly bids and asks; the price is their middle, or the last trade of the hour if a side is empty."""
        points: list[PricePoint] = []
        opens = start
        while opens < end:
            closes = min(opens + _WINDOW, end)
            points += self._window(contract, opens, closes)
            opens = closes
        return points

    def resolution(self, contract: Contract) -> Resolution | None:
        """Return how the market was settled, or None while it is not final."""
        return self.contract(contract.id).resolution

    def _market(self, ticker: str) -> tuple[object, Raw]:
        try:
            answer, raw = self.client.json(f"{self._base}/markets/{segment(ticker)}")
        except VenueError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            answer, raw = self.client.json(f"{self._base}/historical/markets/{segment(ticker)}")
        if not isinstance(answer, dict) or "market" not in answer:
            raise VenueError(self.name, raw.url, "field 'market': missing; the venue may have renamed it")
        return answer["market"], raw

    def _series(self, ticker: str) -> Iterator[tuple[object, Raw]]:
        first: Params = {"series_ticker": ticker, "with_nested_markets": "true", "limit": 200}
        for page, raw in self.client.pages(f"{self._base}/events", first, _next_page):
            for event in listed(page, "events", venue=Kalshi.name, url=raw.url):
                for market in listed(event, "markets", venue=Kalshi.name, url=raw.url):
                    yield market, raw

    def _window(self, contract: Contract, opens: datetime, closes: datetime) -> list[PricePoint]:
        asked: Params = {
            "start_ts": int(opens.timestamp()),
            "end_ts": int(closes.timestamp()),
            "period_interval": _PERIOD,
        }
        live = f"{self._base}/series/{segment(contract.key)}/markets/{segment(contract.id)}/candlesticks"
        try:
            answer, raw = self.client.json(live, asked)
        except VenueError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            past = f"{self._base}/historical/markets/{segment(contract.id)}/candlesticks"
            answer, raw = self.client.json(past, asked)
        return candles_of(listed(answer, "candlesticks", venue=Kalshi.name, url=raw.url), raw)


def contract_of(market: object, raw: Raw) -> Contract:
    """Return the contract in a market of either tier."""
    parsed = parse(Market, market, venue=Kalshi.name, url=raw.url)
    deadline = read_deadline(parsed.rules_primary, parsed.title)  # the secondary rules hold dates of clarifications
    return Contract(
        venue=Kalshi.name,
        id=parsed.ticker,
        title=f"{parsed.title} {parsed.subtitle}".strip(),
        rules="\n\n".join(part for part in (parsed.rules_primary, parsed.rules_secondary) if part),
        outcomes=("Yes", "No"),
        deadline=deadline.at if deadline else None,
        deadline_text=deadline.text if deadline else "",
        closes_at=parsed.close_time,
        opened_at=parsed.open_time,
        resolution=_resolution(parsed, raw.url),
        key=parsed.event_ticker.split("-")[0],
        fees=_FEES,
        url=f"https://kalshi.com/markets/{parsed.event_ticker.split('-')[0].lower()}",
        fetched_at=raw.fetched_at,
    )


def quote_of(market: object, raw: Raw) -> Quote:
    """Return the quote in a market. The exchange gives its last trade no time here, and the book none at all."""
    parsed = parse(Market, market, venue=Kalshi.name, url=raw.url)
    bid, ask = parsed.bid_size > 0, parsed.ask_size > 0
    return Quote(
        venue=Kalshi.name,
        contract_id=parsed.ticker,
        fetched_at=raw.fetched_at,
        bid=parsed.yes_bid if bid else None,
        ask=parsed.yes_ask if ask else None,
        bid_size=parsed.bid_size if bid else None,
        ask_size=parsed.ask_size if ask else None,
        last=parsed.last if parsed.volume > 0 else None,
        volume=parsed.volume,
        liquidity=parsed.open_interest,
        note="" if bid and ask else f"no {'bid' if not bid else 'ask'} on the book ({parsed.status})",
    )


def candles_of(rows: list[Any], raw: Raw) -> list[PricePoint]:
    """Return the candles of either tier that had ended when they were fetched."""
    candles = [parse(Candle, row, venue=Kalshi.name, url=raw.url) for row in rows]
    return [_point(candle) for candle in candles if candle.end <= raw.fetched_at]


def _point(candle: Candle) -> PricePoint:
    bid = candle.yes_bid.close or None  # 0 is how a candle writes that nobody bid
    ask = candle.yes_ask.close if candle.yes_ask.close != 1 else None
    price = middle(bid, ask)
    return PricePoint(candle.end, candle.end, candle.price.close if price is None else price, bid, ask)


def _resolution(market: Market, url: str) -> Resolution | None:
    if not market.result or market.status not in _SETTLED:
        return None
    if market.result == "void":
        return Resolution("void", None, market.settled_at)
    value = market.settlement
    if value is None:
        if market.result == "scalar":
            came = f"{market.ticker}: field 'settlement_value_dollars': missing on a scalar settlement"
            raise VenueError(Kalshi.name, url, came)
        value = Decimal(market.result == "yes")
    if market.result == "scalar":
        return Resolution("scalar", value, market.settled_at)
    return resolution_of(value, market.settled_at)


def _next_page(page: Any, asked: Params) -> Params | None:
    cursor = page.get("cursor") if isinstance(page, dict) else None
    return {**asked, "cursor": cursor} if cursor else None
