"""Settling what the ledger holds by what the coded ladders decide."""

from collections.abc import Callable
from datetime import date
from functools import cache

from forecast.case import last_whole_day
from forecast.evaluation.outcomes import Outcome, realised
from forecast.ledger import Forecast
from forecast.ledger.resolution import Finding
from forecast.observations import Vintage

WHO = "data"


def decided_by(vintage: Vintage) -> Callable[[Forecast], Finding | None]:
    """Return what decides a forecast's question given all that is known in a vintage, or None while it is open.

    A forecast whose question has since been worded otherwise is left to a person, as is one asked after the vintage's
    time.
    """
    wordings = {q.id: vintage.case.wording(q) for q in vintage.case.questions}

    @cache
    def outcomes(as_of: date, by: date) -> dict[str, Outcome]:
        return {o.question: o for o in realised(vintage, as_of=as_of, by=[by]) if not o.category}

    def decide(forecast: Forecast) -> Finding | None:
        asked = last_whole_day(forecast.origin)
        if forecast.wording != wordings.get(forecast.question) or asked > vintage.day:
            return None
        return _finding(outcomes(asked, forecast.by)[forecast.question], forecast)

    return decide


def _finding(outcome: Outcome, forecast: Forecast) -> Finding | None:
    if outcome.outcome is None or outcome.decided_on is None or outcome.public_at is None:
        return None
    if outcome.settled_by:
        public_at, reason = outcome.public_at, f"coded from {', '.join(outcome.settled_by)}"
    else:  # in zones west of UTC a date ends after its last week was coded
        public_at, reason = max(outcome.public_at, forecast.deadline), f"nothing of the kind by {outcome.by}"
    return Finding(
        outcome="yes" if outcome.outcome else "no",
        decided_on=outcome.decided_on,
        public_at=public_at,
        reason=reason,
        settled_by=outcome.settled_by,
    )
