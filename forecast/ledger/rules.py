"""What may enter a ledger: no forecast of a closed question, no resolution before its fact was public."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from forecast.case import last_whole_day
from forecast.errors import LedgerError
from forecast.ledger.records import Forecast, Instance, Record, Resolution, instant_text

# A forecast counts as published if it was recorded within a week of its as-of time: one round of a weekly report.
PUBLISHED_WITHIN = timedelta(days=7)

# Outcomes that nothing but the passing of the deadline can decide.
_ONLY_AT_DEADLINE = {
    "deal": "no",
    "deal_limited": "no",
    "deal_comprehensive": "no",
    "deal_lasting": "no",
    "escalation": "no",
    "neither": "yes",
}


def is_published(forecast: Forecast, now: datetime) -> bool:
    """Whether a forecast recorded now was issued at its time, before its question closed."""
    return now < forecast.deadline and now <= forecast.origin + PUBLISHED_WITHIN


def check_new(records: Sequence[Record], past: Callable[[str], Iterable[Record]], *, now: datetime) -> None:
    """Refuse what must not enter.

    Parameters
    ----------
    records
        About to be appended.
    past
        Kind to the records of that kind in the ledger so far; asked only for what has to be compared.
    now
        The time of recording.

    Raises
    ------
    LedgerError
        A published forecast whose question has closed or whose as-of time is long past; a resolution of something
        never forecast, of a fact not public yet, or at odds with the dates of its question.
    """
    published = [r for r in records if isinstance(r, Forecast) and r.label == "published"]
    resolutions = [r for r in records if isinstance(r, Resolution)]
    if published:
        settled = {r.instance: r for r in past("resolution") if isinstance(r, Resolution)}
        for forecast in published:
            _check_open(forecast, settled.get(forecast.instance), now)
    if resolutions:
        asked = {r.instance: r for r in (*past("forecast"), *records) if isinstance(r, Forecast)}
        for resolution in resolutions:
            _check_resolution(resolution, asked.get(resolution.instance), now)


def _check_open(forecast: Forecast, settled: Resolution | None, now: datetime) -> None:
    if settled is not None:
        message = f"{_name(forecast.instance)}: already settled as {settled.outcome}; the question is closed"
        raise LedgerError(message)
    if now >= forecast.deadline:
        message = (
            f"{_name(forecast.instance)}: the question closed at {instant_text(forecast.deadline)}, before the "
            "forecast was recorded; it can only be a reconstructed one"
        )
        raise LedgerError(message)
    if not is_published(forecast, now):
        message = (
            f"{_name(forecast.instance)}: recorded more than {PUBLISHED_WITHIN.days} days after its as-of time; it can "
            "only be a reconstructed one"
        )
        raise LedgerError(message)


def _check_resolution(resolution: Resolution, forecast: Forecast | None, now: datetime) -> None:
    name = _name(resolution.instance)
    if forecast is None:
        message = f"{name}: no such forecast in the ledger, so there is nothing to settle"
        raise LedgerError(message)
    if resolution.public_at > now:
        message = (
            f"{name}: settled by something public only at {instant_text(resolution.public_at)}, which is yet to come; "
            "settle it then"
        )
        raise LedgerError(message)
    if resolution.outcome == "void":
        return
    if resolution.public_at < datetime.combine(resolution.decided_on, datetime.min.time(), UTC) - timedelta(days=1):
        message = f"{name}: public at {instant_text(resolution.public_at)}, yet decided on {resolution.decided_on}"
        raise LedgerError(message)
    if resolution.decided_on < last_whole_day(resolution.origin):
        message = f"{name}: decided on {resolution.decided_on}, before the forecast's as-of time"
        raise LedgerError(message)
    if resolution.outcome == _ONLY_AT_DEADLINE.get(forecast.event) and resolution.public_at < forecast.deadline:
        message = (
            f"{name}: cannot be settled as {resolution.outcome} before the deadline {instant_text(forecast.deadline)}; "
            "something may happen yet"
        )
        raise LedgerError(message)
    late = resolution.decided_on > resolution.by and forecast.event != "deal_lasting"
    if resolution.outcome == "yes" and late:
        message = f"{name}: decided on {resolution.decided_on}, after the deadline, so it cannot be yes"
        raise LedgerError(message)


def _name(instance: Instance) -> str:
    return f"{instance.case} {instance.question} by {instance.by} as of {instant_text(instance.origin)}"
