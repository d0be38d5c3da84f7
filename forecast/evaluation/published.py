"""What a ledger has of a case's published forecasts, as a table to score: which count, and how each was settled.

Of several forecasts that one rung published of one question at one origin by one date the first counts; the others are
reissues, listed and not scored. So is a question that was worded anew for the same origin: the first wording counts.

An issue recorded after an event had settled one of its questions in public was no forecast of it. It is left out whole:
without those rows alone, the questions of that origin that nothing had settled would be scored.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from forecast.case import last_whole_day
from forecast.errors import LedgerError
from forecast.evaluation.table import add_clusters
from forecast.ledger import Forecast, Instance, Ledger, Resolution, read_entries, verify
from forecast.ledger.database import exists
from forecast.ledger.records import DATA
from forecast.ledger.resolution import Finding, by_instance, resolution_of

STATES = ("open", "settled", "disputed", "void", "closed", "overtaken")
COLUMNS = (
    "label",
    "forecaster",
    "case",
    "question",
    "event",
    "origin",
    "by",
    "deadline",
    "probability",
    "state",
    "outcome",
    "decided_on",
    "public_at",
    "settled_by",
    "who",
    "reason",
)
_YES_NO = {"yes": 1.0, "no": 0.0}


@dataclass(frozen=True, slots=True)
class Published:
    """A case's published forecasts.

    Attributes
    ----------
    table
        ``COLUMNS`` and ``cluster``, one row a forecast that counts. ``outcome`` is 1 or 0 where ``state`` is
        ``settled``, else missing: ``open``, ``void``, ``disputed`` (resolutions with unlike outcomes), ``closed``
        (decided on the day of its origin or before, so that it was no forecast), ``overtaken`` (of an issue recorded
        when one of its questions had been settled in public since its origin).
    disputes
        The disputed forecasts under each resolution they have, in order: the same columns and ``reading``, 0 for the
        first resolution; ``outcome`` is missing where that is void, or decided it by the day of the origin.
    reissues
        Later forecasts of what was forecast already, by the same rung: plain rows.
    late
        Forecasts in the ledger that were recorded too late to count as published.
    unrecorded
        Forecasts that count and whose outcome is what the data decide, without a resolution in the ledger yet.
    """

    table: pd.DataFrame
    disputes: pd.DataFrame
    reissues: list[dict[str, Any]]
    late: int
    unrecorded: int = 0


@dataclass(frozen=True, slots=True)
class _Issued:
    """A forecast and when it was recorded, which all forecasts of an issue share."""

    forecast: Forecast
    at: datetime


def read_published(
    ledger: Ledger,
    case: str,
    *,
    known_at: datetime | None = None,
    decide: Callable[[Forecast], Finding | None] | None = None,
) -> Published:
    """Read a case's published forecasts and what became of them.

    Parameters
    ----------
    ledger
        One that need not be there: it then has none.
    case
        Id of the case.
    known_at
        Leave out what was issued later, and resolutions by what was public later; default: nothing.
    decide
        What the data decide (:func:`forecast.evaluation.resolve.decided_by`), for what nobody has settled: an event
        that was entered would else be scored while its absence waits for the next ``forecast resolve``.

    Raises
    ------
    LedgerError
        The ledger does not verify: nothing is scored from a record that somebody has changed.
    """
    if problems := verify(ledger).problems if exists(ledger) else ():
        message = f"{ledger.place}: {problems[0]}; no track record is made from it. Run `forecast ledger verify`"
        raise LedgerError(message)
    limit = known_at or datetime.max.replace(tzinfo=UTC)
    entries = [e for e in read_entries(ledger) if _known_from(e.record) <= limit]
    records = [(e.record, datetime.fromisoformat(e.recorded_at)) for e in entries if e.kind == "forecast"]
    mine = [_Issued(r, at) for r, at in records if isinstance(r, Forecast) and r.case == case]
    firsts, reissues = _first_of_each(i for i in mine if i.forecast.label == "published")
    counted = [i.forecast for i in firsts]
    recorded = by_instance(entries)
    found = _found(counted, recorded, decide, limit)
    settled = recorded | found
    overtaken = _overtaken(firsts, settled)
    table = _framed([_row(i.forecast, settled.get(i.forecast.instance, ()), i.at in overtaken) for i in firsts])
    disputed = [f for f, state in zip(counted, table["state"], strict=True) if state == "disputed"]
    readings = [
        _read(f, resolution) | {"reading": number}
        for f in disputed
        for number, resolution in enumerate(settled[f.instance])
    ]
    late = sum(i.forecast.label != "published" for i in mine)
    unrecorded = sum(f.instance in found for f in counted)
    return Published(table, _framed(readings, "reading"), [_reissue(i.forecast) for i in reissues], late, unrecorded)


def _found(
    counted: Iterable[Forecast],
    recorded: Mapping[Instance, tuple[Resolution, ...]],
    decide: Callable[[Forecast], Finding | None] | None,
    limit: datetime,
) -> dict[Instance, tuple[Resolution, ...]]:
    """Settle what nobody has by what the data decide, in memory alone."""
    if decide is None:
        return {}
    findings = {f.instance: decide(f) for f in counted if f.instance not in recorded}
    return {i: (resolution_of(i, f, DATA),) for i, f in findings.items() if f is not None and f.public_at <= limit}


def _known_from(record: Forecast | Resolution) -> datetime:
    return record.issued_at if isinstance(record, Forecast) else record.public_at


def _overtaken(issued: Iterable[_Issued], settled: Mapping[Instance, tuple[Resolution, ...]]) -> set[datetime]:
    """Find the issues in which something had been settled in public between their origin and their recording."""
    return {
        i.at
        for i in issued
        for r in settled.get(i.forecast.instance, ())
        if r.outcome != "void" and r.public_at <= i.at and not _was_closed(i.forecast, r)
    }


def _first_of_each(issued: Iterable[_Issued]) -> tuple[list[_Issued], list[_Issued]]:
    """Tell the forecasts that count from reissues."""
    wordings: dict[tuple[Any, ...], str] = {}
    first: dict[tuple[Any, ...], _Issued] = {}
    reissues = []
    for one in issued:
        forecast = one.forecast
        asked = (forecast.question, forecast.by, forecast.origin)
        worded = wordings.setdefault(asked, forecast.wording) == forecast.wording
        if not worded or (*asked, forecast.rung) in first:
            reissues.append(one)
        else:
            first[*asked, forecast.rung] = one
    return list(first.values()), reissues


def _row(forecast: Forecast, found: tuple[Resolution, ...], overtaken: bool) -> dict[str, Any]:  # noqa: FBT001 - a fact
    outcomes = {r.outcome for r in found}
    if overtaken:
        return _read(forecast, None) | {"state": "overtaken"}
    if not found:
        return _read(forecast, None) | {"state": "open"}
    if len(outcomes) > 1:
        return _read(forecast, None) | {"state": "disputed"}
    row = _read(forecast, found[0])
    if outcomes == {"void"}:
        return row | {"state": "void"}
    return row | {"state": "closed" if _was_closed(forecast, found[0]) else "settled"}


def _was_closed(forecast: Forecast, resolution: Resolution) -> bool:
    """Whether the question was decided by the end of the day that the forecast starts from."""
    return min(resolution.decided_on, forecast.by) <= last_whole_day(forecast.origin)


def _read(forecast: Forecast, resolution: Resolution | None) -> dict[str, Any]:
    """Write a forecast with one resolution of it."""
    instance: Instance = forecast.instance
    row: dict[str, Any] = {
        "label": "published",
        "forecaster": forecast.rung,
        "case": instance.case,
        "question": instance.question,
        "event": forecast.event,
        "origin": instance.origin,
        "by": instance.by,
        "deadline": forecast.deadline,
        "probability": forecast.probability,
        "state": "disputed",
        "outcome": None,
    }
    if resolution is None:
        return row | dict.fromkeys(COLUMNS[COLUMNS.index("decided_on") :])
    return row | {
        "outcome": None if _was_closed(forecast, resolution) else _YES_NO.get(resolution.outcome),
        "decided_on": resolution.decided_on,
        "public_at": resolution.public_at,
        "settled_by": ";".join(resolution.settled_by) or _unnamed(forecast, resolution),
        "who": resolution.who,
        "reason": resolution.reason,
    }


def _unnamed(forecast: Forecast, resolution: Resolution) -> str:
    """Name the fact that decided a question whose resolution names none: a person's, or the passing of the deadline."""
    absent = "yes" if forecast.event == "neither" else "no"
    quiet = resolution.outcome == absent and resolution.decided_on >= resolution.by
    return "" if quiet or resolution.outcome == "void" else f"fact of {resolution.decided_on}"


def _framed(rows: list[dict[str, Any]], *more: str) -> pd.DataFrame:
    return add_clusters(pd.DataFrame(rows, columns=[*COLUMNS, *more]))


def _reissue(forecast: Forecast) -> dict[str, Any]:
    return {
        "forecaster": forecast.rung,
        "question": forecast.question,
        "origin": forecast.origin,
        "by": forecast.by,
        "issued_at": forecast.issued_at,
        "probability": forecast.probability,
    }
