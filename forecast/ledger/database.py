"""The workspace database: SQLite by default, PostgreSQL by URL; two tables, and errors in words."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from forecast.errors import BusyError, ForecastError, LedgerError, OutputError
from forecast.ledger.chain import GENESIS, VERSION

VARIABLE = "FORECAST_DB"
DEFAULT_URL = "sqlite:///out/workspace.db"
_PATIENCE_S = 30  # how long one writer waits for another
_ADVISORY_LOCK = 4_711_202_604  # any number that no other program of the same database takes

METADATA = sa.MetaData()
_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, index=True),  # each append looks at the resolutions alone
    sa.Column("recorded_at", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
HEAD = sa.Table(
    "ledger_head",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("length", _BIG, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

# Append-only by the database's own word: whoever means to tamper has to drop these first.
_REFUSE = "'the ledger is append-only'"
TRIGGERS = {
    "sqlite": (
        f"CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, {_REFUSE}); END",
        f"CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, {_REFUSE}); END",
    ),
    "postgresql": (
        f"""
        CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION {_REFUSE}; END $$
        """,
        """
        CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()
        """,
    ),
}


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger's place: an engine that opens a connection for each use, and its name without a password."""

    engine: sa.Engine
    place: str


def workspace_url(given: str | None = None) -> str:
    """Return the URL given, else that of the environment, else the file ``out/workspace.db`` of the current folder."""
    return given or os.environ.get(VARIABLE) or DEFAULT_URL


def connect(url: str) -> Ledger:
    """Make the engine of a database; nothing is opened yet.

    Raises
    ------
    LedgerError
        The URL is malformed, or of a database that is not served.
    """
    refused = LedgerError(
        f"--db {url!r}: not a database that can hold a ledger; write sqlite:///folder/workspace.db or "
        "postgresql://user@host/name"
    )
    try:
        parsed = sa.make_url(url)
        sqlite = parsed.get_backend_name() == "sqlite"
        if parsed.get_backend_name() not in TRIGGERS or (sqlite and parsed.database in (None, "", ":memory:")):
            raise refused
        patience = {"timeout": _PATIENCE_S} if sqlite else {"connect_timeout": 10}
        engine = sa.create_engine(parsed, poolclass=NullPool, connect_args=patience)
    except (ArgumentError, NoSuchModuleError):
        raise refused from None
    except ModuleNotFoundError as error:
        message = f"--db: {error.name} is not installed; install the extra: pip install 'leverage-gap[postgres]'"
        raise LedgerError(message) from None
    if sqlite:
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return Ledger(engine, parsed.render_as_string(hide_password=True))


def exists(ledger: Ledger) -> bool:
    """Whether there is a ledger in the database; never makes one."""
    if ledger.engine.dialect.name == "sqlite" and not Path(str(ledger.engine.url.database)).exists():
        return False
    with errors_in_words(ledger), ledger.engine.connect() as connection:
        return has(connection, LEDGER) or has(connection, HEAD)


def has(connection: sa.Connection, table: sa.Table) -> bool:
    """Whether a table is there."""
    return sa.inspect(connection).has_table(table.name)


@contextmanager
def reading(ledger: Ledger) -> Iterator[sa.Connection]:
    """Yield a connection that sees one state of the ledger throughout."""
    with errors_in_words(ledger), ledger.engine.connect() as connection:
        if ledger.engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def writing(ledger: Ledger) -> Iterator[sa.Connection]:
    """Yield a connection with a transaction that no other writer shares; the tables are made if there are none.

    Raises
    ------
    OutputError
        The database cannot be reached or written to.
    BusyError
        Another writer has held it for half a minute.
    LedgerError
        The file is no database, or the ledger is of a newer version.
    """
    _make_folder(ledger)
    with errors_in_words(ledger), ledger.engine.connect() as connection:
        connection.execution_options(writing=True)
        with connection.begin():
            if ledger.engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE_S}s'")
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            if not has(connection, LEDGER) and not has(connection, HEAD):
                _make_tables(connection)
            yield connection


def _make_folder(ledger: Ledger) -> None:
    if ledger.engine.dialect.name != "sqlite":
        return
    folder = Path(str(ledger.engine.url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder}: cannot write here ({error.strerror}); name another database with --db"
        raise OutputError(message) from None


def _make_tables(connection: sa.Connection) -> None:
    METADATA.create_all(connection)
    for statement in TRIGGERS[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    connection.execute(sa.insert(HEAD).values(id=1, version=VERSION, length=0, hash=GENESIS))


def _prepare_sqlite(raw: Any, _record: object) -> None:
    raw.isolation_level = None  # transactions are begun below
    raw.text_factory = _text
    cursor = raw.cursor()
    try:
        cursor.execute("PRAGMA synchronous = FULL")  # a commit outlives a loss of power
        if cursor.execute("PRAGMA page_count").fetchone() == (0,):  # a new file; the mode is kept in it
            _write_ahead(cursor)
    finally:
        cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Set the journal's mode, waiting for others who set it too: here SQLite refuses at once instead of waiting."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _text(stored: bytes) -> str:
    """Read text that somebody may have replaced by other bytes: a check must be able to name the entry."""
    return stored.decode(errors="surrogateescape")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def errors_in_words(ledger: Ledger) -> Iterator[None]:
    """Turn what a database reports of its surroundings into errors of ours; a defect stays a traceback."""
    try:
        yield
    except DBAPIError as error:
        translated = _in_words(ledger.place, error)
        if translated is None:
            raise
        raise translated from None


def _in_words(place: str, error: DBAPIError) -> ForecastError | None:
    reason = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
    name = getattr(error.orig, "sqlite_errorname", "").removeprefix("SQLITE_").partition("_")[0]
    state = getattr(error.orig, "sqlstate", None)
    if name in {"BUSY", "LOCKED"} or state == "55P03":
        return BusyError(f"{place}: another writer holds the ledger ({reason}); wait for it and run again")
    if name in {"NOTADB", "CORRUPT"}:
        return LedgerError(f"{place}: not a database, or a damaged one ({reason}); restore it from an export or a copy")
    if (isinstance(error, sa.exc.OperationalError) and name != "ERROR") or state == "42501":
        return OutputError(f"{place}: the ledger cannot be reached or written ({reason}); nothing was added to it")
    return None
