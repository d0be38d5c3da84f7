"""A PostgreSQL server that the tests start themselves, and ledgers not made yet, in a file and on it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from forecast.ledger import Ledger, open_ledger


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
