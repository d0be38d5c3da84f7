"""Forecasts to record, an empty ledger in a file, and one on a PostgreSQL server that the tests start themselves."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from forecast.ledger import Forecast, Ledger, Resolution, open_ledger

NOW = datetime(2026, 4, 15, 8, tzinfo=UTC)
ORIGIN = datetime(2026, 4, 14, 23, 59, 59, tzinfo=UTC)
BY = date(2026, 7, 14)


def forecast(**changes: Any) -> Forecast:
    """A forecast, published the morning after its as-of day."""
    values: Mapping[str, Any] = {
        "case": "freedonia-sylvania",
        "question": "pact",
        "event": "deal",
        "wording": "sha256:abc",
        "horizon_weeks": 13,
        "by": BY,
        "deadline": datetime(2026, 7, 14, 23, 59, 59, tzinfo=UTC),
        "origin": ORIGIN,
        "issued_at": NOW,
        "model_version": "0.1.0",
        "rung": "R3",
        "probability": 0.25,
        "mcse": 0.004,
        "quantiles": {"0.05": 0.1, "0.95": 0.5},
        "data_digest": "sha256:d",
        "prior_digest": "sha256:p",
        "label": "published",
        "manifest": {"seed": 1, "draws": 1000, "versions": {"numpy": "2.5.1"}},
    }
    return Forecast(**{**values, **changes})


def forecasts(n: int, start: int = 0) -> list[Forecast]:
    """So many different forecasts."""
    return [forecast(probability=0.1 + (start + k) / 1_000_000) for k in range(n)]


def resolution(**changes: Any) -> Resolution:
    """A resolution of the forecast above."""
    values: Mapping[str, Any] = {
        "case": "freedonia-sylvania",
        "question": "pact",
        "wording": "sha256:abc",
        "by": BY,
        "origin": ORIGIN,
        "outcome": "yes",
        "decided_on": date(2026, 6, 17),
        "public_at": datetime(2026, 6, 17, 23, 59, 59, tzinfo=UTC),
        "who": "Ada",
        "reason": "Both sides signed.",
    }
    return Resolution(**{**values, **changes})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger in a file, not made yet."""
    return open_ledger(f"sqlite:///{tmp_path}/ledger/workspace.db")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Start a PostgreSQL server on a free port of this machine alone, and name it without a database."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if not found:
        pytest.fail("PostgreSQL is not installed: sudo apt-get install postgresql")
    binaries = found[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 characters
    as_owner = _become_postgres(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        done = subprocess.run([*as_owner, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    data, options = str(folder / "data"), f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run(str(binaries / "initdb"), "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync")
        log = str(folder / "log")
        run(str(binaries / "pg_ctl"), "--pgdata", data, "--wait", "--log", log, "--options", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            run(str(binaries / "pg_ctl"), "--pgdata", data, "--wait", "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _become_postgres(folder: Path) -> list[str]:
    """Return how to run as the server's user: it refuses to run as root."""
    if os.geteuid() != 0:
        return []
    with suppress(KeyError):
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    pytest.fail("there is no user postgres to run the server as: sudo apt-get install postgresql")


@pytest.fixture(scope="session")
def new_database(server: str) -> Callable[[], str]:
    """Make an empty database on the server at every call, and return its URL."""
    count = iter(range(10_000))

    def make() -> str:
        name = f"workspace{next(count)}"
        admin = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return f"{server}/{name}"

    return make


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def any_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    """A ledger not made yet, in a file and then on a server."""
    if request.param == "sqlite":
        return open_ledger(f"sqlite:///{tmp_path}/workspace.db")
    make: Callable[[], str] = request.getfixturevalue("new_database")
    return open_ledger(make())


def tamper(ledger: Ledger, *statements: str) -> None:
    """Change a ledger behind its back, as somebody would who can write to the database: first the triggers go."""
    with ledger.engine.begin() as connection:
        if ledger.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER ledger_no_update")
            connection.exec_driver_sql("DROP TRIGGER ledger_no_delete")
        else:
            connection.exec_driver_sql("DROP TRIGGER ledger_append_only ON ledger")
        for statement in statements:
            connection.exec_driver_sql(statement)
