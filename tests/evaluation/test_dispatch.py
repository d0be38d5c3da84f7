"""Processes, kills and schedulers change no digit of a backtest."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecast.errors import CaseError, SchedulerError
from forecast.evaluation.dispatch import run_tasks
from forecast.evaluation.parts import FOLDER
from forecast.evaluation.task import Task, forecast_origin
from tests.conftest import TinyCase
from tests.evaluation.backtesting import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
SPAN = ("--from", "2026-01-30", "--to", "2026-03-27")
QUICK = ("--rungs", "R0", "--draws", "100", "--tune", "100", "--chains", "2")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def command_line(out: Path, *options: str, case: str = "us-iran") -> list[str]:
    return [sys.executable, "-m", "forecast", "backtest", case, *SPAN, *QUICK, "--out", str(out), *options]


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
