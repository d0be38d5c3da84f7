"""The backtest and its command: what it keeps, without clusters or sampler."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.errors import EngineError, SchedulerError
from forecast.evaluation import backtest as module
from forecast.evaluation.backtest import Backtest, backtest
from forecast.evaluation.outcomes import realised
from forecast.evaluation.parts import FOLDER
from forecast.evaluation.plan import plan
from forecast.evaluation.reconstructed import scorable
from forecast.evaluation.task import Ingredients, forecast_origin
from forecast.inference import Fit, Settings
from tests.conftest import TinyCase
from tests.evaluation.backtesting import FRIDAYS, free_port, request_of
from tests.runs import exact_base_rate


def exact(rung: Any, history: Any, *, priors: Any, settings: Settings, cores: int) -> Fit:
    """Draw the base rate without the sampler; one origin has a rung that its data cannot carry."""
    assert cores == 1
    if history.origin.as_of == FRIDAYS[1]:
        message = "no mode in the week to 2020-10-30"
        raise EngineError(message)
    return exact_base_rate(rung, history, priors=priors, settings=settings)


class InProcess:
    """Stand in for the cluster: run tasks here, in turn, and remember which."""

    def __init__(self, *, stop_after: int | None = None, lose: int | None = None) -> None:
        self.ran: list[str] = []
        self._stop_after, self._lose = stop_after, lose

    def __call__(
        self, tasks: Iterator[tuple[str, Mapping[str, Any]]], *, scheduler: str | None, workers: int
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, (key, arguments) in enumerate(tasks):
            if number == self._stop_after:
                raise KeyboardInterrupt
            self.ran.append(f"{arguments['rung']} {arguments['as_of']}")
            if number == self._lose:
                yield key, {"status": "lost", "error": "every worker that tried it died"}
            else:
                yield key, forecast_origin(arguments)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Callable[..., InProcess]:
    def install(**options: Any) -> InProcess:
        runner = InProcess(**options)
        monkeypatch.setattr(module, "run_tasks", runner)
        return runner

    monkeypatch.setattr("forecast.inference.fit", exact)
    return install


def test_forecasts_are_joined_to_what_came(
    in_process: Callable[..., InProcess], tiny_case: TinyCase, tmp_path: Path
) -> None:
    in_process()
    settings = Settings(draws=1000)
    found = backtest(request_of(tiny_case, settings=settings), out=tmp_path / "out")
    table = found.forecasts
    assert set(table["label"]) == {"reconstructed"}
    assert len(table) == 2 * 2 * 2  # two origins that gave forecasts, two questions, two horizons
    assert table["probability"].between(0, 1).all()
    war = table[(table["question"] == "war") & (table["origin"] == pd.Timestamp("2020-11-27T23:59:59Z"))]
    assert war["outcome"].tolist() == [0, 0]  # the skirmish of 2 February comes in the tenth week
    assert war["by"].tolist() == [date(2020, 12, 25), date(2021, 1, 22)]
    pact = table[table["question"] == "pact"].iloc[0]
    latest = realised(tiny_case.vintage("2021-06-25"), as_of=FRIDAYS[0], by=[pact["by"]])
    assert pact["outcome"] == next(o.outcome for o in latest if o.question == "pact")
    firsts = found.categories.groupby(["origin", "horizon_weeks"])
    np.testing.assert_allclose(firsts["probability"].sum(), 1.0)
    assert (firsts["outcome"].sum() == 1).all()
    curve = found.curves[(found.curves["question"] == "pact") & (found.curves["origin"] == table["origin"].max())]
    assert curve["week"].tolist() == list(range(9))
    assert curve["probability"].is_monotonic_increasing
    at_four = table[(table["question"] == "pact") & (table["origin"] == table["origin"].max())]["probability"].iloc[0]
    assert curve["probability"].iloc[4] == at_four


def test_a_failed_task_is_told_and_the_rest_goes_on(
    in_process: Callable[..., InProcess], tiny_case: TinyCase, tmp_path: Path
) -> None:
    in_process()
    said: list[str] = []
    found = backtest(request_of(tiny_case), out=tmp_path, say=said.append)
    assert not found.complete
    assert found.summary["tasks"] == {"all": 3, "done": 2, "of_these_found": 0, "failed": 1}
    assert found.summary["failed"] == [
        {"rung": "R0", "origin": "2020-10-30", "status": "failed", "error": "no mode in the week to 2020-10-30"}
    ]
    assert any("R0 as of 2020-10-30, failed: no mode" in line for line in said)
    assert json.loads((tmp_path / "summary.json").read_text()) == found.summary


def test_a_failed_gate_is_shown_and_not_scored(
    in_process: Callable[..., InProcess], tiny_case: TinyCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_process()
    monkeypatch.setattr("forecast.outlook.outlook.gate", lambda checks: "fail")
    found = backtest(request_of(tiny_case), out=tmp_path)
    assert found.summary["gates"] == {"R0": {"pass": 0, "review": 0, "fail": 2}}
    assert len(found.forecasts) == 8
    assert scorable(found.forecasts).empty
    assert {c["scorable"] for c in found.summary["counts"]} == {0}


def test_what_was_interrupted_goes_on_and_ends_the_same(
    in_process: Callable[..., InProcess], tiny_case: TinyCase, tmp_path: Path
) -> None:
    in_process()
    request = request_of(tiny_case)
    whole = backtest(request, out=tmp_path / "whole")
    in_process(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        backtest(request, out=tmp_path / "out")
    assert not (tmp_path / "out" / "forecasts.csv").exists()
    left = in_process()
    resumed = backtest(request, out=tmp_path / "out")
    assert left.ran == ["R0 2020-11-27"]
    assert resumed.summary["tasks"] == {"all": 3, "done": 2, "of_these_found": 2, "failed": 1}
    for name in ("forecasts.csv", "forecasts.parquet", "categories.parquet", "curves.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "curves.parquet"), whole.curves, check_dtype=False)
    again = in_process()
    backtest(request, out=tmp_path / "out")
    assert again.ran == []


def test_damaged_and_outdated_parts_are_computed_anew(
    in_process: Callable[..., InProcess], tiny_case: TinyCase, tmp_path: Path
) -> None:
    in_process()
    request = request_of(tiny_case)
    backtest(request, out=tmp_path)
    parts = sorted((tmp_path / FOLDER).iterdir())
    parts[0].write_bytes(parts[0].read_bytes()[:100])
    whole = json.loads(parts[2].read_text())
    parts[2].write_text(json.dumps({**whole, "key": "0" * 64}))
    (tmp_path / FOLDER / ".left.123.part").write_text("half a file")
    runner = in_process()
    backtest(request, out=tmp_path)
    assert runner.ran == ["R0 2020-10-02", "R0 2020-11-27"]
    assert sorted((tmp_path / FOLDER).iterdir()) == parts


def test_a_task_whose_workers_died_is_told_and_tried_again(
    in_process: Callable[..., InProcess], tiny_case: TinyCase, tmp_path: Path
) -> None:
    in_process(lose=0)
    first = backtest(request_of(tiny_case), out=tmp_path)
    assert first.summary["failed"][0] == {
        "rung": "R0",
        "origin": "2020-10-02",
        "status": "lost",
        "error": "every worker that tried it died",
    }
    runner = in_process()
    assert len(backtest(request_of(tiny_case), out=tmp_path).forecasts) == 8
    assert runner.ran == ["R0 2020-10-02"]


@pytest.mark.parametrize("what", ["code", "definition", "data", "priors"])
def test_a_worker_that_differs_is_refused(
    in_process: Callable[..., InProcess],
    tiny_case: TinyCase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    in_process()
    ours = [replace(p, made_of=Ingredients(**asdict(p.made_of) | {what: "x"})) for p in plan(request_of(tiny_case))]
    monkeypatch.setattr(module, "plan", lambda _request: iter(ours))
    with pytest.raises(SchedulerError, match=f"R0 as of 2020-10-02: a worker has other {what} than this machine"):
        backtest(request_of(tiny_case), out=tmp_path)
    assert not list((tmp_path / FOLDER).iterdir())


def test_a_backtest_is_complete_when_nothing_failed() -> None:
    blank = pd.DataFrame()
    assert Backtest(blank, blank, blank, {"tasks": {"failed": 0}}).complete


# --- the command -----------------------------------------------------------------------------------------------------

COMMAND = ("backtest", "us-iran", "--from", "2026-01-02", "--to", "2026-02-27")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("--every", "4"), "give a number of weeks or days, like 4w or 10d"),
        (("--rungs", "R0,R2"), "no rung 'R2'"),
        (("--rungs", ""), "no rung ''"),
        (("--to", "2025-12-01"), "the last lies before the first"),
        (("--to", "2026-10-10"), "coded to 2026-10-09"),
        (("--from", "2017-01-06"), "the first usable as-of is 2018-07-07"),
        (("--draws", "10"), "needs at least 100 draws"),
        (("--workers", "0"), "needs at least one"),
        (("--priors", "nowhere"), "no prior files"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, changes: tuple[str, ...], said: str
) -> None:
    assert main([*COMMAND, *changes, "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("forecast: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [("--from", "2026-13-01"), ("--scheduler", "tcp://127.0.0.1:1", "--workers", "2")])
def test_options_that_cannot_be_meant_are_refused(capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*COMMAND, *options])
    assert "error: argument" in capsys.readouterr().err


def test_a_scheduler_that_does_not_answer_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecast.evaluation.dispatch.ANSWER_WITHIN", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    command = [*COMMAND, "--rungs", "R0", "--scheduler", address, "--out", str(tmp_path)]
    assert main(command) == 5
    line = capsys.readouterr().err
    assert line.startswith(f"forecast: {address}: no scheduler answers here")
    assert line.count("\n") == 1
    for odd in ("carrier-pigeon://loft", "tls://127.0.0.1:8786", "tcp://127.0.0.1:99999", "inproc://x"):
        assert main([*command[:-3], odd, *command[-2:]]) == 5
        said = capsys.readouterr().err
        assert said.startswith(f"forecast: {odd}: no scheduler answers here")
        assert said.count("\n") == 1


def test_interruption_and_failure_have_their_exit_codes(
    in_process: Callable[..., InProcess], tiny_case: TinyCase, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    span = ("--from", str(FRIDAYS[0]), "--to", str(FRIDAYS[-1]))
    command = ["backtest", str(tiny_case.folder), *span, "--rungs", "R0", "--out", str(tmp_path / "out"), "--json"]
    in_process(stop_after=1)
    assert main(command) == 130
    assert "goes on from there" in capsys.readouterr().err
    in_process()
    assert main(command) == 6
    assert json.loads(capsys.readouterr().out)["tasks"]["failed"] == 1
