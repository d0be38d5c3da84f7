"""The archive of what venues answered: appended to the workspace database, never overwritten.

Three tables: the raw answers, what each contract stood at when it was read, and every rule text by its hash. When a
contract's rules are no longer those of the snapshot before, that is an alert: prices before and after are then of two
contracts.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import sqlalchemy as sa

from forecast.ledger.database import Ledger, has, writing
from forecast.markets.venue import Contract, Quote, Raw

METADATA = sa.MetaData()
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ANSWERS = sa.Table(
    "market_answers",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("venue", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("fetched_at", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),  # of the body before it was compressed
    sa.Column("body", sa.LargeBinary, nullable=False),  # zlib
)
PRICES = ("bid", "ask", "bid_size", "ask_size", "last", "shown", "volume", "liquidity")
SNAPSHOTS = sa.Table(
    "market_snapshots",
    METADATA,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("venue", sa.Text, nullable=False),
    sa.Column("contract", sa.Text, nullable=False),
    sa.Column("fetched_at", sa.Text, nullable=False),
    sa.Column("quoted_at", sa.Text),
    sa.Column("last_at", sa.Text),
    *(sa.Column(name, sa.Text) for name in PRICES),  # decimals in the venue's own digits
    sa.Column("resolution", sa.Text),
    sa.Column("paid", sa.Text),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("rules_sha256", sa.Text, nullable=False),
    sa.Index("market_snapshots_of", "venue", "contract", "id"),
)
RULES = sa.Table(
    "market_rules",
    METADATA,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("first_seen", sa.Text, nullable=False),
)
TABLES = (ANSWERS, SNAPSHOTS, RULES)
_REFUSE = "'the market archive is append-only'"
_FUNCTION = f"""
    CREATE OR REPLACE FUNCTION market_append_only() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION {_REFUSE}; END $$
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A contract as it was read: its rules and resolution, and its quote (None where that could not be read)."""

    contract: Contract
    quote: Quote | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What one visit added, and a line for every contract whose rules have changed since the snapshot before."""

    answers: int
    snapshots: int
    alerts: tuple[str, ...]


def keep(ledger: Ledger, answers: Iterable[tuple[str, Raw]], snapshots: Iterable[Snapshot]) -> Kept:
    """Append answers and snapshots in one transaction.

    Parameters
    ----------
    ledger
        The workspace database.
    answers
        Venue and raw answer, as they came, failures included.
    snapshots
        What was read out of them.

    Raises
    ------
    OutputError
        The database cannot be written to; nothing was added.
    BusyError
        Another writer has held it for half a minute.
    """
    alerts: list[str] = []
    raws, seen = list(answers), list(snapshots)
    with writing(ledger) as connection:
        _make_tables(connection)
        for venue, raw in raws:
            connection.execute(sa.insert(ANSWERS).values(_answer(venue, raw)))
        for snapshot in seen:
            alert = _changed(connection, snapshot.contract)
            if alert:
                alerts.append(alert)
            _keep_rules(connection, snapshot.contract)
            connection.execute(sa.insert(SNAPSHOTS).values(_row(snapshot)))
    return Kept(len(raws), len(seen), tuple(alerts))


def body_of(row: sa.RowMapping) -> bytes:
    """Return the bytes of a kept answer as they came."""
    return zlib.decompress(row["body"])


def _make_tables(connection: sa.Connection) -> None:
    """Make the tables with the triggers that refuse to change or drop a row."""
    if has(connection, ANSWERS):
        return
    METADATA.create_all(connection)
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        connection.exec_driver_sql(_FUNCTION)
    for table in TABLES:
        if postgres:
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table.name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION market_append_only()"
            )
            continue
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} "
                f"BEGIN SELECT RAISE(ABORT, {_REFUSE}); END"
            )


def _answer(venue: str, raw: Raw) -> dict[str, object]:
    return {
        "venue": venue,
        "url": raw.url,
        "fetched_at": _stamp(raw.fetched_at),
        "status": raw.status,
        "sha256": raw.sha256,
        "body": zlib.compress(raw.body),
    }


def _row(snapshot: Snapshot) -> dict[str, object]:
    contract, quote = snapshot.contract, snapshot.quote
    ending = contract.resolution
    return {
        "venue": contract.venue,
        "contract": contract.id,
        "fetched_at": _stamp(quote.fetched_at if quote is not None else contract.fetched_at),
        "quoted_at": _stamp(quote.time) if quote is not None and quote.time is not None else None,
        "last_at": _stamp(quote.last_at) if quote is not None and quote.last_at is not None else None,
        **{name: _text(getattr(quote, name)) if quote is not None else None for name in PRICES},
        "resolution": ending.outcome if ending is not None else None,
        "paid": _text(ending.value) if ending is not None else None,
        "note": quote.note if quote is not None else "the quote could not be read",
        "rules_sha256": contract.rules_sha256,
    }


def _changed(connection: sa.Connection, contract: Contract) -> str:
    """Return an alert if the rules are not those of the newest snapshot of this contract."""
    newest = connection.execute(
        sa.select(SNAPSHOTS.c.rules_sha256, SNAPSHOTS.c.fetched_at)
        .where(SNAPSHOTS.c.venue == contract.venue, SNAPSHOTS.c.contract == contract.id)
        .order_by(SNAPSHOTS.c.id.desc())
        .limit(1)
    ).first()
    if newest is None or newest.rules_sha256 == contract.rules_sha256:
        return ""
    return (
        f"{contract.venue} {contract.id}: the rules have changed since {newest.fetched_at} ({newest.rules_sha256[:12]} "
        f"then, {contract.rules_sha256[:12]} now); look at its mapping again"
    )


def _keep_rules(connection: sa.Connection, contract: Contract) -> None:
    known = sa.select(RULES.c.sha256).where(RULES.c.sha256 == contract.rules_sha256)
    if connection.execute(known).first() is None:
        first = _stamp(contract.fetched_at)
        connection.execute(sa.insert(RULES).values(sha256=contract.rules_sha256, text=contract.rules, first_seen=first))


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
