"""The ledger as a whole: what goes in comes out, once; whoever changes it is found out, in a file or on a server."""

import hashlib
import shutil
import sqlite3
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import BusyError, LedgerError, OutputError
from forecast.ledger import Ledger, append, existing_ledger, head_of, open_ledger, read_entries, verify
from forecast.ledger.chain import GENESIS
from tests.ledger.conftest import NOW, forecast, forecasts, resolution, tamper

LATER = NOW + timedelta(days=90)


def problems(ledger: Ledger, noted: str | None = None) -> list[str]:
    """What a verification says, a line each."""
    return [str(problem) for problem in verify(ledger, noted=noted).problems]


# --- what goes in ----------------------------------------------------------------------------------------------------


def test_what_was_appended_is_read_back_in_order(any_ledger: Ledger) -> None:
    records = [*forecasts(3), forecast(horizon_weeks=None, quantiles={}, manifest={"note": 'ü "\n\u2028'})]
    done = append(any_ledger, records, now=NOW)
    settled = append(any_ledger, [resolution()], now=LATER)
    entries = read_entries(any_ledger)
    assert [e.record for e in entries] == [*records, resolution()]
    assert [e.seq for e in entries] == [1, 2, 3, 4, 5]
    assert [e.record for e in read_entries(any_ledger, kind="resolution")] == [resolution()]
    assert (done.added, settled.added) == (4, 1)
    assert head_of(any_ledger) == settled.head
    assert settled.head.hash == entries[-1].hash
    assert verify(any_ledger).problems == ()
    assert verify(any_ledger, noted=done.head.hash).problems == ()


def test_a_forecast_issued_twice_enters_once(any_ledger: Ledger) -> None:
    append(any_ledger, forecasts(2), now=NOW)
    again = [f.model_copy(update={"issued_at": NOW + timedelta(hours=1)}) for f in forecasts(3)]
    done = append(any_ledger, [*again, *again], now=NOW + timedelta(hours=1))
    assert (done.added, done.known, done.head.length) == (1, 5, 3)
    reconstructed = [f.model_copy(update={"label": "reconstructed"}) for f in forecasts(3)]
    assert append(any_ledger, reconstructed, now=LATER).added == 0


