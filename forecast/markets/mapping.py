"""How a case's contracts map to its events: ``markets.toml``.

A title is not an event. Each mapping says which of the case's events a contract is about, how its rules differ from the
event's in eight respects, and what that difference is worth: how likely the contract pays if the event comes by its
deadline, and if it does not. Contracts that nobody has mapped are listed, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from forecast.case import Case
from forecast.errors import CaseError, at
from forecast.files import read_toml
from forecast.markets.implied import Implied, Rules
from forecast.markets.ladder import Curve, Leg, fit_curve
from forecast.markets.tables import read_contracts
from forecast.markets.venue import Contract

FILE = "markets.toml"

_STRICT = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
_APART = 0.02  # the two conditional probabilities of a contract that says anything at all
_TICK = 0.01  # a price without a book is known to about the cent
_NO_BOOK = float(Rules().widest)  # such a price is weighted as that of the widest book that is believed
_GRID = (1 - np.cos(np.linspace(0, np.pi, 501))) / 2  # probabilities of the event that are tried, densely near 0 and 1
_NODES = 96  # quadrature over P(YES | no event), in its quantiles
_TAIL, _LEAST = 0.01, 1e-14  # and in the logarithm of what is left of either tail, so that a far price finds its nodes
_TAIL_NODES = 32


class Compared(BaseModel):
    """The contract's rules beside the event's, in the eight respects in which they can differ."""

    model_config = _STRICT
    actors: str = Field(min_length=3)
    act: str = Field(min_length=3)
    threshold: str = Field(min_length=3)
    geography: str = Field(min_length=3)
    source: str = Field(min_length=3)
    deadline: str = Field(min_length=3)
    carve_outs: str = Field(min_length=3)
    void: str = Field(min_length=3)


class Belief(BaseModel):
    """A probability that the contract pays, as a beta distribution with its reason."""

    model_config = _STRICT
    alpha: float = Field(gt=0)
    beta: float = Field(gt=0)
    rationale: str = Field(min_length=10)

    @property
    def mean(self) -> float:
        """Expected probability."""
        return self.alpha / (self.alpha + self.beta)


class MappedLeg(BaseModel):
    """A contract and the last instant at which the event counts under its rules."""

    model_config = _STRICT
    contract: str
    by: AwareDatetime


class Mapping(BaseModel):
    """One contract, or a ladder of contracts whose rules differ in nothing but the date.

    ``pays_on`` says whether YES is that something happens by the date, or that it does not. ``group`` names mappings
    that are to be shown side by side, such as one occurrence under several venues' rules. ``stated_on`` is the day on
    which the beliefs were put down: a comparison as of an earlier day uses hindsight. After ``until`` they do not hold.
    """

    model_config = _STRICT
    id: str
    venue: Literal["polymarket", "kalshi", "manifold", "metaculus", "infer"]
    event: str
    relation: Literal["same", "narrower", "wider", "overlapping"]
    label: str
    pays_on: Literal["occurrence", "absence"] = "occurrence"
    group: str = ""
    stated_on: date
    until: date | None = None
    compared: Compared
    yes_if_event: Belief
    yes_if_not: Belief
    legs: tuple[MappedLeg, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _telling(self) -> "Mapping":
        if abs(self.yes_if_event.mean - self.yes_if_not.mean) < _APART:
            message = "yes_if_event and yes_if_not have the same mean: the contract would say nothing about the event"
            raise ValueError(message)
        deadlines = [leg.by for leg in self.legs]
        if deadlines != sorted(set(deadlines)):
            message = "legs must stand in the order of their deadlines, one for each"
            raise ValueError(message)
        return self

    def holds_at(self, when: datetime) -> bool:
        """Whether the beliefs are meant for quotes of that instant."""
        return self.until is None or when.astimezone(UTC).date() <= self.until

    def worth(self, event: float) -> float:
        """Return what the contract is worth if our event has this probability: x E s + (1 - x) E f."""
        return event * self.yes_if_event.mean + (1 - event) * self.yes_if_not.mean

    @property
    def is_ladder(self) -> bool:
        """Whether it has several legs."""
        return len(self.legs) > 1


class _File(BaseModel):
    model_config = _STRICT
    mappings: tuple[Mapping, ...] = ()


@dataclass(frozen=True, slots=True)
class EventProbability:
    """What a price implies for the case's event, under the uncertainty of the mapping.

    Attributes
    ----------
    median
        Of the probability of the event.
    lower, upper
        Its central 80 % interval.
    naive
        (price - E f) / (E s - E f) with s and f the two conditional probabilities: not held to [0, 1].
    clipped
        ``low`` or ``high`` if ``naive`` lies outside [0, 1], else empty.
    note
        What that means; empty if there is nothing to say.
    """

    median: float
    lower: float
    upper: float
    naive: float
    clipped: Literal["", "low", "high"]
    note: str


def load_mappings(case: Case) -> tuple[Mapping, ...]:
    """Return the mappings of a case; none if it has no ``markets.toml``.

    Raises
    ------
    CaseError
        The file is not TOML or breaks the schema, or a mapping names an event that the case does not ask about, a
        contract that is not in its table, or a deadline that is not the contract's. File and entry are named.
    """
    path = case.folder / FILE
    if not path.exists():
        return ()
    mappings = _read(path)
    contracts = {(c.venue, c.id): c for c in read_contracts(case)}
    events = {question.event for question in case.questions}
    ids = [mapping.id for mapping in mappings]
    seen: set[tuple[str, str]] = set()
    for mapping in mappings:
        where = at(path, field=f"mappings.{mapping.id}")
        if ids.count(mapping.id) > 1:
            raise CaseError(f"{where}: declared twice; one entry a mapping")
        if mapping.event not in events:
            raise CaseError(
                f"{where}: no question of the case has the event {mapping.event!r}: {', '.join(sorted(events))}"
            )
        for leg in mapping.legs:
            _check_leg(where, mapping, leg, contracts)
            if (leg.contract, mapping.event) in seen:
                raise CaseError(f"{where}: {leg.contract} is mapped to {mapping.event} twice; keep one")
            seen.add((leg.contract, mapping.event))
    return mappings


def unmapped(contracts: Sequence[Contract], mappings: Sequence[Mapping]) -> list[Contract]:
    """Return the contracts that no mapping names."""
    named = {(mapping.venue, leg.contract) for mapping in mappings for leg in mapping.legs}
    return [contract for contract in contracts if (contract.venue, contract.id) not in named]


def quoted_curve(mapping: Mapping, implied: dict[str, Implied], *, origin: datetime) -> Curve | None:
    """Return a ladder as it is priced, under its own rules and not the event's: a time to what its contracts ask.

    Parameters
    ----------
    mapping
        The ladder. Where it pays on absence, the curve is that of NO.
    implied
        What the quotes imply, by contract; legs without a probability, and those that are over, are left out.
    origin
        When they were priced.

    Returns
    -------
    Curve or None
        None if no leg is left.
    """
    legs = []
    for leg in mapping.legs:
        quote = implied.get(leg.contract)
        if quote is None or quote.probability is None or leg.by <= origin:
            continue
        lower, upper = min(quote.lower, quote.probability), max(quote.upper, quote.probability)
        if quote.method == "shown":
            lower = upper = quote.probability  # no book, so no band
        width = _NO_BOOK if quote.method in {"shown", "last"} else None
        if mapping.pays_on == "absence":
            legs.append(Leg(leg.by, 1 - quote.probability, 1 - upper, 1 - lower, width))
        else:
            legs.append(Leg(leg.by, quote.probability, lower, upper, width))
    return fit_curve(origin, legs) if legs else None


def implied_event_probability(implied: Implied, mapping: Mapping) -> EventProbability:
    """Return the probability of the case's event that a price implies, the mapping's uncertainty counted.

    With x the probability of the event by the contract's deadline, s = P(YES | event) and f = P(YES | no event), the
    contract is worth y = x s + (1 - x) f. Knowing that y lies in the band [l, u], and nothing of x beforehand,

        p(x) ∝ ∫ p(f) [ F_s((u - (1 - x) f) / x) - F_s((l - (1 - x) f) / x) ] df,

    with F_s the distribution function of s. So a pair (s, f) that could not have made the price loses its say, rather
    than being clipped to an end, and a contract that tells the event from its absence badly gives a wide interval. The
    integral is taken by Gauss–Legendre in the quantiles of f, x on a grid: no draws, so no seed.

    Parameters
    ----------
    implied
        What the quote implies for YES, with its band.
    mapping
        The beliefs about s and f.

    Raises
    ------
    CaseError
        There is no probability in the quote.
    """
    if implied.probability is None:
        raise CaseError(f"mapping {mapping.id}: the quote implies no probability ({implied.note})")
    price = implied.probability
    lower, upper = min(implied.lower, price), max(implied.upper, price)
    if implied.method in {"shown", "last"} or upper - lower < _TICK:
        lower, upper = max(price - _TICK / 2, 0.0), min(price + _TICK / 2, 1.0)
    median, low, high = _quantiles(_density(lower, upper, mapping))
    hit, false = mapping.yes_if_event.mean, mapping.yes_if_not.mean
    naive = (price - false) / (hit - false)
    clipped: Literal["", "low", "high"] = "low" if naive < 0 else "high" if naive > 1 else ""
    return EventProbability(median, low, high, naive, clipped, _explained(clipped, price, hit, false))


def _density(lower: float, upper: float, mapping: Mapping) -> np.ndarray:
    """Return the weight of each probability of the event on the grid, given that the price lies in the band."""
    false, weights = _nodes(mapping.yes_if_not)
    x = _GRID[1:, None]
    ends = (np.clip((price - (1 - x) * false) / x, 0, 1) for price in (lower, upper))
    never = _between(mapping.yes_if_not, np.array(lower), np.array(upper))
    density = np.append(never, _between(mapping.yes_if_event, *ends) @ weights)
    if not density.sum() > 0:
        message = (
            f"mapping {mapping.id}: no P(YES | event) and P(YES | no event) that are believed possible make a price in "
            f"[{lower:.3f}, {upper:.3f}]; look at the two beliefs again"
        )
        raise CaseError(message)
    return density


def _nodes(belief: Belief) -> tuple[np.ndarray, np.ndarray]:
    """Return values of a belief and their weights in a mean over it, its far tails included."""
    from scipy.special import betainccinv, betaincinv

    a, b = belief.alpha, belief.beta
    t, w = np.polynomial.legendre.leggauss(_NODES)
    middle, share = 0.5 + (0.5 - _TAIL) * t, (0.5 - _TAIL) * w
    t, w = np.polynomial.legendre.leggauss(_TAIL_NODES)
    half = np.log(_TAIL / _LEAST) / 2
    left = np.exp(np.log(_LEAST) + half * (t + 1))  # what is left of the tail
    values = [betaincinv(a, b, left), betaincinv(a, b, middle), betainccinv(a, b, left)]
    return np.concatenate(values), np.concatenate([half * w * left, share, half * w * left])


def _between(belief: Belief, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return the probability that a belief puts between two values, by its nearer tail: at the far one it cancels."""
    from scipy.special import betainc

    turned = lower > belief.mean
    a, b = np.where(turned, belief.beta, belief.alpha), np.where(turned, belief.alpha, belief.beta)
    first, second = np.where(turned, 1 - upper, lower), np.where(turned, 1 - lower, upper)
    return betainc(a, b, second) - betainc(a, b, first)


