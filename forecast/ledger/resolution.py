"""Settling what was forecast: by the data or by a person, every resolution kept, also when two disagree."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from forecast.case import last_whole_day
from forecast.errors import LedgerError
from forecast.ledger.chain import Entry
from forecast.ledger.database import Ledger
from forecast.ledger.ledger import append, read_entries
from forecast.ledger.records import Forecast, Instance, Outcome, Resolution


@dataclass(frozen=True, slots=True)
class Finding:
    """What decides a question: outcome, the day of the deciding fact, when that was public, and why.

    ``settled_by`` holds ids of observations: forecasts that the same events settle are not independent.
    """

    outcome: Outcome
    decided_on: date
    public_at: datetime
    reason: str
    settled_by: tuple[str, ...] = ()


def asked(ledger: Ledger, case: str) -> dict[Instance, Forecast]:
    """Every instance of a case's questions that the ledger has forecasts of, with one of these."""
    records = (entry.record for entry in read_entries(ledger, kind="forecast"))
    return {r.instance: r for r in records if isinstance(r, Forecast) and r.case == case}


def resolutions(ledger: Ledger) -> dict[Instance, tuple[Resolution, ...]]:
    """Every resolution by instance, in order; an instance with two outcomes is disputed, and both stand."""
    return by_instance(read_entries(ledger, kind="resolution"))


def by_instance(entries: Iterable[Entry]) -> dict[Instance, tuple[Resolution, ...]]:
    """Gather the resolutions among entries by what they settle."""
    found: dict[Instance, tuple[Resolution, ...]] = {}
    for record in (entry.record for entry in entries if entry.kind == "resolution"):
        if isinstance(record, Resolution):
            found[record.instance] = (*found.get(record.instance, ()), record)
    return found


def is_disputed(found: tuple[Resolution, ...]) -> bool:
    """Whether resolutions of one instance have different outcomes."""
    return len({r.outcome for r in found}) > 1


def settle(
    ledger: Ledger,
    case: str,
    decide: Callable[[Forecast], Finding | None],
    *,
    who: str,
    now: datetime | None = None,
) -> list[Resolution]:
    """Settle whatever can be decided, and append it.

    Parameters
    ----------
    ledger
        With the forecasts.
    case
        Id of the case.
    decide
        Given one forecast of an instance, what decides it, or None while it is open. It looks at ``event``, ``origin``,
        ``deadline`` and ``wording``, never at the probability.
    who
        ``data`` or a person. What the same one has settled before in the same way is passed over.
    now
        The time of recording; default: the clock.

    Returns
    -------
    list of Resolution
        Those that were added.

    Raises
    ------
    LedgerError
        A resolution breaks the rules; none is appended.
    """
    before = resolutions(ledger)
    added = []
    for instance, forecast in asked(ledger, case).items():
        finding = decide(forecast)
        if finding is None or _known(before.get(instance, ()), who, finding):
            continue
        added.append(resolution_of(instance, finding, who))
    append(ledger, added, now=now)
    return added


def resolution_of(instance: Instance, finding: Finding, who: str) -> Resolution:
    """Put a finding about an instance into the form that the ledger holds."""
    return Resolution(
        case=instance.case,
        question=instance.question,
        wording=instance.wording,
        by=instance.by,
        origin=instance.origin,
        outcome=finding.outcome,
        decided_on=finding.decided_on,
        public_at=finding.public_at,
        who=who,
        reason=finding.reason,
        settled_by=finding.settled_by,
    )


def _known(before: tuple[Resolution, ...], who: str, finding: Finding) -> bool:
    same = (who, finding.outcome, finding.decided_on)
    return any((r.who, r.outcome, r.decided_on) == same for r in before)


def only(
    finding: Finding, ledger: Ledger, case: str, *, question: str, by: date, origin: datetime | None = None
) -> Callable[[Forecast], Finding | None]:
    """Apply one finding to one question and date, at one origin or at all that precede the deciding day.

    Raises
    ------
    LedgerError
        The ledger has no such forecast.
    """
    wanted = {
        instance
        for instance in asked(ledger, case)
        if (instance.question, instance.by) == (question, by)
        and (instance.origin == origin if origin else last_whole_day(instance.origin) < finding.decided_on)
    }
    if not wanted:
        when = f" as of {origin.isoformat()}" if origin else f" made before {finding.decided_on}"
        message = f"{ledger.place}: no forecast of {case} {question} by {by}{when}; `forecast ledger show` lists them"
        raise LedgerError(message)
    return lambda forecast: finding if forecast.instance in wanted else None


def at_deadline(decide: Callable[[Forecast], Finding | None]) -> Callable[[Forecast], Finding | None]:
    """Have what is decided on the last day be public once that day has ended where the case is: west of UTC later."""

    def found(forecast: Forecast) -> Finding | None:
        finding = decide(forecast)
        if finding is None or finding.decided_on != forecast.by:
            return finding
        return replace(finding, public_at=max(finding.public_at, forecast.deadline))

    return found
