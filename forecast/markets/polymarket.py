"""Polymarket: events and rules from Gamma, order books from the CLOB, histories and settlements from the data service.

Read only and without a key. What is easily got wrong: lists inside Gamma's answers are JSON inside strings; which token
is YES stands in the list of outcomes, not in the order; a closed market vanishes unless ``closed=true`` is asked for;
the end date is not the deadline; a bar of the history is known when it ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import httpx
from pydantic import AliasChoices, BaseModel, Field

from forecast.errors import VenueError
from forecast.markets.deadline import read_deadline
from forecast.markets.fields import SHAPE, Milliseconds, Packed, Price, Seconds, Stamp
from forecast.markets.http import Client, Keep, Params, listed, parse, segment
from forecast.markets.venue import Contract, Fees, Found, PricePoint, Quote, Raw, Resolution, found_in, resolution_of

_GAMMA = "https://gamma-api.polymarket.com"
_CLOB = "https://clob.polymarket.com"
_DATA = "https://data-api.polymarket.com"
_WINDOW = timedelta(days=15)  # the longest that the history gives finely
_HOUR = 3600
_UNSET = Decimal(69)  # UMA's word for "no price yet"


class GammaFees(BaseModel):
    """The block ``feeSchedule`` of a market that takes fees."""

    model_config = SHAPE
    rate: Decimal
    exponent: Decimal = Decimal(1)


class GammaMarket(BaseModel):
    """A market as Gamma gives it, as far as it is used."""

    model_config = SHAPE
    condition_id: str = Field(alias="conditionId")
    question: str
    slug: str
    description: str = ""
    outcomes: Annotated[tuple[str, ...], Packed]
    outcome_prices: Annotated[tuple[Price, ...], Packed] = Field(default=(), alias="outcomePrices")
    tokens: Annotated[tuple[str, ...], Packed] = Field(default=(), alias="clobTokenIds")
    active: bool = True
    closed: bool
    closed_time: Stamp | None = Field(default=None, alias="closedTime")
    end_date: Stamp | None = Field(default=None, alias="endDate")
    start_date: Stamp | None = Field(default=None, alias="startDate")
    status: str | None = Field(default=None, alias="umaResolutionStatus")
    fees_enabled: bool = Field(default=False, alias="feesEnabled")
    fees: GammaFees | None = Field(default=None, alias="feeSchedule")
    volume: Decimal | None = None
    liquidity: Decimal | None = None
    last: Price | None = Field(default=None, alias="lastTradePrice")


class GammaEvent(BaseModel):
    """An event: one or several markets, often the legs of a ladder of dates."""

    model_config = SHAPE
    slug: str
    description: str = ""
    markets: tuple[Any, ...] = ()  # each a market, and read by itself


class BookLevel(BaseModel):
    """A price and what stands at it."""

    model_config = SHAPE
    price: Price
    size: Decimal


class Book(BaseModel):
    """An order book of one token; its time is in milliseconds, as text."""

    model_config = SHAPE
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    timestamp: Milliseconds


class HistoryPoint(BaseModel):
    """A point of the price history; the older service calls its fields ``t`` and ``p``."""

    model_config = SHAPE
    timestamp: Seconds = Field(validation_alias=AliasChoices("timestamp", "t"))
    price: Price = Field(validation_alias=AliasChoices("price", "p"))
    seconds: int = Field(default=0, alias="resolution_seconds")


class Settlement(BaseModel):
    """A settlement by UMA's oracle; a price of 69 means that there is none."""

    model_config = SHAPE
    condition_id: str
    status: str
    price: Decimal
    last_update_timestamp: Seconds


