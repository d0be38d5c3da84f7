"""Writers that meet, die or run out of room, each a process of its own: nothing is lost, nothing is there twice."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from forecast.errors import OutputError
from forecast.ledger import Ledger, append, open_ledger, read_entries, verify
from tests.ledger.conftest import NOW, forecasts

ROOT = Path(__file__).resolve().parents[2]
BATCH = 20

# Appends batches of its own share of forecasts, and says so after each.
WRITER = """
import sys
from forecast.ledger import append, open_ledger
from tests.ledger.conftest import NOW, forecasts
url, first, batches, size = sys.argv[1], *map(int, sys.argv[2:])
ledger = open_ledger(url)
for k in range(batches):
    append(ledger, forecasts(size, start=first + k * size), now=NOW)
    print(k, flush=True)
"""


def writer(ledger: Ledger, first: int, batches: int, size: int = BATCH) -> subprocess.Popen[str]:
    """Start a process that appends."""
    url = ledger.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", WRITER, url, str(first), str(batches), str(size)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> None:
    """Wait for a process that must end well."""
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def test_writers_at_once_lose_and_duplicate_nothing(any_ledger: Ledger) -> None:
    """Two with shares of their own and a third that repeats the first's, all of them making the ledger first."""
    batches = 15
    processes = [writer(any_ledger, first, batches) for first in (0, 10_000, 0)]
    for process in processes:
        finished(process)
    found = verify(any_ledger)
    assert (found.length, found.problems) == (2 * batches * BATCH, ())
    wanted = {f.probability for start in (0, 10_000) for f in forecasts(batches * BATCH, start=start)}
    got = [entry.record.probability for entry in read_entries(any_ledger)]  # type: ignore[union-attr]
    assert sorted(got) == sorted(wanted)


def test_a_file_that_another_is_making_is_waited_for(ledger: Ledger) -> None:
    """SQLite refuses at once, without waiting, to change the journal's mode while another writes to the file."""
    path = Path(str(ledger.engine.url.database))
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    end = threading.Timer(0.5, other.rollback)
    end.start()
    assert append(ledger, forecasts(5), now=NOW).added == 5
    end.join()
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_writer_leaves_whole_appends_and_the_next_one_completes_them(any_ledger: Ledger, after: int) -> None:
    size = 1000  # so that it is killed within an append rather than between two
    with writer(any_ledger, 0, 200, size) as process:
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        time.sleep(0.05)
        process.kill()
        confirmed = after + len(process.stdout.readlines())
        assert process.wait() == -signal.SIGKILL
        assert process.stderr is not None
        process.stderr.close()
    found = verify(any_ledger)
    assert found.problems == ()
    assert found.length % size == 0
    assert found.length in {confirmed * size, (confirmed + 1) * size}  # killed after the commit, before it said so
    done = append(any_ledger, forecasts(10 * size), now=NOW)
    assert (done.head.length, done.added + done.known) == (10 * size, 10 * size)
    assert verify(any_ledger).problems == ()


def test_a_file_that_can_grow_no_more_adds_nothing(ledger: Ledger) -> None:
    """SQLite's own word for a full disk, by the number of pages that it may take."""
    append(ledger, forecasts(5), now=NOW)
    before = [entry.hash for entry in read_entries(ledger)]
    small = open_ledger(str(ledger.engine.url))

    def limit(raw: sqlite3.Connection, _record: object) -> None:
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count = {pages + 2}")

    sa.event.listen(small.engine, "connect", limit)
    with pytest.raises(OutputError, match=r"database or disk is full.*nothing was added"):
        append(small, forecasts(500, start=100), now=NOW)
    assert [entry.hash for entry in read_entries(ledger)] == before
    assert verify(ledger).problems == ()
    assert append(ledger, forecasts(500, start=100), now=NOW).head.length == 505


SMALL_DISK = """
import resource, sys
from forecast.errors import OutputError
from forecast.ledger import append, open_ledger
from tests.ledger.conftest import NOW, forecasts
ledger = open_ledger(sys.argv[1])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
try:
    append(ledger, forecasts(2000, start=100), now=NOW)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("room", [20_000, 300_000])
def test_a_disk_that_fills_up_adds_nothing(ledger: Ledger, room: int) -> None:
    """The system itself refuses to write, early or late in the append."""
    append(ledger, forecasts(5), now=NOW)
    command = [sys.executable, "-c", SMALL_DISK, str(ledger.engine.url), str(room)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "nothing was added" in done.stdout
    found = verify(ledger)
    assert (found.length, found.problems) == (5, ())
    assert append(ledger, forecasts(2000, start=100), now=NOW).head.length == 2005
