"""The command line where it succeeds, where the gate fails, and as a process of its own."""

import csv
import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from forecast import __version__
from forecast.cli import main
from forecast.inference import Fit, Settings
from forecast.models import History, Priors, Rung
from forecast.run import FILES, Say
from tests.cli.conftest import GATE, INPUT, R0, ROOT, Refused, names, said
from tests.conftest import TinyCase
from tests.runs import exact_base_rate, files_in

HEAVY = {"pymc", "pytensor", "nutpie", "numba", "pandas", "numpy", "scipy", "xarray", "matplotlib", "pydantic"}

# --- the gate --------------------------------------------------------------------------------------------------------


def diverging_base_rate(
    rung: Rung, history: History, *, priors: Priors, settings: Settings | None = None, report: Say | None = None
) -> Fit:
    """Stand in for a sampler that went astray."""
    exact = exact_base_rate(rung, history, priors=priors, settings=settings)
    return replace(exact, sample_stats=exact.sample_stats.assign(diverging=~exact.sample_stats["diverging"]))


def test_a_failed_gate_publishes_nothing_and_says_what_failed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("forecast.run.fit", diverging_base_rate)
    assert main(["run", "us-iran", *R0, "--out", str(tmp_path / "out")]) == GATE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert names(shown.err, "Share of divergent transitions", "1000 of 1000 draws", "nothing was published", "--draws")
    assert main(["fit", "us-iran", *R0, "--out", str(tmp_path / "posterior.nc")]) == GATE
    assert "gate: fail" in capsys.readouterr().out
    assert files_in(tmp_path) == {}


