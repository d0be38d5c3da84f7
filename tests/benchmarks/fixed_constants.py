"""What hangs on the constants that sanctions pressure is made with, which the model takes as given?

    python tests/benchmarks/fixed_constants.py R5

Refits a leverage rung as of 14 April 2026 with one constant halved, doubled or taken away at a time, and prints the
effect of pressure on Iran's true leverage, the gap in the last week and two probabilities. A minute and more a row.
"""

import sys
from collections.abc import Iterator

import numpy as np

from forecast.case import Case, load_case
from forecast.inference import fit
from forecast.models import build_history, get_rung, load_priors
from forecast.observations import as_of, items
from forecast.outlook import build_outlook

DAY, WEEKS = "2026-04-14", 13
QUESTIONS = ("deal", "escalation")


def main() -> None:
    """Fit and print one row after the other."""
    rung = sys.argv[1]
    print(f"{'constant':<28} effect of pressure      gap                     {'    '.join(QUESTIONS)}  gate")
    for what, case in variants():
        print(f"{what:<28} {row(case, rung)}", flush=True)


def variants() -> Iterator[tuple[str, Case]]:
    """The case as shipped, then with one constant changed."""
    case = load_case("us-iran")
    yield "as shipped", case
    yield "half-life of steps halved", changed(case, weeks=0.5)
    yield "half-life of steps doubled", changed(case, weeks=2.0)
    yield "adapts in half the time", changed(case, adapts_weeks=0.5)
    yield "adapts in twice the time", changed(case, adapts_weeks=2.0)
    for what, name, value in (
        ("no adaptation", "_ADAPTED_SHARE", 0.0),
        ("adapts to three quarters", "_ADAPTED_SHARE", 0.75),
        ("saturates gently", "_HILL_POWER", 1.0),
        ("saturates like a switch", "_HILL_POWER", 4.0),
    ):
        shipped = getattr(items, name)
        setattr(items, name, value)
        yield what, case
        setattr(items, name, shipped)


def changed(case: Case, **factors: float) -> Case:
    """The case with constants of its pressure multiplied."""
    pressure = next(d for d in case.drivers if d.kind == "pressure")
    other = pressure.model_copy(update={name: getattr(pressure, name) * by for name, by in factors.items()})
    drivers = tuple(other if d is pressure else d for d in case.drivers)
    return case.model_copy(update={"drivers": drivers})


def row(case: Case, rung: str) -> str:
    """Medians with 90 % intervals, and probabilities."""
    history = build_history(as_of(case, DAY), plan_weeks=60)
    outlook = build_outlook(fit(get_rung(rung), history, priors=load_priors()))
    posterior = outlook.fit.posterior
    cells = []
    for draws in (posterior["driver_effect"].sel(driver="pressure"), posterior["gap"].isel(week=-1)):
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
        cells.append(f"{middle:+.2f} ({low:+.2f} to {high:+.2f})")
    said = [outlook.answer(question, WEEKS).probability.mean for question in QUESTIONS]
    return "  ".join([*cells, *(f"{p:6.1%}" for p in said), outlook.gate])


if __name__ == "__main__":
    main()