class Polymarket:
    """Reader of polymarket.com. The addresses can be replaced, for a mirror or a test."""

    name = "polymarket"

    def __init__(self, *, gamma: str = _GAMMA, clob: str = _CLOB, data: str = _DATA, keep: Keep | None = None) -> None:
        self._gamma, self._clob, self._data = gamma, clob, data
        self.client = Client(self.name, per_second=10, keep=keep)

    def search(self, text: str) -> Found:
        """Return the contracts of every event that the venue's search finds, open and closed."""
        first: Params = {"q": text, "keep_closed_markets": 1, "limit_per_type": 50, "page": 1}
        legs = (
            (leg, raw)
            for page, raw in self.client.pages(f"{self._gamma}/public-search", first, _next_search_page)
            for event in listed(page, "events", venue=Polymarket.name, url=raw.url)
            for leg in _legs(event, raw)
        )
        return found_in(legs, self._leg)

    def event(self, slug: str) -> list[Contract]:
        """Return every market of an event, such as the legs of a ladder, whether still open or closed."""
        url = f"{self._gamma}/events/slug/{segment(slug)}"
        event, raw = self.client.json(url)
        return self.contracts_of(event, raw)

    def contract(self, contract_id: str) -> Contract:
        """Return a contract by its condition id (``0x…``) or its slug.

        Raises
        ------
        VenueError
            There is none, its rule text is missing, or a field has been renamed.
        """
        market, raw = self._market(contract_id)
        contract = self._contract(market, market.description, raw)
        if not contract.rules:
            raise VenueError(self.name, raw.url, "no rule text: field 'description' is missing or empty")
        return contract

    def quote(self, contract: Contract) -> Quote:
        """Return the best prices of the YES book; what it shows last comes from Gamma, which may be minutes behind.

        A closed market has no book: its quote has neither side, and says so.
        """
        market, told = self._market(contract.id)
        try:
            book, raw = self.client.json(f"{self._clob}/book", {"token_id": contract.key})
        except VenueError as error:
            if error.status != httpx.codes.NOT_FOUND or not market.closed:
                raise
            return _closed(contract.id, told, market)
        return quote_of(contract.id, book, raw, market)

    def history(self, contract: Contract, *, start: datetime, end: datetime) -> list[PricePoint]:
        """Return hourly prices of YES; a point is known when its hour is over."""
        points: list[PricePoint] = []
        opens = start
        while opens < end:
            closes = min(opens + _WINDOW, end)
            points += self._window(contract.key, opens, closes)
            opens = closes
        return points

    def resolution(self, contract: Contract) -> Resolution | None:
        """Return the oracle's settlement, or None while there is none."""
        answer, raw = self.client.json(f"{self._data}/v2/resolutions", {"condition_id": contract.id})
        for row in settlements_of(answer, raw.url):
            if row.condition_id == contract.id and row.status == "resolved" and row.price != _UNSET:
                first = contract.outcomes[0].lower() == "yes"  # a price of 1 pays the first outcome, whatever its name
                return resolution_of(row.price if first else 1 - row.price, row.last_update_timestamp)
        return None

    def contracts_of(self, event: object, raw: Raw) -> list[Contract]:
        """Return the yes-or-no contracts of an event as Gamma gives it, without its empty places."""
        return [contract for leg in _legs(event, raw) if (contract := self._leg(leg, raw)) is not None]

    def _market(self, contract_id: str) -> tuple[GammaMarket, Raw]:
        if not contract_id.startswith("0x"):
            market, raw = self.client.json(f"{self._gamma}/markets/slug/{segment(contract_id)}")
            return parse(GammaMarket, market, venue=self.name, url=raw.url), raw
        url = f"{self._gamma}/markets/keyset"
        for closed in ("false", "true"):  # the default lists open markets only
            page, raw = self.client.json(url, {"condition_ids": contract_id, "closed": closed})
            for market in listed(page, "markets", venue=Polymarket.name, url=raw.url):
                return parse(GammaMarket, market, venue=self.name, url=raw.url), raw
        raise VenueError(self.name, url, f"no market with the condition id {contract_id}: unknown or purged")

    def _leg(self, leg: "_Leg", raw: Raw) -> Contract | None:
        """Return the contract in a market of an event; None if it is an empty place or not yes or no."""
        market = parse(GammaMarket, leg.market, venue=self.name, url=raw.url)
        real = market.active and _yes_or_no(market)
        return self._contract(market, market.description or leg.rules, raw) if real else None

    def _contract(self, market: GammaMarket, rules: str, raw: Raw) -> Contract:
        yes = self._yes(market, raw.url)
        deadline = read_deadline(rules, market.question)
        return Contract(
            venue=self.name,
            id=market.condition_id,
            title=market.question,
            rules=rules,
            outcomes=market.outcomes,
            deadline=deadline.at if deadline else None,
            deadline_text=deadline.text if deadline else "",
            closes_at=market.end_date,
            opened_at=market.start_date,
            resolution=_resolution(market, yes),
            key=market.tokens[yes],
            fees=Fees(market.fees.rate, market.fees.exponent) if market.fees_enabled and market.fees else Fees(),
            url=f"https://polymarket.com/market/{market.slug}",
            fetched_at=raw.fetched_at,
        )

    def _yes(self, market: GammaMarket, url: str) -> int:
        if not _yes_or_no(market):
            raise VenueError(self.name, url, f"{market.slug}: outcomes {market.outcomes} are not one yes and one no")
        for field, values in (("clobTokenIds", market.tokens), ("outcomePrices", market.outcome_prices)):
            if len(values) != len(market.outcomes):
                came = f"{market.slug}: field {field!r}: {len(values)} entries for {len(market.outcomes)} outcomes"
                raise VenueError(self.name, url, came)
        return [name.lower() for name in market.outcomes].index("yes")

    def _window(self, token: str, opens: datetime, closes: datetime) -> Iterator[PricePoint]:
        params: Params = {
            "token_id": token,
            "start": int(opens.timestamp()),
            "end": int(closes.timestamp()),
            "bucket_seconds": _HOUR,
            "limit": 10_000,
        }
        for page, raw in self.client.pages(f"{self._data}/v2/prices-history", params, _next_data_page):
            yield from points_of(page, raw)


