"""The backtest: what it plans, what it keeps, and (slow) that processes, kills and schedulers change no digit."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.errors import AsOfError, CaseError, EngineError, RungError, SchedulerError
from forecast.evaluation import backtest as module
from forecast.evaluation.backtest import Backtest, backtest
from forecast.evaluation.dispatch import run_tasks
from forecast.evaluation.outcomes import realised
from forecast.evaluation.parts import FOLDER
from forecast.evaluation.plan import Request, origins_between, plan, spacing, task_seed
from forecast.evaluation.reconstructed import scorable
from forecast.evaluation.task import Ingredients, Task, forecast_origin, history_at
from forecast.inference import Fit, Settings
from forecast.models import RUNGS, load_priors, sizes_of
from tests.conftest import TinyCase
from tests.test_run import exact_base_rate

ROOT = Path(__file__).resolve().parent.parent.parent
FRIDAYS = (date(2020, 10, 2), date(2020, 10, 30), date(2020, 11, 27))
FEW = Settings(draws=100, tune=100, chains=2)


def request_of(tiny: TinyCase, **changes: Any) -> Request:
    return replace(Request(str(tiny.folder), FRIDAYS, ("R0",), FEW), **changes)


def keys(request: Request) -> dict[tuple[str, date], str]:
    return {(p.task.rung, p.origin): p.key for p in plan(request)}


# --- what is planned -------------------------------------------------------------------------------------------------


def test_origins_step_from_the_first_to_no_later_than_the_last(tiny_case: TinyCase) -> None:
    case = tiny_case.write()
    assert origins_between(case, FRIDAYS[0], date(2020, 12, 3), spacing("4w")) == FRIDAYS
    assert origins_between(case, FRIDAYS[0], FRIDAYS[0], spacing("10d")) == FRIDAYS[:1]
    with pytest.raises(AsOfError, match="from 2020-10-30 to 2020-10-02: the last lies before the first"):
        origins_between(case, FRIDAYS[1], FRIDAYS[0], spacing("4w"))
    with pytest.raises(AsOfError, match="coded to 2021-06-25"):
        origins_between(case, FRIDAYS[0], date(2021, 6, 26), spacing("4w"))


@pytest.mark.parametrize("text", ["4", "w", "0w", "-1w", "4m", "four weeks", "1.5w", ""])
def test_a_spacing_is_weeks_or_days(text: str) -> None:
    with pytest.raises(AsOfError, match="like 4w or 10d"):
        spacing(text)


def test_what_is_not_usable_fails_before_anything_runs(tiny_case: TinyCase) -> None:
    with pytest.raises(RungError, match="no rung 'R2'"):
        keys(request_of(tiny_case, rungs=("R0", "R2")))
    with pytest.raises(RungError, match=r"R6 needs leverage\.toml"):
        keys(request_of(tiny_case, rungs=("R6",)))
    with pytest.raises(AsOfError, match="the first usable as-of is 2020-07-04"):
        keys(request_of(tiny_case, origins=(date(2020, 5, 1), *FRIDAYS)))
    with pytest.raises(CaseError):
        keys(request_of(tiny_case, case="nowhere"))


def test_every_task_has_a_seed_of_its_own() -> None:
    seeds = {task_seed(s, o, r) for s in (1, 2) for o in FRIDAYS for r in RUNGS}
    assert len(seeds) == 2 * len(FRIDAYS) * len(RUNGS)
    assert all(0 <= s < 2**63 for s in seeds)


def test_a_key_changes_with_whatever_the_numbers_depend_on(tiny_case: TinyCase, tmp_path: Path) -> None:
    request = request_of(tiny_case, rungs=("R0", "R1"))
    before = keys(request)
    assert len(set(before.values())) == 6
    for settings in (replace(FEW, seed=1), replace(FEW, draws=101), replace(FEW, tune=101), replace(FEW, chains=3)):
        assert not set(keys(replace(request, settings=settings)).values()) & set(before.values())
    priors = tmp_path / "priors"
    shutil.copytree(load_priors().folder, priors)
    assert keys(replace(request, priors=priors)) == before
    text = (priors / "base_rate.toml").read_text()
    (priors / "base_rate.toml").write_text(text.replace("rationale = ", "rationale = 'Thought over again. ' # ", 1))
    assert not set(keys(replace(request, priors=priors)).values()) & set(before.values())
    coding = tiny_case.folder / "coding.toml"
    coding.write_text(coding.read_text().replace("for_days = 21", "for_days = 28"))
    assert not set(keys(request).values()) & set(before.values())


def test_keys_know_nothing_of_the_future(tiny_case: TinyCase) -> None:
    """A row added on 15 November, and the coding carried on, change the origin after it and none before."""
    request = request_of(tiny_case)
    before = keys(request)
    acts = tiny_case.folder / "data" / "acts.csv"
    first = acts.read_text().splitlines()[1]
    later = {"O0": "X1", "2020-02-10T00:00:00Z": "2020-10-01T00:00:00Z", "2020-02-10T23:59:59Z": "2020-11-15T12:00:00Z"}
    for old, new in later.items():
        assert old in first
        first = first.replace(old, new, 1)
    with acts.open("a") as file:
        file.write(first + "\n")
    toml = tiny_case.folder / "case.toml"
    toml.write_text(toml.read_text().replace("2021-06-25", "2021-08-27"))
    after = keys(request)
    assert [after["R0", o] == before["R0", o] for o in FRIDAYS] == [True, True, False]


def test_all_origins_share_one_shape() -> None:
    blank = Task("us-iran", "2026-09-04", "R6", 1, 100, 100, 2, None, {})
    latest = history_at(blank)
    alone = history_at(replace(blank, as_of="2024-01-05"))
    early = replace(alone, room=sizes_of(latest))
    for rung in RUNGS.values():
        assert rung.shape(early) == rung.shape(latest)
        assert (rung.shape(alone) != rung.shape(latest)) == (rung.name != "R0")
        of_early, of_latest = ({n: a.shape for n, a in rung.data(h).items()} for h in (early, latest))
        assert of_early == of_latest


# --- what is kept, without clusters or sampler -----------------------------------------------------------------------


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
    assert main([*command[:-3], "carrier-pigeon://loft", *command[-2:]]) == 5


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


# --- real processes --------------------------------------------------------------------------------------------------

REAL = (
    "--from",
    "2026-01-30",
    "--to",
    "2026-03-27",
    "--rungs",
    "R0",
    "--draws",
    "100",
    "--tune",
    "100",
    "--chains",
    "2",
)
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command_line(out: Path, *options: str, case: str = "us-iran") -> list[str]:
    return [sys.executable, "-m", "forecast", "backtest", case, *REAL, "--out", str(out), *options]


def ran(out: Path, *options: str, case: str = "us-iran") -> bytes:
    """Run the command in a process of its own and return its table."""
    whole = command_line(out, *options, case=case)
    done = subprocess.run(whole, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (out / "forecasts.csv").read_bytes()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backtest by one worker."""
    out = tmp_path_factory.mktemp("alone") / "out"
    ran(out, "--workers", "1")
    return out


