"""``forecast record``: what it prints and writes, and what it refuses."""

import json
from pathlib import Path

import pytest

from forecast.cli import main
from forecast.evaluation.hierarchical import SCALES, HierarchicalDifference
from forecast.ledger import append, open_ledger
from tests.cli.conftest import INPUT
from tests.evaluation.records import backtest_tables, issued, of_case, write_tables


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/workspace.db"
    monkeypatch.setenv("FORECAST_DB", url)
    return url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tables = backtest_tables({"R0": [0.2, 0.3, 0.4, 0.1], "R1": [0.6, 0.2, 0.7, 0.05]}, [1, 0, 1, 0])
    return write_tables(of_case(tables, "us-iran"), tmp_path / "backtest")


def test_a_backtest_is_printed_and_written_with_the_same_numbers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, nowhere: str
) -> None:
    out = tmp_path / "record"
    assert main(["record", "us-iran", "--backtest", str(folder), "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr().out
    written = json.loads((out / "record.json").read_text())
    assert json.loads(printed) == written
    assert written["published"] is None
    assert written["reconstructed"]["overall"]
    assert {p.name for p in out.iterdir() if not p.name.startswith(".")} == {"record.html", "record.md", "record.json"}
    for name in ("record.html", "record.md"):
        assert "Reconstructed" in (out / name).read_text()
    assert not Path(nowhere.removeprefix("sqlite:///")).exists()  # looking makes no ledger


def test_a_hierarchical_answer_whose_chains_did_not_meet_is_not_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sampled(_differences: object, *, scale: float) -> HierarchicalDifference:
        sound = scale == SCALES["rps"]
        return HierarchicalDifference(-0.123, -0.2, 0.1, 0.87, 0.1, 1.0 if sound else 1.5, 500.0, 0, sound=sound)

    monkeypatch.setattr("forecast.evaluation.record.hierarchical_difference", sampled)
    out = tmp_path / "record"
    assert main(["record", "us-iran", "--backtest", str(folder), "--hierarchical", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    for text in (said, (out / "record.html").read_text(), (out / "record.md").read_text()):
        rows = [line for line in text.splitlines() if "R1" in line and "did not converge" in line]
        assert rows
        assert not any("0.123" in row for row in rows)
        assert "0.123" in text
    assert "-0.123 (-0.200 to +0.100)" in said


def test_a_ledger_with_nothing_settled_says_so(capsys: pytest.CaptureFixture[str], nowhere: str) -> None:
    append(open_ledger(nowhere), [issued(0, 0.3, case="us-iran")], now=issued(0, 0.3).issued_at)
    assert main(["record", "us-iran"]) == 0
    out = capsys.readouterr().out
    assert "PUBLISHED" in out
    assert "none" in out.lower() or "0 of 1" in out


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, nowhere: str) -> None:
    foreign = write_tables(backtest_tables({"R0": [0.2]}, [1]), tmp_path / "foreign")
    for options, said in (
        ([], "or give --backtest DIR"),
        (["--backtest", str(tmp_path / "absent")], "absent"),
        (["--backtest", str(foreign)], "tiny"),
        (["--backtest", str(folder), "--db", f"sqlite:///{tmp_path}/none.db"], "no ledger there"),
    ):
        assert main(["record", "us-iran", *options]) == INPUT
        complaint = capsys.readouterr().err.strip().splitlines()
        assert len(complaint) == 1
        assert said in complaint[0]
