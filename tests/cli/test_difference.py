import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forecast.cli import main
from tests.cli.conftest import INPUT, OUTPUT, ROOT
from tests.report.sample import sample_document


@pytest.fixture
def issues(tmp_path: Path) -> tuple[str, str]:
    """Two folders with an outlook each, a week apart."""
    before = sample_document()
    after = copy.deepcopy(before)
    after["issue"]["as_of"] = "2026-10-16T23:59:59Z"
    after["probabilities"][0]["mean"] += 0.2
    folders = []
    for document in (before, after):
        folder = tmp_path / document["issue"]["as_of"][:10]
        folder.mkdir()
        (folder / "outlook.json").write_text(json.dumps(document), encoding="utf-8")
        folders.append(str(folder))
    return folders[0], folders[1]


def test_two_issues_are_printed_side_by_side(issues: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *issues]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("2026-10-09T23:59:59Z and 2026-10-16T23:59:59Z")
    assert any(line.endswith(" +20.0") for line in lines)
    assert any(line.startswith("  Gap ") for line in lines)


def test_json_is_the_document(issues: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *issues, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "forecast-difference/1"
    assert found["probabilities"][0]["change"] == pytest.approx(0.2)


def as_a_process(*command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    whole = [sys.executable, "-m", "forecast", *command]
    return subprocess.run(whole, cwd=ROOT, stderr=subprocess.PIPE, check=False, **options)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["lines", "json"])
def test_output_that_cannot_be_written_is_one_line_and_a_code_of_its_own(
    issues: tuple[str, str], form: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = as_a_process("diff", *issues, *form, stdout=full)
    assert done.returncode == OUTPUT
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("forecast: standard output: cannot be written (No space left on device)")


def test_what_cannot_be_said_on_standard_error_leaves_the_code_as_it_is(issues: tuple[str, str]) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "forecast", "diff", issues[0], "nowhere.json"]
        assert subprocess.run(command, cwd=ROOT, stderr=full, check=False).returncode == INPUT


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_encoding_that_lacks_a_character_is_no_error(issues: tuple[str, str], encoding: str) -> None:
    """JSON says the same in any encoding; lines show what they cannot print as an escape."""
    for folder in issues:
        file = Path(folder) / "outlook.json"
        document = json.loads(file.read_text(encoding="utf-8"))
        document["case"]["title"] = "Téhéran \u2013 \u062a\u0647\u0631\u0627\u0646"
        file.write_text(json.dumps(document), encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    lines = as_a_process("diff", *issues, stdout=subprocess.PIPE, env=environment)
    assert (lines.returncode, lines.stderr) == (0, b"")
    title = document["case"]["title"].encode(encoding, "backslashreplace")
    assert lines.stdout.startswith(title + b": 2026")
    shown = as_a_process("diff", *issues, "--json", stdout=subprocess.PIPE, env=environment)
    assert json.loads(shown.stdout.decode(encoding))["case"]["title"] == document["case"]["title"]


def test_a_wrong_file_is_named_without_a_traceback(
    issues: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", issues[0], str(tmp_path / "nowhere.json")]) == 2
    told = capsys.readouterr().err
    assert "nowhere.json: cannot be read (No such file or directory); give an outlook.json" in told
    assert "Traceback" not in told
