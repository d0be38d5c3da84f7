"""Manifold: play money, an automated market maker, and creators who resolve their own questions.

Read only and without a key. What is easily got wrong: times are milliseconds; there is no book, so its probability is
what it shows and not an order; the history is rebuilt from bets, without redemptions and unfilled limit orders; ``MKT``
resolves to a probability; a market may close in the year 10000.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from forecast.errors import VenueError
from forecast.markets.deadline import read_deadline
from forecast.markets.fields import SHAPE, Milliseconds, Price
from forecast.markets.http import Client, Keep, Params, parse, segment
from forecast.markets.venue import Contract, Fees, Found, PricePoint, Quote, Raw, Resolution, found_in, resolution_of

_BASE = "https://api.manifold.markets/v0"
_PAGE = 1000
_LAST_CLOSE = 4102444800000  # the year 2100, in milliseconds: later closes mean never
_Ending = Literal["YES", "NO", "MKT", "CANCEL"]


class Answer(BaseModel):
    """One answer of a market with several."""

    model_config = SHAPE
    id: str
    text: str
    probability: Price
    resolution: _Ending | None = None
    resolution_probability: Price | None = Field(default=None, alias="resolutionProbability")


class Market(BaseModel):
    """A market, in the shape of 2022 as well as today's."""

    model_config = SHAPE
    id: str
    question: str
    url: str
    rules: str = Field(default="", alias="textDescription")
    description: Any = ""
    kind: str = Field(alias="outcomeType")
    created_at: Milliseconds = Field(alias="createdTime")
    close_time: Milliseconds | None = Field(default=None, alias="closeTime")
    probability: Price | None = None
    answers: tuple[Answer, ...] = ()
    resolved: bool = Field(alias="isResolved")
    resolution: str | None = None
    resolution_probability: Price | None = Field(default=None, alias="resolutionProbability")
    resolved_at: Milliseconds | None = Field(default=None, alias="resolutionTime")
    volume: Decimal | None = None
    liquidity: Decimal | None = Field(default=None, alias="totalLiquidity")

    @field_validator("close_time", mode="before")
    @classmethod
    def _never(cls, value: object) -> object:
        return None if isinstance(value, int) and value > _LAST_CLOSE else value


class Bet(BaseModel):
    """A bet, or what looks like one."""

    model_config = SHAPE
    id: str
    amount: Decimal
    at: Milliseconds = Field(alias="createdTime")
    after: Price = Field(alias="probAfter")
    redemption: bool = Field(default=False, alias="isRedemption")
    answer: str | None = Field(default=None, alias="answerId")


class Manifold:
    """Reader of manifold.markets. A contract is a market's id, or ``market#answer`` where it has several answers."""

    name = "manifold"

    def __init__(self, *, base: str = _BASE, keep: Keep | None = None) -> None:
        self._base = base
        self.client = Client(self.name, per_second=8, keep=keep)

    def search(self, text: str) -> Found:
        """Return the yes-or-no markets that the venue's search finds; their rules come only with :meth:`contract`."""
        url = f"{self._base}/search-markets"
        first: Params = {"term": text, "contractType": "BINARY", "filter": "all", "limit": 100, "offset": 0}
        rows = ((row, raw) for page, raw in self.client.pages(url, first, _next_offset) for row in _rows(page, raw.url))
        return found_in(rows, contract_of)

    def contract(self, contract_id: str) -> Contract:
        """Return a market by its id, or one answer of it."""
        answer, raw = self.client.json(f"{self._base}/market/{segment(contract_id.split('#', maxsplit=1)[0])}")
        return contract_of(answer, raw, contract_id)

    def quote(self, contract: Contract) -> Quote:
        """Return the market maker's probability; nobody bids or asks here."""
        answer, raw = self.client.json(f"{self._base}/market/{segment(contract.id.split('#')[0])}")
        market = parse(Market, answer, venue=self.name, url=raw.url)
        return Quote(
            venue=self.name,
            contract_id=contract.id,
            fetched_at=raw.fetched_at,
            shown=_part(market, contract.key, raw.url)[0],
            volume=market.volume,
            liquidity=market.liquidity,
            note="play money; the market maker's probability, not an order",
        )

    def history(self, contract: Contract, *, start: datetime, end: datetime) -> list[PricePoint]:
        """Return the probability after every bet that moved it."""
        first: Params = {"contractId": contract.id.split("#")[0], "limit": _PAGE}
        points: list[PricePoint] = []
        for page, raw in self.client.pages(f"{self._base}/bets", first, _next_bets):
            points += points_of(_rows(page, raw.url), raw, answer=contract.key)
        return sorted((p for p in points if start <= p.time < end), key=lambda p: p.time)

    def resolution(self, contract: Contract) -> Resolution | None:
        """Return what the creator resolved to, or None while the market is open."""
        return self.contract(contract.id).resolution


