"""How fast it is, mostly as ratios, which mean the same on any machine: `make bench`, or with ``--quick`` in part.

Compiles into an empty cache, as a new machine does; with ``--quick`` into the usual one, and samples little. Exits with
1 if a bound is broken. Whatever else the machine does meanwhile moves the figures.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecast.case import load_case
from forecast.inference import Fit, Settings, fit
from forecast.models import DEFAULT_RUNG, build_history, get_rung, load_priors
from forecast.observations import as_of

TWO_DATES = ("2026-04-10", "2026-04-14")
YEARS = ("2020-10-09", "2022-10-07", "2024-10-11", "2026-10-09")


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured, with the bound that it is held to, if any."""

    what: str
    value: float
    unit: str
    bound: float = float("inf")

    @property
    def ok(self) -> bool:
        """Whether the bound holds."""
        return self.value <= self.bound

    def __str__(self) -> str:
        """One line of the table."""
        held = "" if self.bound == float("inf") else f"  at most {self.bound:.2f}{'' if self.ok else '  BROKEN'}"
        return f"{self.what:<58} {self.value:8.2f} {self.unit:<8}{held}"


def main() -> int:
    """Measure, print the table, and say by the exit code whether all bounds hold."""
    parser = argparse.ArgumentParser(description="Time the workbench and print the table.")
    parser.add_argument(
        "--quick", action="store_true", help="the usual cache, fewer draws, only the ends of the history"
    )
    parser.add_argument("--two-dates", type=int, metavar="DRAWS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.two_dates is not None:
        print(*(fitted_in(day, Settings(draws=arguments.two_dates))[1] for day in TWO_DATES))
        return 0
    figures = []
    for figure in measure(quick=arguments.quick):
        figures.append(figure)
        print(figure, flush=True)
    return 0 if all(figure.ok for figure in figures) else 1


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure everything, one figure after the other."""
    draws = 200 if quick else 1000
    yield from start_up()
    with tempfile.TemporaryDirectory() as cache:
        flags = {} if quick else {"PYTENSOR_FLAGS": f"base_compiledir={cache}"}
        yield from two_dates(draws, flags)
        yield from whole_run(draws, flags)
    yield from gradients(YEARS[::3] if quick else YEARS, draws)


def start_up() -> Iterator[Figure]:
    """`import forecast` and `forecast --help`, beyond a bare interpreter."""
    bare = min(seconds_and_memory(["-c", "pass"])[0] for _ in range(5))
    for what, options in (
        ("import forecast", ["-c", "import forecast"]),
        ("forecast --help", ["-m", "forecast", "-h"]),
    ):
        ours = min(seconds_and_memory(options)[0] for _ in range(5))
        yield Figure(f"{what}, beyond a bare interpreter", ours - bare, "s", bound=0.5)


def two_dates(draws: int, flags: Mapping[str, str]) -> Iterator[Figure]:
    """A fit in a new process, and one at a later date in the same process, which finds its model compiled."""
    command = [sys.executable, __file__, "--two-dates", str(draws)]
    shown = subprocess.run(command, env=os.environ | flags, capture_output=True, text=True, check=True).stdout
    first, second = map(float, shown.split())
    yield Figure("fit at a first as-of date, compiling", first, "s")
    yield Figure("fit at a second as-of date", second, "s")
    yield Figure("second as-of date over the first", second / first, "ratio", bound=1 / 3)


def whole_run(draws: int, flags: Mapping[str, str]) -> Iterator[Figure]:
    """`forecast run us-iran` in a new process, its model in the cache."""
    with tempfile.TemporaryDirectory() as out:
        command = ["-m", "forecast", "run", "us-iran", "--out", out, "--draws", str(draws)]
        seconds, gibibytes = seconds_and_memory(command, flags)
    yield Figure("forecast run us-iran, compiled before", seconds, "s", bound=60)
    yield Figure("its peak memory", gibibytes, "GiB", bound=3)


def gradients(years: tuple[str, ...], draws: int) -> Iterator[Figure]:
    """Time a gradient against the length of the history: an exponent of 1 means twice the time for twice the weeks."""
    weeks, costs = [], []
    for day in years:
        short, long = (fitted_in(day, Settings(draws=n))[0] for n in (100, 100 + draws))
        # The two share their tuning and their first draws: what is left is the cost of further draws alone.
        further = float(long.sample_stats["n_steps"].sum() - short.sample_stats["n_steps"].sum())
        weeks.append(long.history.weeks.n_weeks)
        costs.append((long.timings["sample"] - short.timings["sample"]) / further)
        yield Figure(f"1000 gradients over {weeks[-1]} weeks, {long.settings.chains} chains", 1000 * costs[-1], "s")
    exponent = np.polyfit(np.log(weeks), np.log(costs), 1)[0]
    yield Figure("time of a gradient as a power of the weeks", float(exponent), "exponent", bound=1)


def fitted_in(day: str, settings: Settings) -> tuple[Fit, float]:
    """Fit the default rung as of a day; the fit, and the seconds from the tables to the draws."""
    started = time.perf_counter()
    history = build_history(as_of(load_case("us-iran"), day), plan_weeks=60)
    fitted = fit(get_rung(DEFAULT_RUNG), history, priors=load_priors(), settings=settings)
    return fitted, time.perf_counter() - started


def seconds_and_memory(options: list[str], flags: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Run Python with these options; wall time in seconds, and the peak of resident memory in GiB (Linux)."""
    started = time.perf_counter()
    with Path(os.devnull).open("w") as nowhere:
        process = subprocess.Popen([sys.executable, *options], env=os.environ | (flags or {}), stdout=nowhere)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, options)
    return time.perf_counter() - started, used.ru_maxrss / 2**20


if __name__ == "__main__":
    sys.exit(main())
