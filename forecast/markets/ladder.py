"""A ladder of "by date" contracts as one curve of time to the event.

The legs are cumulative: whoever is paid by October is paid by November. Quotes of separate books need not respect that,
so they are made monotone, nearest in weighted squares, and read as a cumulative incidence whose hazard is constant
between legs. One curve per rule text: legs of different rules are different events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from forecast.errors import DataError

_DAY = timedelta(days=1)
_NARROWEST = 0.005  # half a tick: no book tells a probability more finely
_SURE = 1 - 1e-9  # the log of a survival needs something to survive


@dataclass(frozen=True, slots=True)
class Leg:
    """One contract of a ladder.

    Attributes
    ----------
    deadline
        The event counts until then.
    probability
        What its price implies.
    lower, upper
        The band of its own book; the same number where there is none.
    width
        How wide it is weighted; None for the width of its band. A price without a book needs it, for it has no band to
        say how little it tells.
    """

    deadline: datetime
    probability: float
    lower: float
    upper: float
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """The time to an event, as a ladder prices it.

    Attributes
    ----------
    origin
        When it was priced.
    days
        Deadlines [leg], days after the origin.
    raw
        Implied probabilities as quoted [leg].
    cumulative
        Made monotone [leg].
    lower, upper
        Bands that respect each other [leg]: a leg is worth at least what any earlier one is bid, and at most what any
        later one is offered at.
    hazards
        Constant between legs [leg], per day, from the leg before (or the origin) to this one.
    """

    origin: datetime
    days: np.ndarray
    raw: np.ndarray
    cumulative: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    hazards: np.ndarray

    def by(self, when: datetime) -> float:
        """Return the probability of the event by an instant; NaN after the last leg, which nobody has priced."""
        return float(self.at((when - self.origin) / _DAY))

    def at(self, days: float | np.ndarray) -> np.ndarray:
        """Return the probability of the event by some days after the origin, in any shape.

        Between legs the hazard is constant: 1 - exp(-H), with H the hazard added up. 0 before the origin, NaN after the
        last leg.
        """
        asked = np.asarray(days, dtype=float)
        marks = np.concatenate([[0.0], self.days])
        totals = np.concatenate([[0.0], -np.log1p(-np.minimum(self.cumulative, _SURE))])
        within = -np.expm1(-np.interp(asked, marks, totals))
        return np.where(asked > self.days[-1], np.nan, within)

    @property
    def moved(self) -> float:
        """The furthest that a leg had to be moved to make the ladder monotone [probability]."""
        return float(np.abs(self.cumulative - self.raw).max())


def fit_curve(origin: datetime, legs: Sequence[Leg]) -> Curve:
    """Make a ladder monotone and read it as a time to the event.

    Weighted isotonic regression (pool adjacent violators; Barlow and Brunk, 1972), a leg weighing 1/width²: where the
    book is wide, or where there is none, the price says little. P(first in interval k) = F_k - F_(k-1), and the hazard
    of the interval is -log((1 - F_k) / (1 - F_(k-1))) / days.

    Parameters
    ----------
    origin
        When the legs were priced.
    legs
        In any order.

    Raises
    ------
    DataError
        No legs, two with the same deadline, one whose deadline has passed, or a price outside [0, 1].
    """
    from scipy.optimize import isotonic_regression

    ordered = sorted(legs, key=lambda leg: leg.deadline)
    _check(origin, ordered)
    days = np.array([(leg.deadline - origin) / _DAY for leg in ordered])
    raw = np.array([leg.probability for leg in ordered])
    width = np.array([max(leg.upper - leg.lower if leg.width is None else leg.width, _NARROWEST) for leg in ordered])
    cumulative = np.clip(isotonic_regression(raw, weights=width**-2.0).x, 0.0, 1.0)
    survived = -np.log1p(-np.minimum(cumulative, _SURE))
    return Curve(
        origin=origin,
        days=days,
        raw=raw,
        cumulative=cumulative,
        lower=np.maximum.accumulate([leg.lower for leg in ordered]),
        upper=np.minimum.accumulate([leg.upper for leg in ordered][::-1])[::-1],
        hazards=np.diff(survived, prepend=0.0) / np.diff(days, prepend=0.0),
    )


def _check(origin: datetime, legs: Sequence[Leg]) -> None:
    if not legs:
        message = "a ladder needs legs"
        raise DataError(message)
    for leg, following in zip(legs, [*legs[1:], None], strict=True):
        where = f"the leg of {leg.deadline:%Y-%m-%d %H:%M}"
        if leg.deadline <= origin:
            message = f"{where}: its deadline has passed by {origin:%Y-%m-%d %H:%M}; leave it out"
            raise DataError(message)
        if following is not None and leg.deadline == following.deadline:
            message = f"{where} stands twice; one ladder has one rule text and one leg a date"
            raise DataError(message)
        if not 0 <= leg.lower <= leg.upper <= 1 or not 0 <= leg.probability <= 1:
            message = f"{where}: {leg.probability} in [{leg.lower}, {leg.upper}] is no probability in a band"
            raise DataError(message)
