"""Ratios measured in one run, on whatever machine this is: `make bench`, or with ``--quick`` on fewer draws.

Exits with 1 if a bound is broken. Absolute seconds are shown for orientation; only ratios, and the minute and the
memory of a whole run, are bounds.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from forecast.case import load_case
from forecast.inference import Settings, fit
from forecast.models import build_history, get_rung, load_priors
from forecast.observations import as_of
from forecast.outlook import build_outlook

YEARS = ("2019-10-11", "2021-10-08", "2023-10-13", "2026-10-09")


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured, with the bound that it is held to."""

    what: str
    value: float
    bound: float
    unit: str

    @property
    def ok(self) -> bool:
        """Whether the bound holds."""
        return self.value <= self.bound


def main() -> int:
    """Measure, print the table, and say by the exit code whether all bounds hold."""
    parser = argparse.ArgumentParser(description="Time the workbench and print the table.")
    parser.add_argument("--quick", action="store_true", help="fewer draws")
    draws = 200 if parser.parse_args().quick else 1000
    figures = [*import_time(), *second_date(draws), *cost_of_years(draws), *whole_run(draws)]
    for f in figures:
        print(f"{f.what:<62} {f.value:8.2f} {f.unit:<6} bound {f.bound:g}{'' if f.ok else '  BROKEN'}")
    return 0 if all(f.ok for f in figures) else 1


def import_time() -> list[Figure]:
    """`import forecast` and building the parser, beyond a bare interpreter."""
    bare = min(_seconds([sys.executable, "-c", "pass"]) for _ in range(3))
    ours = min(_seconds([sys.executable, "-m", "forecast", "--help"]) for _ in range(3))
    return [Figure("forecast --help beyond a bare interpreter", ours - bare, 0.5, "s")]


def second_date(draws: int) -> list[Figure]:
    """A second as-of date in the same process against the first, compilation included."""
    first, second = (_outlook_seconds(day, draws) for day in ("2026-04-10", "2026-04-14"))
    print(f"(first as-of date {first:.1f} s, second {second:.1f} s)")
    return [Figure("second as-of date over the first", second / first, 1 / 3, "ratio")]


def cost_of_years(draws: int) -> list[Figure]:
    """Sampling time per gradient against years of weekly data, after compilation: no worse than linear."""
    cost = {}
    for day in YEARS:
        history = build_history(as_of(load_case("us-iran"), day), plan_weeks=60)
        fitted = fit(get_rung("R1"), history, priors=load_priors(), settings=Settings(draws=draws))
        cost[history.weeks.n_weeks] = fitted.timings["sample"] / float(fitted.sample_stats["n_steps"].sum())
        print(f"({history.weeks.n_weeks} weeks: {1e6 * cost[history.weeks.n_weeks]:.0f} microseconds a gradient)")
    short, long = min(cost), max(cost)
    return [
        Figure(
            "cost of a gradient, longest over shortest, over their weeks",
            cost[long] / cost[short] / (long / short),
            1.1,
            "ratio",
        )
    ]


def whole_run(draws: int) -> list[Figure]:
    """`forecast run us-iran` with a warm cache: wall time and peak memory."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "forecast", "run", "us-iran", "--out", out, "--draws", str(draws)]
        _seconds(command)
        seconds = _seconds(command)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return [Figure("forecast run us-iran, warm cache", seconds, 60, "s"), Figure("its peak memory", peak, 3, "GiB")]


def _outlook_seconds(day: str, draws: int) -> float:
    started = time.perf_counter()
    history = build_history(as_of(load_case("us-iran"), day), plan_weeks=60)
    build_outlook(fit(get_rung("R3"), history, priors=load_priors(), settings=Settings(draws=draws)))
    return time.perf_counter() - started


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