def _quantiles(density: np.ndarray) -> tuple[float, float, float]:
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(_GRID))])
    median, low, high = np.interp([0.5, 0.1, 0.9], mass / mass[-1], _GRID)
    return float(median), float(low), float(high)


def _explained(clipped: Literal["", "low", "high"], price: float, hit: float, false: float) -> str:
    """Say what it means that the mean beliefs cannot make the price."""
    if not clipped:
        return ""
    least, most = min(hit, false), max(hit, false)
    where = f"below {least:.3f}, the least" if price < least else f"above {most:.3f}, the most"
    verdict = "unlikely" if clipped == "low" else "likely"
    return (
        f"the price {price:.3f} is {where} that the contract is expected to be worth whatever the event does: it "
        f"speaks about the contract's own terms, and of the event it says no more than {verdict}"
    )


def _read(path: Path) -> tuple[Mapping, ...]:
    content = read_toml(path, CaseError)
    try:
        return _File.model_validate(content).mappings
    except ValidationError as error:
        raise CaseError(f"{_place(path, content, error)}") from None


def _place(path: Path, content: dict[str, Any], error: ValidationError) -> str:
    first, *rest = error.errors()
    parts = [str(part) for part in first["loc"]]
    if len(parts) > 1 and parts[0] == "mappings":
        entry = content["mappings"][int(parts[1])]
        parts[1] = str(entry["id"]) if isinstance(entry, dict) and "id" in entry else f"entry {int(parts[1]) + 1}"
    more = f" (and {len(rest)} more)" if rest else ""
    return f"{at(path, field='.'.join(parts))}: {first['msg'].removeprefix('Value error, ')}{more}"


def _check_leg(where: str, mapping: Mapping, leg: MappedLeg, contracts: dict[tuple[str, str], Contract]) -> None:
    contract = contracts.get((mapping.venue, leg.contract))
    if contract is None:
        raise CaseError(f"{where}: no contract {leg.contract!r} of {mapping.venue} in the case's table of contracts")
    if contract.deadline is not None and contract.deadline != _utc(leg.by):
        raise CaseError(
            f"{where}: {leg.contract} by {_utc(leg.by):%Y-%m-%dT%H:%MZ}, but its rules say "
            f"{contract.deadline:%Y-%m-%dT%H:%MZ} ({contract.deadline_text or 'in the table'})"
        )


def _utc(when: datetime) -> datetime:
    return when.astimezone(UTC)
