"""The commands of the ledger: what they print, what they refuse, and with which exit code."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from forecast.case import Case
from forecast.cli import main
from forecast.ledger import Forecast, Ledger, Resolution, append, open_ledger, read_entries
from tests.cli.conftest import INPUT, OUTPUT
from tests.conftest import TinyCase
from tests.ledger.conftest import NOW, forecast, forecasts, tamper

BROKEN = 1


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/workspace.db"


@pytest.fixture
def filled(url: str) -> Ledger:
    ledger = open_ledger(url)
    append(ledger, [*forecasts(2), forecast(question="war", event="escalation", rung="R1")], now=NOW)
    return ledger


def run(capsys: pytest.CaptureFixture[str], *command: str | Path, code: int = 0) -> str:
    """Run a command that must end with this code; return what it printed, or its last line of complaint."""
    assert main([str(part) for part in command]) == code
    shown = capsys.readouterr()
    return shown.out if code in {0, BROKEN} else shown.err.splitlines()[-1]


def test_show_prints_the_latest_entries(capsys: pytest.CaptureFixture[str], filled: Ledger, url: str) -> None:
    out = run(capsys, "ledger", "show", "--db", url, "--last", "2")
    assert "war by 2026-07-14 as of 2026-04-14  25 %  R1  published" in out
    assert "2 of 3 entries" in out
    rows = json.loads(run(capsys, "ledger", "show", "--db", url, "--question", "pact", "--last", "0", "--json"))
    assert [(r["seq"], r["probability"]) for r in rows] == [(1, 0.1), (2, 0.100001)]
    assert [r["hash"] for r in rows] == [e.hash for e in read_entries(filled)[:2]]
    of_another = run(capsys, "ledger", "show", "--db", url, "--case", "another", code=INPUT)
    assert all(part in of_another for part in ("--case another", "freedonia-sylvania"))
    misspelt = run(capsys, "ledger", "show", "--db", url, "--question", "pakt", code=INPUT)
    assert all(part in misspelt for part in ("--question pakt", "pact, war"))
    assert "--last -1" in run(capsys, "ledger", "show", "--db", url, "--last", "-1", code=INPUT)


def test_verify_says_what_is_wrong_and_fails(capsys: pytest.CaptureFixture[str], filled: Ledger, url: str) -> None:
    head = read_entries(filled)[-1].hash
    assert head in run(capsys, "ledger", "verify", "--db", url, "--head", head)
    assert main(["ledger", "verify", "--db", url, "--head", 64 * "a"]) == BROKEN
    assert main(["ledger", "verify", "--db", url, "--head", head[:12]]) == 2  # says nothing against the ledger
    assert 64 * "a" in capsys.readouterr().err
    tamper(filled, "UPDATE ledger SET payload = replace(payload, 'R1', 'R3') WHERE seq = 3")
    assert main(["ledger", "verify", "--db", url]) == BROKEN
    shown = capsys.readouterr()
    assert "entry 3 (forecast of freedonia-sylvania war by 2026-07-14 as of 2026-04-14): changed" in shown.err
    assert "tampered" in shown.out
    found = json.loads(run(capsys, "ledger", "verify", "--db", url, "--json", code=BROKEN))
    assert (found["verified"], found["problems"][0]["seq"]) == (False, 3)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM ledger_head", "head (last is entry 3, forecast of freedonia-sylvania war"),
        ("DROP TABLE ledger_head", "head (last is entry 3, forecast of freedonia-sylvania war"),
        ("DROP TABLE ledger", "entry 1 (the ledger is empty): cut short"),
        ("UPDATE ledger SET payload = '{}' WHERE seq = 2", "entry 2 (forecast, unreadable): changed"),
        ("UPDATE ledger SET payload = CAST(x'ff' AS TEXT) WHERE seq = 2", "entry 2 (forecast, unreadable): changed"),
        ("UPDATE ledger SET kind = CAST(x'ff' AS TEXT) WHERE seq = 2", "entry 2 (\\udcff of freedonia-sylvania pact"),
    ],
)
def test_verify_names_what_is_damaged_whatever_that_is(
    capsys: pytest.CaptureFixture[str], filled: Ledger, url: str, statement: str, said: str
) -> None:
    tamper(filled, statement)
    assert main(["ledger", "verify", "--db", url, "--json"]) == BROKEN
    shown = capsys.readouterr()
    assert said in shown.err
    assert not json.loads(shown.out)["verified"]
    shown.out.encode()  # it can be printed


@pytest.mark.parametrize("damaged", ["payload = '{}'", "kind = 'guess'", "payload = CAST(x'ff' AS TEXT)"])
def test_an_entry_that_cannot_be_read_is_named(
    capsys: pytest.CaptureFixture[str], filled: Ledger, url: str, damaged: str
) -> None:
    tamper(filled, f"UPDATE ledger SET {damaged} WHERE seq = 2")
    for command in (["ledger", "show"], ["ledger", "show", "--open"]):
        said = run(capsys, *command, "--db", url, code=INPUT)
        assert "entry 2" in said
        assert "run `forecast ledger verify`" in said


def test_verify_leaves_a_newer_version_to_a_newer_program(
    capsys: pytest.CaptureFixture[str], filled: Ledger, url: str
) -> None:
    tamper(filled, "UPDATE ledger_head SET version = 2")
    assert "a ledger of version 2" in run(capsys, "ledger", "verify", "--db", url, code=INPUT)


def test_export_and_import_go_round(
    capsys: pytest.CaptureFixture[str], filled: Ledger, url: str, tmp_path: Path
) -> None:
    hub, other = tmp_path / "hub", f"sqlite:///{tmp_path}/other/workspace.db"
    assert f"{hub}/ledger.parquet: 3 rows" in run(capsys, "ledger", "export", hub, "--db", url, "--format", "parquet")
    assert "3 entries added, 0 there already" in run(capsys, "ledger", "import", hub, "--db", other)
    assert read_entries(open_ledger(other)) == read_entries(filled)
    assert "not an empty folder" in run(capsys, "ledger", "export", hub, "--db", url, code=OUTPUT)
    assert "ledger.csv: missing" in run(capsys, "ledger", "import", tmp_path, "--db", other, code=INPUT)


@pytest.mark.parametrize("command", [("show",), ("verify",), ("export", "hub")])
def test_a_ledger_that_is_not_there_is_not_made(
    capsys: pytest.CaptureFixture[str], url: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    assert "no ledger there" in run(capsys, "ledger", *command, "--db", url, code=INPUT)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_the_database(
    capsys: pytest.CaptureFixture[str], filled: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECAST_DB", url)
    assert "3 entries" in run(capsys, "ledger", "verify")


# --- resolve ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def past(tiny_case: TinyCase, url: str) -> Case:
    """The small case, with a reconstructed forecast of the pact of August 2020."""
    case = tiny_case.write()
    question = next(q for q in case.questions if q.id == "pact")
    record = forecast(
        case=case.id,
        wording=case.wording(question),
        by=date(2020, 9, 30),
        deadline=datetime(2020, 9, 30, 23, 59, 59, tzinfo=UTC),
        origin=datetime(2020, 8, 7, 23, 59, 59, tzinfo=UTC),
        label="reconstructed",
    )
    append(open_ledger(url), [record])
    return case


def pact(case: Case) -> list[str]:
    return ["resolve", str(case.folder), "--question", "pact", "--by", "2020-09-30"]


def test_a_person_settles_a_question(capsys: pytest.CaptureFixture[str], past: Case, url: str) -> None:
    command = [*pact(past), "--db", url, "--outcome", "yes"]
    settled = [*command, "--decided-on", "2020-08-20", "--reason", "The pact was sworn.", "--who", "Ada"]
    assert "pact by 2020-09-30 as of 2020-08-07: yes (Ada: The pact was sworn.)" in run(capsys, *settled)
    assert "settled in the same way before" in run(capsys, *settled)
    (record,) = json.loads(run(capsys, "ledger", "show", "--db", url, "--last", "1", "--json"))
    assert (record["outcome"], record["decided_on"], record["public_at"]) == (
        "yes",
        "2020-08-20",
        "2020-08-20T23:59:59Z",
    )
    assert "0 of 2 entries" in run(capsys, "ledger", "show", "--db", url, "--open")
    contrary = [*command[:-1], "no", "--reason", "It was never kept.", "--who", "Bo"]
    assert "no (Bo" in run(capsys, *contrary)
    assert len(read_entries(open_ledger(url), kind="resolution")) == 2
    assert run(capsys, "ledger", "verify", "--db", url).startswith("3 entries")


def test_a_person_settles_that_nothing_came_where_the_day_ends_later(
    capsys: pytest.CaptureFixture[str], past: Case, url: str
) -> None:
    """New York's 30 September 2020 ends at 3:59:59 of the next day, UTC."""
    (entry,) = read_entries(open_ledger(url))
    assert isinstance(entry.record, Forecast)
    ends = datetime(2020, 10, 1, 3, 59, 59, tzinfo=UTC)
    append(open_ledger(url), [entry.record.model_copy(update={"deadline": ends, "wording": "in New York"})])
    told = ["--outcome", "no", "--reason", "None was sworn.", "--who", "Ada"]
    assert "no (Ada: None was sworn.)" in run(capsys, *pact(past), "--db", url, *told)
    found = [r for e in read_entries(open_ledger(url), kind="resolution") if isinstance(r := e.record, Resolution)]
    assert {r.wording: r.public_at for r in found}["in New York"] == ends
    too_early = ["--public-at", "2020-10-01T00:00Z"]
    assert "before the deadline" in run(capsys, *pact(past), "--db", url, *told[:-1], "Bo", *too_early, code=INPUT)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--outcome", "yes", "--who", "Ada"], "--reason is missing"),
        (["--outcome", "yes", "--reason", "x"], "--who is missing"),
        (["--outcome", "yes", "--reason", "x", "--who", "data"], "--who data is kept for"),
        (["--outcome", "yes", "--reason", "x", "--who", "Ada", "--decided-on", "2020-08-01"], "no forecast of"),
        (["--outcome", "yes", "--reason", "x", "--who", "Ada", "--origin", "2020-08-08"], "no forecast of"),
        (["--outcome", "yes", "--reason", "x", "--who", "Ada", "--public-at", "2100-01-01"], "yet to come"),
        (["--outcome", "yes", "--reason", "x", "--who", "Ada", "--public-at", "2020-09-30T12:00"], "needs a zone"),
    ],
)
def test_a_resolution_that_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], past: Case, url: str, options: list[str], said: str
) -> None:
    command: list[str | Path] = [
        "resolve",
        past.folder,
        "--db",
        url,
        "--question",
        "pact",
        "--by",
        "2020-09-30",
        *options,
    ]
    assert said in run(capsys, *command, code=INPUT)
    assert len(read_entries(open_ledger(url))) == 1
