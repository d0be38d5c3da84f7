"""Appending to the ledger, reading it, and verifying it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from forecast.errors import LedgerError
from forecast.ledger.chain import VERSION, Entry, Head, Verification, check_chain, link
from forecast.ledger.database import HEAD, LEDGER, Ledger, connect, exists, has, reading, workspace_url, writing
from forecast.ledger.records import Record, key_of, kind_of, payload_of
from forecast.ledger.rules import check_new

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: entries added, records that were there already, and where the ledger ends now."""

    added: int
    known: int
    head: Head


def open_ledger(url: str | None = None) -> Ledger:
    """Name the workspace's ledger, and make sure that it can be used if it is there; nothing is made.

    Parameters
    ----------
    url
        Of the database; default: the environment's ``FORECAST_DB``, else ``sqlite:///out/workspace.db``.

    Raises
    ------
    LedgerError
        The URL is malformed, the file is no database, or the ledger is of a newer version.
    OutputError
        The database cannot be reached.
    """
    ledger = connect(workspace_url(url))
    if exists(ledger):
        with reading(ledger) as connection:
            _stored_head(ledger, connection)
    return ledger


def existing_ledger(url: str | None = None) -> Ledger:
    """Open a ledger that must be there; LedgerError if it is not."""
    return _there(open_ledger(url))


def damaged_ledger(url: str | None = None) -> Ledger:
    """Open a ledger that must be there and may lack a table or its head, for :func:`verify` to say so."""
    ledger = _there(connect(workspace_url(url)))
    with reading(ledger) as connection:
        if head := _read_head(connection):
            _check_version(ledger, head)
    return ledger


def _there(ledger: Ledger) -> Ledger:
    if not exists(ledger):
        message = f"{ledger.place}: no ledger there; `forecast run` makes one, --db names another database"
        raise LedgerError(message)
    return ledger


def append(ledger: Ledger, records: Sequence[Record], *, now: datetime | None = None) -> Appended:
    """Append records, all or none; a record that is there already, but for when it was issued, is passed over.

    Parameters
    ----------
    ledger
        Made if it is not there yet.
    records
        Forecasts and resolutions, in order.
    now
        The time of recording; default: the clock.

    Raises
    ------
    LedgerError
        A record breaks the rules (:func:`forecast.ledger.rules.check_new`), or the ledger's end has been tampered with.
    OutputError, BusyError
        The database cannot be written to; nothing was added.
    """
    items: dict[str, tuple[str, str, Record]] = {}
    for record in records:
        kind, payload = kind_of(record), payload_of(record)
        items.setdefault(key_of(kind, payload), (kind, payload, record))
    with writing(ledger) as connection:
        moment = now or datetime.now(UTC)  # taken under the lock, so that entries are in the order of their times
        head = sound_head(ledger, connection)
        known = _known_keys(connection, list(items))
        new = {key: item for key, item in items.items() if key not in known}
        check_new([r for _, _, r in new.values()], lambda kind: _records(connection, kind), now=moment)
        stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        added = list(link(head, [(kind, key, text) for key, (kind, text, _) in new.items()], recorded_at=stamp))
        if added:
            head = Head(added[-1].seq, added[-1].hash)
            store(connection, added)
        return Appended(len(added), len(records) - len(added), head)


def store(connection: sa.Connection, entries: Sequence[Entry]) -> None:
    """Insert entries that continue the chain, and move the head; for :func:`append` and for imports."""
    connection.execute(sa.insert(LEDGER), [asdict(entry) for entry in entries])
    connection.execute(sa.update(HEAD).values(length=entries[-1].seq, hash=entries[-1].hash))


def head_of(ledger: Ledger) -> Head:
    """Where the ledger ends; an absent ledger ends before its first entry."""
    if not exists(ledger):
        return Head()
    with reading(ledger) as connection:
        return _stored_head(ledger, connection)


def read_entries(ledger: Ledger, *, kind: str | None = None) -> list[Entry]:
    """Read all entries in order, or those of one kind; an absent ledger has none."""
    if not exists(ledger):
        return []
    with reading(ledger) as connection:
        return list(entries_of(connection, kind=kind))


def entries_of(connection: sa.Connection, *, kind: str | None = None) -> Iterator[Entry]:
    """Read entries in order within a transaction."""
    query = sa.select(*(LEDGER.c[name] for name in Entry.__dataclass_fields__)).order_by(LEDGER.c.seq)
    if kind is not None:
        query = query.where(LEDGER.c.kind == kind)
    rows = connection.execute(query, execution_options={"yield_per": 5000})
    return (Entry(*row) for row in rows)


def verify(ledger: Ledger, *, noted: str | None = None) -> Verification:
    """Check the whole chain against itself, its head, and a head noted elsewhere."""
    with reading(ledger) as connection:
        entries = entries_of(connection) if has(connection, LEDGER) else ()
        return check_chain(entries, _read_head(connection), noted=noted)


def _records(connection: sa.Connection, kind: str) -> Iterator[Record]:
    return (entry.record for entry in entries_of(connection, kind=kind))


def _read_head(connection: sa.Connection) -> Head | None:
    if not has(connection, HEAD):
        return None
    row = connection.execute(sa.select(HEAD.c.length, HEAD.c.hash, HEAD.c.version)).one_or_none()
    return Head(*row) if row else None


def _stored_head(ledger: Ledger, connection: sa.Connection) -> Head:
    head = _read_head(connection)
    if head is None or not has(connection, LEDGER):
        message = f"{ledger.place}: a table of the ledger, or its head, is gone; run `forecast ledger verify`"
        raise LedgerError(message)
    _check_version(ledger, head)
    return head


def _check_version(ledger: Ledger, head: Head) -> None:
    if head.version > VERSION:
        message = (
            f"{ledger.place}: a ledger of version {head.version}, and this program knows versions up to {VERSION}; "
            "update it"
        )
        raise LedgerError(message)


def sound_head(ledger: Ledger, connection: sa.Connection) -> Head:
    """Return the head, provided that the last entry is the one that it names: nothing is built on a broken end."""
    head = _stored_head(ledger, connection)
    last = connection.execute(
        sa.select(LEDGER.c.seq, LEDGER.c.hash).order_by(LEDGER.c.seq.desc()).limit(1)
    ).one_or_none()
    if (head.length, head.hash) != (tuple(last) if last else (0, Head().hash)):
        message = f"{ledger.place}: the ledger's end is not what its head says; run `forecast ledger verify`"
        raise LedgerError(message)
    return head


def _known_keys(connection: sa.Connection, keys: list[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        known.update(connection.scalars(sa.select(LEDGER.c.key).where(LEDGER.c.key.in_(chunk))))
    return known