def test_an_absent_ledger_is_empty_and_is_not_made_by_looking(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/a/b.db")
    assert read_entries(ledger) == []
    assert head_of(ledger).hash == GENESIS
    with pytest.raises(LedgerError, match="no ledger there"):
        existing_ledger(f"sqlite:///{tmp_path}/a/b.db")
    assert list(tmp_path.iterdir()) == []


def test_a_stranger_can_check_a_hash_with_common_tools(ledger: Ledger) -> None:
    """The rule of docs/ledger.md, by sqlite's own library and the system's sha256sum."""
    append(ledger, forecasts(3), now=NOW)
    with sqlite3.connect(str(ledger.engine.url.database)) as connection:
        rows = connection.execute(
            "SELECT version || char(10) || seq || char(10) || kind || char(10) || recorded_at || char(10) || key "
            "|| char(10) || previous || char(10) || payload, hash FROM ledger ORDER BY seq"
        ).fetchall()
    connection.close()
    sha256sum = shutil.which("sha256sum")
    assert sha256sum is not None
    for text, fingerprint in rows:
        done = subprocess.run([sha256sum], input=f"{text}\n", capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] == fingerprint
    assert rows[0][0].split("\n")[5] == 64 * "0"


# --- what is found out -----------------------------------------------------------------------------------------------


def test_the_database_itself_refuses_changes(any_ledger: Ledger) -> None:
    append(any_ledger, forecasts(2), now=NOW)
    for statement in ("UPDATE ledger SET kind = 'x'", "DELETE FROM ledger"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), any_ledger.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert problems(any_ledger) == []


def test_an_edited_entry_is_named(any_ledger: Ledger) -> None:
    append(any_ledger, forecasts(5), now=NOW)
    tamper(any_ledger, "UPDATE ledger SET payload = replace(payload, 'R3', 'R1') WHERE seq = 3")
    (found,) = problems(any_ledger)
    assert found.startswith("entry 3 (forecast of freedonia-sylvania pact by 2026-07-14 as of 2026-04-14): changed")


def test_an_entry_rewritten_with_its_hash_is_named(any_ledger: Ledger) -> None:
    """Who knows the rule can make the hash of one entry anew, but then the next one does not follow it."""
    append(any_ledger, forecasts(5), now=NOW)
    e = read_entries(any_ledger)[2]
    payload = e.payload.replace('"R3"', '"R1"')
    lines = (e.version, e.seq, e.kind, e.recorded_at, e.key, e.previous, payload)
    forged = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    tamper(any_ledger, f"UPDATE ledger SET payload = '{payload}', hash = '{forged}' WHERE seq = 3")
    (found,) = problems(any_ledger)
    assert found.startswith("entry 4")
    assert "does not follow entry 3 (forecast of freedonia-sylvania pact" in found


@pytest.mark.parametrize("gone", [1, 3])
def test_a_removed_entry_is_named(any_ledger: Ledger, gone: int) -> None:
    append(any_ledger, forecasts(5), now=NOW)
    tamper(any_ledger, f"DELETE FROM ledger WHERE seq = {gone}")
    (found,) = problems(any_ledger)
    assert found.startswith(f"entry {gone} (unknown): removed")
    assert f"and entry {gone + 1} (forecast" in found


def test_swapped_entries_are_named(any_ledger: Ledger) -> None:
    append(any_ledger, forecasts(5), now=NOW)
    swap = "UPDATE ledger SET seq = {} WHERE seq = {}".format
    tamper(any_ledger, swap(99, 2), swap(2, 4), swap(4, 99))
    first, second = problems(any_ledger)
    assert first.startswith("entry 2")
    assert first.endswith("moved: it was entry 4")
    assert second.startswith("entry 4")
    assert second.endswith("moved: it was entry 2")


def test_a_cut_end_is_named(any_ledger: Ledger) -> None:
    append(any_ledger, forecasts(5), now=NOW)
    tamper(any_ledger, "DELETE FROM ledger WHERE seq > 3")
    (found,) = problems(any_ledger)
    assert "cut short: entries 4 to 5 are missing at the end" in found
    with pytest.raises(LedgerError, match="not what its head says"):
        append(any_ledger, forecasts(1, start=50), now=NOW)


def test_a_cut_end_with_a_forged_head_is_found_by_a_head_noted_elsewhere(any_ledger: Ledger) -> None:
    done = append(any_ledger, forecasts(5), now=NOW)
    third = read_entries(any_ledger)[2].hash
    tamper(any_ledger, "DELETE FROM ledger WHERE seq > 3", f"UPDATE ledger_head SET length = 3, hash = '{third}'")
    assert problems(any_ledger) == []
    (found,) = problems(any_ledger, noted=done.head.hash)
    assert done.head.hash in found
    assert "is not in this ledger" in found


def test_an_entry_slipped_in_is_named(any_ledger: Ledger) -> None:
    append(any_ledger, forecasts(3), now=NOW)
    columns = "version, kind, recorded_at, key, previous, payload, hash"
    values = "version, kind, recorded_at, 'k', hash, payload, hash"
    tamper(any_ledger, f"INSERT INTO ledger (seq, {columns}) SELECT 4, {values} FROM ledger WHERE seq = 3")
    found = problems(any_ledger)
    assert any(line.startswith("entry 4") and "changed" in line for line in found)
    assert any("did not come in by the ledger" in line for line in found)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM ledger_head", "the record of the ledger's head was removed"),
        ("DROP TABLE ledger_head", "the record of the ledger's head was removed"),
        ("DROP TABLE ledger", "cut short: entries 1 to 3 are missing"),
        ("UPDATE ledger_head SET hash = 'f'", "its hash is not that of the last entry"),
        ("UPDATE ledger_head SET length = 2", "did not come in by the ledger"),
    ],
)
def test_a_changed_head_is_found(any_ledger: Ledger, statement: str, said: str) -> None:
    append(any_ledger, forecasts(3), now=NOW)
    tamper(any_ledger, statement)
    assert any(said in line for line in problems(any_ledger))
    with pytest.raises(LedgerError, match="run `forecast ledger verify`"):
        append(any_ledger, forecasts(1, start=50), now=NOW)