@dataclass(frozen=True, slots=True)
class _Leg:
    """A market of an event, not yet read, and the rules of the event, which are its own if it has none."""

    market: object
    rules: str


def _legs(event: object, raw: Raw) -> list[_Leg]:
    parsed = parse(GammaEvent, event, venue=Polymarket.name, url=raw.url)
    return [_Leg(market, parsed.description) for market in parsed.markets]


def quote_of(contract_id: str, book: object, raw: Raw, market: GammaMarket | None = None) -> Quote:
    """Return the quote in an order book; a side without orders is missing."""
    parsed = parse(Book, book, venue=Polymarket.name, url=raw.url)
    bid = max(parsed.bids, key=lambda level: level.price, default=None)
    ask = min(parsed.asks, key=lambda level: level.price, default=None)
    return Quote(
        venue=Polymarket.name,
        contract_id=contract_id,
        fetched_at=raw.fetched_at,
        bid=bid.price if bid else None,
        ask=ask.price if ask else None,
        bid_size=bid.size if bid else None,
        ask_size=ask.size if ask else None,
        last=market.last if market else None,
        time=parsed.timestamp,
        volume=market.volume if market else None,
        liquidity=market.liquidity if market else None,
    )


def _closed(contract_id: str, raw: Raw, market: GammaMarket) -> Quote:
    return Quote(
        venue=Polymarket.name,
        contract_id=contract_id,
        fetched_at=raw.fetched_at,
        last=market.last,
        volume=market.volume,
        liquidity=market.liquidity,
        note="closed, so without an order book",
    )


def points_of(page: Any, raw: Raw) -> list[PricePoint]:
    """Return the points of a page of history that were over when it was fetched."""
    rows = page if isinstance(page, list) else listed(page, "data", venue=Polymarket.name, url=raw.url)
    points = [parse(HistoryPoint, row, venue=Polymarket.name, url=raw.url) for row in rows]
    ended = [PricePoint(p.timestamp, p.timestamp + timedelta(seconds=p.seconds), p.price) for p in points]
    return [point for point in ended if point.known_at <= raw.fetched_at]


def settlements_of(answer: Any, url: str) -> list[Settlement]:
    """Return the settlements in an answer of the data service."""
    rows = answer if isinstance(answer, list) else listed(answer, "data", venue=Polymarket.name, url=url)
    return [parse(Settlement, row, venue=Polymarket.name, url=url) for row in rows]


def _resolution(market: GammaMarket, yes: int) -> Resolution | None:
    if not market.closed or market.status != "resolved" or sum(market.outcome_prices) != 1:
        return None  # some old markets show two zeros; the oracle's record then has the price
    return resolution_of(market.outcome_prices[yes], market.closed_time)


def _yes_or_no(market: GammaMarket) -> bool:
    return sorted(name.lower() for name in market.outcomes) == ["no", "yes"]


def _next_search_page(page: Any, asked: Params) -> Params | None:
    more = isinstance(page, dict) and isinstance(page.get("pagination"), dict) and page["pagination"].get("hasMore")
    return {**asked, "page": int(asked["page"]) + 1} if more else None


def _next_data_page(page: Any, asked: Params) -> Params | None:
    pagination = page.get("pagination") if isinstance(page, dict) else None
    cursor = pagination.get("next_cursor") if isinstance(pagination, dict) else None
    return {**asked, "cursor": cursor} if cursor else None
