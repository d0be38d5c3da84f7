import copy
import json
from pathlib import Path

import pytest

from forecast.cli import main
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


def test_a_wrong_file_is_named_without_a_traceback(
    issues: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", issues[0], str(tmp_path / "nowhere.json")]) == 2
    told = capsys.readouterr().err
    assert "nowhere.json: cannot be read (No such file or directory); give an outlook.json" in told
    assert "Traceback" not in told
