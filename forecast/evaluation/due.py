"""Which outcomes may be scored: those of questions that could have been decided either way by now.

An event settles its question when it comes, its absence only once the data reach past the deadline. Of questions of one
age, scored as soon as they are settled, those that an event settled would be scored and the others still be open.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import pandas as pd

from forecast.evaluation.table import DAY_END
from forecast.observations import Vintage
from forecast.observations.ladders import FRIDAY


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the data decide.

    Attributes
    ----------
    until
        Whatever was public by then has been used.
    lasting
        Weeks that a question's event must last, by the question's id; those that need not are left out.
    """

    until: datetime
    lasting: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, vintage: Vintage) -> "Reach":
        """Return how far a vintage decides: to the end of its coding."""
        end = pd.Timestamp(vintage.coded_until).tz_localize("UTC") + DAY_END
        lasting = {q.id: q.lasting_weeks for q in vintage.case.questions if q.lasting_weeks}
        return cls(min(end.to_pydatetime(), vintage.instant), lasting)

    def within(self, until: datetime) -> "Reach":
        """Return the same, no further than to a time."""
        return replace(self, until=min(self.until, until))


def due(table: pd.DataFrame, reach: Reach) -> pd.DataFrame:
    """Take back the outcomes of questions of which nobody could know by now that nothing came.

    That is known when the week (Saturday to Friday) that holds the deadline has been coded whole, with as many more as
    the event must last, and the deadline has passed in the case's time zone, where the table has it.

    Parameters
    ----------
    table
        With ``by``, ``question`` and ``outcome``, and perhaps ``deadline``, an instant.
    reach
        How far the data decide.
    """
    by = pd.to_datetime(table["by"])
    weeks = pd.Series([reach.lasting.get(q, 0) for q in table["question"]], index=table.index, dtype=int)
    days = (FRIDAY - by.dt.day_of_week) % 7 + 7 * weeks
    known = (by + pd.to_timedelta(days, unit="D") + DAY_END).dt.tz_localize("UTC") <= reach.until
    if "deadline" in table:
        known &= pd.to_datetime(table["deadline"], utc=True) <= reach.until
    return table.assign(outcome=table["outcome"].where(known))


def stopped(table: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Stop what is not due at its event, provided that the question was asked again after it.

    Beliefs are a martingale up to an event, the step to certainty included. Without the event only what was asked again
    would show how they fell, so an event after the last asking would be a rise whose counterpart nobody wrote down.

    Parameters
    ----------
    table
        With all outcomes that are known.
    scored
        The same with those alone that are due.
    """
    asked = table.assign(origin=pd.to_datetime(table["origin"], utc=True))
    last = asked.groupby(["forecaster", "case", "question", "by"])["origin"].transform("max")
    seen = pd.to_datetime(table["decided_on"], utc=True) <= last
    return table.assign(outcome=table["outcome"].where(seen | scored["outcome"].notna()))