class Shell:
    """A scheduler and workers as a person starts them from the shell."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self._start("dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-jupyter")

    def worker(self) -> subprocess.Popen[bytes]:
        return self._start("dask", "worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny")

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """From an empty folder: a worker has no more than the installed package."""
        whole = [str(Path(sys.executable).with_name(program)), *arguments]
        log = (self._folder / f"{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(whole, cwd=self._folder, env=ENVIRONMENT, stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    folder = tmp_path / "shell"
    folder.mkdir()
    started = Shell(folder)
    yield started
    started.stop()


def parts(out: Path) -> list[Path]:
    return sorted((out / FOLDER).glob("[0-9]*.json"))


def wait_for_parts(out: Path, number: int, process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + 500
    while len(parts(out)) < number:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_two_workers_give_the_digits_of_one(alone: Path, tmp_path: Path) -> None:
    assert ran(tmp_path / "two", "--workers", "2") == (alone / "forecasts.csv").read_bytes()


@pytest.mark.slow
def test_a_real_scheduler_gives_the_same_digits(alone: Path, shell: Shell, tmp_path: Path) -> None:
    for _ in range(2):
        shell.worker()
    assert ran(tmp_path / "out", "--scheduler", shell.address) == (alone / "forecasts.csv").read_bytes()


@pytest.mark.slow
def test_a_worker_that_dies_loses_nothing_and_nothing_counts_twice(alone: Path, shell: Shell, tmp_path: Path) -> None:
    doomed, out = shell.worker(), tmp_path / "out"
    whole = command_line(out, "--scheduler", shell.address)
    running = subprocess.Popen(whole, env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for_parts(out, 1, running)
    doomed.kill()  # in the midst of the second task
    shell.worker()
    assert running.wait(timeout=500) == 0
    assert (out / "forecasts.csv").read_bytes() == (alone / "forecasts.csv").read_bytes()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["tasks"] == {"all": 3, "done": 3, "of_these_found": 0, "failed": 0}


@pytest.mark.slow
def test_a_scheduler_without_workers_is_given_up(shell: Shell) -> None:
    tasks = [("key", Task("us-iran", "2026-01-02", "R0", 1, 100, 100, 2, None, {}).plain())]
    with pytest.raises(SchedulerError, match=f"{shell.address}: no worker for 1 seconds; start one with `dask worker"):
        list(run_tasks(tasks, scheduler=shell.address, workers=1, workers_within=1.0))


@pytest.mark.slow
def test_a_worker_refuses_what_it_cannot_find(shell: Shell, tiny_case: TinyCase) -> None:
    shell.worker()
    told = Task(str(tiny_case.folder / "elsewhere"), "2020-10-02", "R0", 1, 100, 100, 2, None, {})
    with pytest.raises(CaseError, match="elsewhere"):
        list(run_tasks([("key", told.plain())], scheduler=shell.address, workers=1))


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_the_same(alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    log = (tmp_path / "log").open("wb")
    running = subprocess.Popen(command_line(out, "--workers", "1"), env=ENVIRONMENT, stderr=log, stdout=log)
    wait_for_parts(out, 2, running)
    running.send_signal(signal.SIGKILL)
    running.wait()
    log.close()
    kept = {path.name: path.read_bytes() for path in parts(out)}
    assert all(json.loads(content)["result"]["status"] == "done" for content in kept.values())
    assert not (out / "forecasts.csv").exists()
    assert ran(out, "--workers", "1") == (alone / "forecasts.csv").read_bytes()
    assert {name: (out / FOLDER / name).read_bytes() for name in kept} == kept
    assert json.loads((out / "summary.json").read_text())["tasks"]["of_these_found"] >= 2


@pytest.mark.slow
def test_rows_of_the_future_change_no_forecast(alone: Path, us_iran: Any, tmp_path: Path) -> None:
    """A made-up deal a week after the last origin, and a price: other outcomes, the same forecasts to the digit."""
    folder = tmp_path / "case"
    shutil.copytree(us_iran.folder, folder)
    with (folder / "data" / "events.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    day = date(2026, 3, 27) + timedelta(days=4)
    made = {**rows[0], "id": "X1", "signal": "comprehensive_deal_start", "side": "both", "value": "1", "note": "made"}
    made |= {"event_time": f"{day}T00:00:00Z", "published_at": f"{day}T23:59:59Z"}
    with (folder / "data" / "events.csv").open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, list(rows[0]), lineterminator="\n").writerow(made)
    ran(tmp_path / "out", "--workers", "1", case=str(folder))
    told, true = (pd.read_parquet(out / "forecasts.parquet") for out in (tmp_path / "out", alone))
    settled = ["outcome", "decided_on", "public_at", "settled_by"]
    pd.testing.assert_frame_equal(told.drop(columns=settled), true.drop(columns=settled))
    deals = [t[t["question"].eq("deal_comprehensive") & t["horizon_weeks"].eq(26)] for t in (told, true)]
    assert deals[0]["outcome"].tolist() == [1] * 3
    assert deals[1]["outcome"].fillna(0).tolist() == [0] * 3


@pytest.mark.slow
def test_hazards_agree_too_and_room_changes_no_digit(tmp_path: Path) -> None:
    """R1 by a worker, in a model that all origins share, and one origin here in a model of its own size."""
    ran(tmp_path / "here", "--rungs", "R1", "--to", "2026-02-27", "--workers", "1")
    part = json.loads(parts(tmp_path / "here")[0].read_text())
    task = Task(**part["task"])
    assert forecast_origin(replace(task, room={}).plain())["draw_digest"] == part["result"]["draw_digest"]


def test_a_backtest_is_complete_when_nothing_failed() -> None:
    blank = pd.DataFrame()
    assert Backtest(blank, blank, blank, {"tasks": {"failed": 0}}).complete
