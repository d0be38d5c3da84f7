"""Rolling-origin backtest: the forecasts that the model of today would have made, each from what was public then.

Such forecasts are *reconstructed*, never *published*: no day's data are used before their time, but the model, its
priors and the coding rules were written by people who knew how it went on. Every row says so.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import __version__
from forecast.case import load_case
from forecast.errors import SchedulerError
from forecast.evaluation.dispatch import run_tasks
from forecast.evaluation.parts import make_folder, read_part, write_part
from forecast.evaluation.plan import Planned, Request, plan
from forecast.evaluation.reconstructed import LABEL, Done, category_table, curve_table, forecast_table, scorable
from forecast.files import locked, write_whole
from forecast.observations import as_of

SCHEMA = "forecast-backtest/1"
FILES = ("forecasts.parquet", "forecasts.csv", "categories.parquet", "curves.parquet", "summary.json")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Backtest:
    """A finished backtest.

    Attributes
    ----------
    forecasts
        One row a rung, origin, question and horizon; columns as in ``docs/backtest.md``.
    categories
        The same of what comes first, one row a category.
    curves
        Probability of each question by each week, with when it came.
    summary
        Counts: tasks done, found done, failed and lost; gates; decided questions.
    """

    forecasts: pd.DataFrame
    categories: pd.DataFrame
    curves: pd.DataFrame
    summary: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether every task has given its forecasts (a failed gate is a result too)."""
        return not self.summary["tasks"]["failed"]


def backtest(
    request: Request, *, out: Path, scheduler: str | None = None, workers: int = 1, say: Say | None = None
) -> Backtest:
    """Make the forecasts of a request that ``out`` does not hold yet, and write all of them as tables.

    Parameters
    ----------
    request
        Case, origins, rungs, settings.
    out
        Folder of the results; a run that was stopped goes on where it was.
    scheduler
        Address of a Dask scheduler; None starts ``workers`` processes here.
    workers
        Worker processes to start without a scheduler. No number depends on how many.
    say
        Told in one line what is going on.

    Raises
    ------
    ForecastError
        Bad input, a folder that cannot be written to or is in use, a scheduler that does not answer.
    """
    say = say or (lambda _line: None)
    tasks = plan(request)
    with locked(out):
        make_folder(out)
        progress = _Progress(tasks, out, say, total=len(request.origins) * len(request.rungs))
        for key, result in run_tasks(progress.missing(), scheduler=scheduler, workers=workers):
            progress.keep(key, result)
        finished = _assembled(request, progress)
        _write(finished, out)
    return finished


class _Progress:
    """What has been planned, found and computed so far."""

    def __init__(self, tasks: Iterator[Planned], out: Path, say: Say, *, total: int) -> None:
        self._tasks, self._out, self._say, self._total = tasks, out, say, total
        self.planned: dict[str, Planned] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.found: set[str] = set()

    def missing(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the tasks that have no part yet."""
        for planned in self._tasks:
            self.planned[planned.key] = planned
            part = read_part(self._out, planned)
            if part is None:
                yield planned.key, planned.task.plain()
            else:
                self.results[planned.key] = part
                self.found.add(planned.key)
        if self.found:
            self._say(f"{len(self.found)} of {len(self.planned)} forecasts were there already")

    def keep(self, key: str, result: dict[str, Any]) -> None:
        """Check a result, keep it and say how far things are."""
        planned = self.planned[key]
        if result["status"] != "lost":
            self._check(planned, result)
            write_part(self._out, planned, result)
        self.results[key] = result
        how = f"gate {result['gate']}" if result["status"] == "done" else f"{result['status']}: {result['error']}"
        seconds = f", {result['seconds']:.0f} s" if "seconds" in result else ""
        self._say(f"{len(self.results)}/{self._total}: {planned.task.rung} as of {planned.origin}, {how}{seconds}")

    def _check(self, planned: Planned, result: dict[str, Any]) -> None:
        """Refuse what a worker has made of other code, rules, priors or data."""
        for what, ours in asdict(planned.made_of).items():
            if result["made_of"][what] != ours:
                where = f"{planned.task.rung} as of {planned.origin}: a worker has other {what} than this machine"
                message = f"{where}; install the same package, libraries and files there"
                raise SchedulerError(message)


def _assembled(request: Request, progress: _Progress) -> Backtest:
    """Join what was forecast to what came, as of the last day that the case is coded to."""
    latest = as_of(load_case(request.case))
    everything = [(planned, progress.results[key]) for key, planned in progress.planned.items()]
    everything.sort(key=lambda pair: (pair[0].task.rung, pair[0].origin))
    done: list[Done] = [(p.origin, p.task.rung, r) for p, r in everything if r["status"] == "done"]
    forecasts = forecast_table(done, latest)
    failed = [
        {"rung": p.task.rung, "origin": str(p.origin), "status": r["status"], "error": r["error"]}
        for p, r in everything
        if r["status"] != "done"
    ]
    summary = {
        "schema": SCHEMA,
        "label": LABEL,
        "case": latest.case.id,
        "model_version": __version__,
        "origins": [str(o) for o in request.origins],
        "rungs": list(request.rungs),
        "settings": asdict(request.settings),
        "decided_as_of": latest.instant.isoformat(),
        "tasks": {
            "all": len(everything),
            "done": len(done),
            "of_these_found": len(progress.found),
            "failed": len(failed),
        },
        "failed": failed,
        "gates": _gates(done),
        "counts": _counts(forecasts),
        "seconds_by_rung": _seconds(done),
    }
    return Backtest(forecasts, category_table(done, latest), curve_table(done, latest), summary)


def _gates(done: list[Done]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for _origin, rung, result in done:
        of_rung = found.setdefault(rung, {"pass": 0, "review": 0, "fail": 0})
        of_rung[result["gate"]] += 1
    return found


def _counts(forecasts: pd.DataFrame) -> list[dict[str, Any]]:
    """By rung, question and horizon: forecasts made, those that may be scored, and of these how often it came."""
    rows = forecasts.assign(scorable=forecasts.index.isin(scorable(forecasts).index))
    rows["came"] = rows["scorable"] & rows["outcome"].eq(1).fillna(value=False)
    grouped = rows.groupby(["forecaster", "question", "horizon_weeks"], sort=True)
    counted = grouped.agg(made=("scorable", "size"), scorable=("scorable", "sum"), came=("came", "sum")).reset_index()
    return [
        {str(name): value for name, value in row.items()}
        for row in counted.astype({"scorable": int, "came": int}).to_dict(orient="records")
    ]


def _seconds(done: list[Done]) -> dict[str, dict[str, float]]:
    """Median and largest time of a task by rung: computing it, without waiting."""
    times = pd.DataFrame({"rung": rung, "seconds": result["seconds"]} for _origin, rung, result in done)
    if times.empty:
        return {}
    found = times.groupby("rung")["seconds"].agg(["median", "max"])
    return {str(rung): {"median": float(row["median"]), "max": float(row["max"])} for rung, row in found.iterrows()}


def _write(finished: Backtest, out: Path) -> None:
    """Write the tables, each whole or not at all; the summary comes last, so that it tells of finished tables."""
    for name, table in (
        ("forecasts", finished.forecasts),
        ("categories", finished.categories),
        ("curves", finished.curves),
    ):
        write_whole(out / f"{name}.parquet", table.to_parquet(index=False))
    csv = finished.forecasts.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%SZ")
    write_whole(out / "forecasts.csv", csv.encode())
    write_whole(out / "summary.json", (json.dumps(finished.summary, indent=1) + "\n").encode())
