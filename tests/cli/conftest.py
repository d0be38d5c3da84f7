"""What tests of the command line share: nothing is sampled, and a refusal leaves every file as it was."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from forecast.cli import main
from forecast.inference import Fit
from tests.runs import exact_base_rate, files_in

ROOT = Path(__file__).resolve().parent.parent.parent
GATE, INPUT, OUTPUT, BUSY = 1, 2, 3, 4
R0 = ("--rung", "R0", "--draws", "250", "--as-of", "2026-04-14")

Refused = Callable[..., str]


def never(*_arguments: object, **_options: object) -> Fit:
    """Stand in for the sampler where a command must not get that far."""
    pytest.fail("the command went on to sample")


@pytest.fixture(autouse=True)
def no_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.run.fit", never)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the base rate's posterior without the sampler."""
    monkeypatch.setattr("forecast.run.fit", exact_base_rate)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refused:
    """Run a command that must be refused, leaving every file as it was; return the line that says why."""

    def run(*command: str | Path, code: int = INPUT) -> str:
        before = files_in(tmp_path)
        assert main([str(part) for part in command]) == code
        shown = capsys.readouterr()
        assert shown.out == ""
        *progress, line = shown.err.splitlines()
        assert progress == [] or code != INPUT
        assert line.startswith("forecast: ")
        assert files_in(tmp_path) == before
        return line

    return run


def said(capsys: pytest.CaptureFixture[str], *command: str | Path) -> str:
    """Run a command that must succeed and return what it printed."""
    code = main([str(part) for part in command])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    return shown.out


def names(line: str, *parts: str) -> bool:
    """Whether a line names all these parts, in this order."""
    return re.search(".*".join(map(re.escape, parts)), line, re.DOTALL) is not None