def contract_of(market: object, raw: Raw, contract_id: str | None = None) -> Contract:
    """Return the contract in a market, or in the answer of it that ``contract_id`` names after a ``#``."""
    parsed = parse(Market, market, venue=Manifold.name, url=raw.url)
    _, _, key = (contract_id or parsed.id).partition("#")
    _, label, resolution = _part(parsed, key, raw.url)
    rules = parsed.rules or (parsed.description if isinstance(parsed.description, str) else "")
    title = f"{parsed.question} — {label}" if label else parsed.question
    deadline = read_deadline(rules, title, zone="UTC")
    return Contract(
        venue=Manifold.name,
        id=f"{parsed.id}#{key}" if key else parsed.id,
        title=title,
        rules=rules,
        outcomes=("YES", "NO"),
        deadline=deadline.at if deadline else None,
        deadline_text=deadline.text if deadline else "",
        closes_at=parsed.close_time,
        opened_at=parsed.created_at,
        resolution=resolution,
        key=key,
        fees=Fees(),
        url=parsed.url,
        fetched_at=raw.fetched_at,
    )


def points_of(bets: list[Any], raw: Raw, *, answer: str = "") -> list[PricePoint]:
    """Return the probability after each bet, leaving out redemptions and limit orders that nobody filled."""
    every = [parse(Bet, bet, venue=Manifold.name, url=raw.url) for bet in bets]
    real = [bet for bet in every if bet.amount != 0 and not bet.redemption and (bet.answer or "") == answer]
    return [PricePoint(bet.at, bet.at, bet.after) for bet in real if bet.at <= raw.fetched_at]


def _part(market: Market, key: str, url: str) -> tuple[Price, str, Resolution | None]:
    """Return probability, label and resolution of the market itself, or of one of its answers."""
    if not key:
        if market.kind != "BINARY" or market.probability is None:
            came = f"{market.id} is {market.kind} and not yes or no: name one of its answers, as {market.id}#answer"
            raise VenueError(Manifold.name, url, came)
        ending, settled = market.resolution if market.resolved else None, market.resolution_probability
        return market.probability, "", _ended(ending, settled, market, url)
    for answer in market.answers:
        if answer.id == key:
            ended = _ended(answer.resolution, answer.resolution_probability, market, url)
            return answer.probability, answer.text, ended
    raise VenueError(Manifold.name, url, f"{market.id} has no answer {key!r}")


def _ended(ending: str | None, probability: Decimal | None, market: Market, url: str) -> Resolution | None:
    if ending is None:
        return None
    if ending == "CANCEL":
        return Resolution("void", None, market.resolved_at)
    if ending in {"YES", "NO"}:
        return resolution_of(Decimal(ending == "YES"), market.resolved_at)
    if ending == "MKT" and probability is not None:
        return Resolution("scalar", probability, market.resolved_at)
    raise VenueError(
        Manifold.name, url, f"{market.id}: field 'resolution': {ending!r} is not a way to end that is known"
    )


def _rows(page: object, url: str) -> list[Any]:
    if not isinstance(page, list):
        raise VenueError(Manifold.name, url, "no list came; the venue may have changed its answer")
    return page


def _next_offset(page: Any, asked: Params) -> Params | None:
    full = isinstance(page, list) and len(page) >= int(asked["limit"])
    return {**asked, "offset": int(asked["offset"]) + len(page)} if full else None


def _next_bets(page: Any, asked: Params) -> Params | None:
    full = isinstance(page, list) and len(page) >= int(asked["limit"])
    return (
        {**asked, "before": str(page[-1]["id"])} if full and isinstance(page[-1], dict) and "id" in page[-1] else None
    )
