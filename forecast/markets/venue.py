"""What a venue is and what it tells, as plain data; the same whether it was read just now or stands in a case's tables.

Prices are decimals between 0 and 1, in the venue's own digits. All times are UTC. A side of a book that nobody stands
on is None: never 0, never 1.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from forecast.errors import VenueError

Outcome = Literal["yes", "no", "scalar", "void"]


@dataclass(frozen=True, slots=True)
class Raw:
    """The bytes of one answer, kept before anybody reads meaning into them."""

    url: str
    fetched_at: datetime
    status: int
    sha256: str
    body: bytes

    @classmethod
    def of(cls, url: str, fetched_at: datetime, status: int, body: bytes) -> "Raw":
        """Return the record of an answer, with its hash."""
        return cls(url, fetched_at, status, hashlib.sha256(body).hexdigest(), body)


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a contract ended.

    Attributes
    ----------
    outcome
        ``yes``, ``no``, ``scalar`` (it paid something between) or ``void`` (annulled: it says nothing).
    value
        What YES paid, in [0, 1]; None if void.
    settled_at
        When the venue settled. The event was public before, and the settlement may have been known later.
    """

    outcome: Outcome
    value: Decimal | None
    settled_at: datetime | None


def resolution_of(value: Decimal, settled_at: datetime | None) -> Resolution:
    """Return the resolution of a contract that paid ``value`` in [0, 1] for YES."""
    outcome: Outcome = "yes" if value == 1 else "no" if value == 0 else "scalar"
    return Resolution(outcome, value, settled_at)


@dataclass(frozen=True, slots=True)
class Contract:
    """One yes-or-no question of a venue.

    Attributes
    ----------
    venue, id
        Together the key of the contract.
    title
        What the venue calls it. Never enough to say what pays.
    rules
        The text that says what pays, with its clarifications; its digest is :attr:`rules_sha256`.
    outcomes
        Names of the outcomes, in the venue's order.
    deadline
        The last instant at which the event counts, read from the rules; None if they do not say it plainly.
    deadline_text
        The words from which it was read.
    closes_at
        End of trading as the venue states it: often not the deadline.
    opened_at
        Start of trading.
    resolution
        How it ended; None while it is open.
    key
        What the venue's own history is asked for: a token, a series, an answer.
    fees
        What a taker pays.
    url, fetched_at
        Where it stands; when it was read.
    """

    venue: str
    id: str
    title: str
    rules: str
    outcomes: tuple[str, ...]
    deadline: datetime | None
    deadline_text: str
    closes_at: datetime | None
    opened_at: datetime | None
    resolution: Resolution | None
    key: str
    fees: "Fees"
    url: str
    fetched_at: datetime

    @property
    def rules_sha256(self) -> str:
        """SHA-256 of the rule text: a change of the rules shows as a change of this."""
        return hashlib.sha256(self.rules.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Fees:
    """What a taker pays for one contract at price P: ``rate * (P (1 - P)) ** exponent``, as venues state it."""

    rate: Decimal = Decimal(0)
    exponent: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a contract stood at.

    Attributes
    ----------
    bid, ask
        Best prices for YES; None where nobody stands.
    bid_size, ask_size
        Contracts at those prices.
    last, last_at
        Last trade, and when; the time is None where the venue does not tell.
    shown
        The venue's own probability where it is not an order: an automated market maker's, a community's median, or
        what a data set printed.
    time
        When it stood so, by the venue's clock; None where it does not tell.
    fetched_at
        When it was read, or, in a case's tables, from when it was public. What an as-of time is compared with.
    volume, liquidity
        As the venue reports them, in its money.
    note
        Why something is missing.
    """

    venue: str
    contract_id: str
    fetched_at: datetime
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None
    last_at: datetime | None = None
    shown: Decimal | None = None
    time: datetime | None = None
    volume: Decimal | None = None
    liquidity: Decimal | None = None
    note: str = ""

    @property
    def spread(self) -> Decimal | None:
        """Ask less bid; None if a side is missing."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid


@dataclass(frozen=True, slots=True)
class PricePoint:
    """One point of a price history.

    Attributes
    ----------
    time
        When the price stood: of a bar, its end.
    known_at
        When anybody could first have known it: the end of a bar, the reveal of a hidden prediction.
    price
        The venue's price, or the middle of bid and ask; None if there was neither.
    bid, ask
        Best prices, where the venue keeps them.
    """

    time: datetime
    known_at: datetime
    price: Decimal | None
    bid: Decimal | None = None
    ask: Decimal | None = None


def known_points(points: Iterable[PricePoint], *, when: datetime) -> list[PricePoint]:
    """Return the points that could be known at an instant, oldest first.

    Venues fill their histories in later, and label bars by their start: a point is kept by ``known_at``, never by its
    own stamp.
    """
    return sorted((p for p in points if p.known_at <= when), key=lambda p: (p.time, p.known_at))


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and a line for every item of it that could not be read."""

    contracts: tuple[Contract, ...]
    failures: tuple[str, ...] = ()


def found_in[Item](items: Iterable[tuple[Item, Raw]], read: Callable[[Item, Raw], Contract | None]) -> Found:
    """Read the items of a search, each with the answer it stands in, and put those aside that cannot be read.

    Parameters
    ----------
    items
        As they come; the pages they stand on are asked for in passing.
    read
        Gives the contract in an item; None if it is none that is meant.

    Raises
    ------
    VenueError
        The listing itself fails, or nothing in it can be read.
    """
    contracts: list[Contract] = []
    failures: list[VenueError] = []
    for item, raw in items:
        try:
            contract = read(item, raw)
        except VenueError as error:
            failures.append(error)
        else:
            contracts += [contract] if contract is not None else []
    if failures and not contracts:
        raise failures[0]
    return Found(tuple(contracts), tuple(map(str, failures)))


class Venue(Protocol):
    """A venue that can be read. Nothing here trades, and nothing asks for a key that could."""

    name: str

    def search(self, text: str) -> Found:
        """Return the contracts whose words fit, open ones and closed ones."""

    def contract(self, contract_id: str) -> Contract:
        """Return one contract with its rule text."""

    def quote(self, contract: Contract) -> Quote:
        """Return what it stands at now."""

    def history(self, contract: Contract, *, start: datetime, end: datetime) -> list[PricePoint]:
        """Return its prices between two instants, as far as they could be known by now."""

    def resolution(self, contract: Contract) -> Resolution | None:
        """Return how it ended, or None if it has not."""


def middle(bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    """Return the middle of a two-sided book, or None."""
    return None if bid is None or ask is None else (bid + ask) / 2