# --- commands that succeed -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("exact")
def test_run_fit_and_outlook_agree(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = json.loads(said(capsys, "run", "us-iran", *R0, "--out", tmp_path / "run", "--json"))
    assert first["gate"] in {"pass", "review"}
    assert set(first["files"]) == set(FILES)
    assert all(Path(path).is_file() for path in first["files"].values())
    text = said(capsys, "fit", "us-iran", *R0, "--out", tmp_path / "fit.nc")
    assert text.endswith(f"posterior: {tmp_path / 'fit.nc'}\n")
    again = json.loads(said(capsys, "outlook", tmp_path / "fit.nc", "--out", tmp_path / "outlook", "--json"))
    assert again["headlines"] == first["headlines"]
    assert (tmp_path / "outlook" / "posterior.nc").read_bytes() == (tmp_path / "run" / "posterior.nc").read_bytes()
    table = json.loads(said(capsys, "outlook", tmp_path / "fit.nc", "--json"))
    published = json.loads((tmp_path / "run" / "outlook.json").read_text())["probabilities"]
    assert [(row["question"], row["weeks"]) for row in table] == [(r["event"], r["horizon_weeks"]) for r in published]
    assert [row["probability"] for row in table] == pytest.approx([row["mean"] for row in published], abs=1e-6)


@pytest.mark.usefixtures("exact")
def test_the_command_of_a_manifest_makes_the_same_numbers_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = (*R0, "--seed", "0", "--by", "2026-06-30", "--by", "2026-12-31", "--next-run", "Fridays, 22:17 UTC")
    said(capsys, "run", "us-iran", *options, "--out", tmp_path / "run")
    first = json.loads((tmp_path / "run" / "outlook.json").read_text())
    said(capsys, *shlex.split(first["manifest"]["command"])[1:], "--out", tmp_path / "again")
    again = json.loads((tmp_path / "again" / "outlook.json").read_text())
    for document in (first, again):
        del document["issue"]["run_at"], document["issue"]["ledger"], document["manifest"]["timings_s"]
    assert again == first
    said(capsys, "outlook", tmp_path / "run" / "posterior.nc", "--by", "2026-06-30", "--out", tmp_path / "answers")
    answers = json.loads((tmp_path / "answers" / "outlook.json").read_text())
    posterior = tmp_path / "run" / "posterior.nc"
    assert answers["manifest"]["command"] == f"forecast outlook {posterior} --by 2026-06-30"


@pytest.mark.usefixtures("exact")
def test_options_win_over_a_report_definition(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    definition = tmp_path / "weekly.toml"
    definition.write_text(
        f"""
        case = "us-iran"
        rung = "R9"
        by = [2026-12-31]
        next_run = "Fridays"
        seed = 7
        out = "{tmp_path}/elsewhere"
        """
    )
    options = (*R0, "--out", tmp_path / "here", "--by", "2027-06-30", "--seed", "8")
    said(capsys, "run", "--report", definition, *options)
    document = json.loads((tmp_path / "here" / "outlook.json").read_text())
    assert document["issue"]["rung"] == "R0"
    assert document["issue"]["next_run"] == "Fridays"
    assert document["manifest"]["seed"] == 8
    assert {"2026-12-31", "2027-06-30"} <= {row["by"] for row in document["probabilities"]}
    assert not (tmp_path / "elsewhere").exists()


def test_cases_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "us-iran  " in said(capsys, "cases")
    assert "us-iran" in json.loads(said(capsys, "cases", "--json"))


def test_a_case_is_shown(capsys: pytest.CaptureFixture[str], tiny_case: TinyCase) -> None:
    text = said(capsys, "case", "show", tiny_case.folder)
    assert names(text, "freedonia-sylvania", "Freedonia (coercer); Sylvania (target)", "2020-01-04 to 2021-06-25")
    shown = json.loads(said(capsys, "case", "show", tiny_case.folder, "--json"))
    assert shown["id"] == "freedonia-sylvania"
    assert "folder" not in shown


def test_the_coded_weeks_are_shown_with_their_causes(capsys: pytest.CaptureFixture[str], tiny_case: TinyCase) -> None:
    text = said(capsys, "case", "show", tiny_case.folder, "--weeks")
    assert names(text, "2020-08-21  diplomacy: talks -> limited_deal", "pact_start (both)")
    shown = json.loads(said(capsys, "case", "show", tiny_case.folder, "--weeks", "--json", "--as-of", "2020-08-20"))
    assert shown["weeks"][-1] == "2020-08-20"
    assert [step["to"] for step in shown["steps"] if step["ladder"] == "diplomacy"] == ["talks", "limited_deal"]


def test_the_shipped_tables_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(said(capsys, "data", "check", "us-iran", "--json"))
    folder = ROOT / "forecast" / "cases" / "us_iran" / "data"
    for name in ("events", "rial", "brent", "iaea", "oil", "episodes", "breakdowns"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert rows[name if name in {"episodes", "breakdowns"} else f"{name}.csv"] == sum(
                1 for _ in csv.DictReader(file)
            )
    assert said(capsys, "data", "check", "us-iran").endswith("all rows are in order\n")


def test_the_shipped_priors_are_in_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "priors.svg"
    shown = json.loads(said(capsys, "priors", "check", "--picture", picture, "--json"))
    assert all(shown["statements"].values())
    assert all(row["ok"] for row in shown["predictive"].values())
    assert picture.read_text().startswith("<?xml")


def test_priors_are_shown_with_their_reasons(capsys: pytest.CaptureFixture[str], refused: Refused) -> None:
    shown = json.loads(said(capsys, "priors", "show", "--json"))
    assert set(shown["force.coerce"]) >= {"family", "statement", "rationale", "source", "date"}
    assert names(said(capsys, "priors", "show", "coerce"), "coerce", "Normal", shown["force.coerce"]["statement"])
    assert names(refused("priors", "show", "coercion"), "no prior named 'coercion'")


COMMANDS = [
    "",
    "run",
    "fit",
    "outlook",
    "diff",
    "markets score",
    "cases",
    "case",
    "case show",
    "data",
    "data check",
    "priors",
    "priors check",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_given(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*command.split(), "--help"])
    assert capsys.readouterr().out.startswith(f"usage: forecast {command}".strip())


def test_the_version_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"forecast {__version__}\n"


# --- as a process of its own -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["run", "us-iraq"], ["outlook", "nowhere.nc"], ["data", "check", "."]])
def test_a_refusal_in_a_process_of_its_own(tmp_path: Path, command: list[str]) -> None:
    whole = [sys.executable, "-m", "forecast", *command]
    done = subprocess.run(whole, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == INPUT
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_stops_reading_is_no_error() -> None:
    """As in `forecast case show us-iran --weeks --json | head`."""
    command = [sys.executable, "-m", "forecast", "case", "show", "us-iran", "--weeks", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_help_and_import_load_nothing_heavy() -> None:
    """What takes the time is importing; which modules are loaded does not depend on how busy the machine is."""
    script = "import sys, forecast, forecast.cli; forecast.cli._parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "forecast.cli" in loaded
    assert HEAVY & {name.partition(".")[0] for name in loaded} == set()