def test_a_ledger_of_a_newer_version_is_refused(any_ledger: Ledger) -> None:
    append(any_ledger, forecasts(1), now=NOW)
    with any_ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger_head SET version = 2")
    url = any_ledger.engine.url.render_as_string(hide_password=False)
    for use in (open_ledger, existing_ledger):
        with pytest.raises(LedgerError, match="a ledger of version 2, and this program knows versions up to 1; update"):
            use(url)
    with pytest.raises(LedgerError, match="version 2"):
        append(any_ledger, forecasts(1, start=5), now=NOW)


COLUMNS = ("version", "kind", "recorded_at", "key", "previous", "payload", "hash")


@st.composite
def tamperings(draw: st.DrawFn) -> tuple[list[int], list[str]]:
    """Sizes of appends, and statements that change something of what they leave."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    n = sum(sizes)
    one = draw(st.integers(1, n))
    kind = draw(st.sampled_from(["edit", "remove", "cut", "shift", *(["swap", "copy"] if n > 1 else [])]))
    if kind == "edit":
        column = draw(st.sampled_from(COLUMNS))
        value = "version + 1" if column == "version" else f"'~' || {column}"
        return sizes, [f"UPDATE ledger SET {column} = {value} WHERE seq = {one}"]
    if kind == "remove":
        return sizes, [f"DELETE FROM ledger WHERE seq = {one}"]
    if kind == "cut":
        return sizes, [f"DELETE FROM ledger WHERE seq >= {one}"]
    if kind == "shift":
        return sizes, [f"UPDATE ledger SET seq = {draw(st.integers(-5, 0))} WHERE seq = {one}"]
    other = draw(st.integers(1, n).filter(lambda k: k != one))
    if kind == "swap":
        moves = ((999, one), (one, other), (other, 999))
        return sizes, [f"UPDATE ledger SET seq = {a} WHERE seq = {b}" for a, b in moves]
    column = draw(st.sampled_from(["payload", "hash", "previous"]))
    value = f"(SELECT {column} FROM ledger WHERE seq = {other})"
    return sizes, [f"UPDATE ledger SET {column} = {value} WHERE seq = {one}"]


@given(plan=tamperings())
@settings(max_examples=60)
def test_no_tampering_goes_unseen(plan: tuple[list[int], list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    sizes, statements = plan
    ledger = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/workspace.db")
    for k, size in enumerate(sizes):
        append(ledger, forecasts(size, start=100 * k), now=NOW)
    assert problems(ledger) == []
    tamper(ledger, *statements)
    assert problems(ledger) != []


# --- places that cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["workspace.db", "mysql://somewhere/db", "postgres://somewhere/db", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="write sqlite:///folder/workspace"):
        open_ledger(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and long enough to look at" * 100)
    with pytest.raises(LedgerError, match="not a database"):
        open_ledger(f"sqlite:///{tmp_path}/notes.txt")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write here"):
        append(open_ledger(f"sqlite:///{tmp_path}/file/workspace.db"), forecasts(1), now=NOW)


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(OutputError, match=r"postgresql://ada:\*\*\*@127.0.0.1:1/w: .* nothing was added") as caught:
        open_ledger("postgresql://ada:secret@127.0.0.1:1/w")
    assert "secret" not in str(caught.value)


@pytest.mark.postgres
def test_a_database_that_the_server_lacks_is_named(server: str) -> None:
    with pytest.raises(OutputError, match='"absent" does not exist'):
        open_ledger(f"{server}/absent")


def test_a_writer_that_is_waited_for_too_long_is_named(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    append(ledger, forecasts(1), now=NOW)
    monkeypatch.setattr("forecast.ledger.database._PATIENCE_S", 0)
    impatient = open_ledger(str(ledger.engine.url))
    other = sqlite3.connect(str(ledger.engine.url.database))
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(BusyError, match="another writer holds the ledger"):
            append(impatient, forecasts(2), now=NOW)
    finally:
        other.close()
    assert append(impatient, forecasts(2), now=NOW).added == 1


@pytest.mark.slow
def test_a_hundred_thousand_entries_are_verified(any_ledger: Ledger) -> None:
    """What that takes is in tests/benchmarks/ledger.py."""
    for k in range(5):
        append(any_ledger, forecasts(20_000, start=20_000 * k), now=NOW)
    found = verify(any_ledger)
    assert (found.length, found.problems) == (100_000, ())
