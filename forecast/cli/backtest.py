"""``forecast backtest``: forecasts made again as of past days."""

import argparse
import os
from pathlib import Path
from typing import Any

from forecast.cli.shared import INTERRUPTED, add_json, as_date, progress, show

INCOMPLETE = 6


def add_backtest(commands: Any) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser("backtest", help="forecast again as of past days, and see what came")
    parser.add_argument("case", help="a shipped case or the path of a case folder")
    parser.add_argument("--from", dest="first", type=as_date, required=True, metavar="DATE", help="first as-of day")
    parser.add_argument("--to", dest="last", type=as_date, required=True, metavar="DATE", help="last as-of day")
    parser.add_argument("--every", default="4w", metavar="STEP", help="step between as-of days, like 4w or 10d")
    parser.add_argument("--rungs", metavar="R,R", help="models, by comma (default: R0,R1,R3)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, like tcp://host:8786")
    where.add_argument("--workers", type=int, metavar="N", help="processes to start here (default: one a processor)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: out/CASE/backtest)")
    for name, what in (("draws", "draws per chain"), ("tune", "tuning steps per chain"), ("chains", "chains")):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"{what} (default: as in `forecast run`)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed that every task's own seed is made from")
    parser.add_argument("--priors", type=Path, metavar="DIR", help="folder of prior files (default: the shipped ones)")
    add_json(parser)
    parser.set_defaults(action=run_backtest)


def run_backtest(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from forecast.case import load_case
    from forecast.errors import ForecastError
    from forecast.evaluation.backtest import backtest
    from forecast.evaluation.plan import DEFAULT_RUNGS, Request, origins_between, spacing
    from forecast.inference import Settings
    from forecast.models import get_rung

    case = load_case(arguments.case)
    rungs = DEFAULT_RUNGS if arguments.rungs is None else tuple(dict.fromkeys(arguments.rungs.split(",")))
    for name in rungs:
        get_rung(name)
    workers = arguments.workers if arguments.workers is not None else os.cpu_count() or 1
    if workers < 1:
        message = f"--workers {workers}: needs at least one"
        raise ForecastError(message)
    given = {name: getattr(arguments, name) for name in ("seed", "draws", "tune", "chains")}
    request = Request(
        case=arguments.case,
        origins=origins_between(case, arguments.first, arguments.last, spacing(arguments.every)),
        rungs=rungs,
        settings=Settings(**{k: v for k, v in given.items() if v is not None}),
        priors=arguments.priors,
    )
    out = arguments.out or Path("out") / case.id / "backtest"
    try:
        finished = backtest(request, out=out, scheduler=arguments.scheduler, workers=workers, say=progress)
    except KeyboardInterrupt:
        progress(f"interrupted; what was finished is in {out}, and the same command goes on from there")
        return INTERRUPTED
    show(finished.summary, _lines(finished.summary, out), arguments.json)
    return 0 if finished.complete else INCOMPLETE


def _lines(summary: dict[str, Any], out: Path) -> list[str]:
    tasks = summary["tasks"]
    lines = [
        f"{summary['case']}: {len(summary['origins'])} origins, {summary['label']} forecasts in {out}",
        f"tasks: {tasks['done']} of {tasks['all']} done ({tasks['of_these_found']} found), {tasks['failed']} failed",
    ]
    lines += [f"{f['rung']} as of {f['origin']} {f['status']}: {f['error']}" for f in summary["failed"]]
    for rung, gates in summary["gates"].items():
        counts = [c for c in summary["counts"] if c["forecaster"] == rung]
        shown = ", ".join(f"{n} {gate}" for gate, n in gates.items())
        scorable, made = sum(c["scorable"] for c in counts), sum(c["made"] for c in counts)
        lines.append(f"{rung}: gate {shown}; {scorable} of {made} answers can be scored")
    return lines
