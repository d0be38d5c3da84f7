"""What one gradient of R6's marginal costs against the length of the history: a table, and a picture of it.

    python tests/benchmarks/scaling.py docs/scaling.svg

The weeks of the shipped case are repeated to 5, 10 and 20 years, so that every week holds as much as a real one. The
search for the latents' mode starts where the call before it ended, as it does in a chain.
"""

import sys
import time
from pathlib import Path

import numpy as np

from forecast.inference.runtime import prepare_pytensor
from forecast.inference.target import compile_target
from forecast.models import get_rung, load_priors
from forecast.models.hazards import Shapes, shapes_of
from forecast.models.leverage import build_leverage, layout_of, leverage_data
from tests.models.given import real_history

YEARS = (5, 10, 20)
WEEKS_A_YEAR = 52
CALLS = 300
REACH = 0.02  # how far apart neighbouring points are, about as in a chain


def main() -> None:
    """Time, print and draw."""
    prepare_pytensor()
    weeks = [WEEKS_A_YEAR * years for years in YEARS]
    costs = []
    for n in weeks:
        costs.append(cost_of(n))
        print(f"{n:>5} weeks  {costs[-1]:6.2f} ms a gradient  {1000 * costs[-1] / n:6.2f} us a week", flush=True)
    exponent = float(np.polyfit(np.log(weeks), np.log(costs), 1)[0])
    print(f"time as a power of the weeks: {exponent:.2f}")
    draw(weeks, costs, Path(sys.argv[1]))


def cost_of(weeks: int) -> float:
    """Milliseconds of one gradient, the median of many."""
    history, rung = real_history(), get_rung("R6")
    real = shapes_of(history)
    shapes = Shapes(week=weeks, episode_week=real.episode_week, dyad=real.dyad, composite=real.composite)
    layout = layout_of(history.case, "R6")
    target = compile_target(rung, build_leverage(load_priors(), shapes, layout))
    data = leverage_data(history, real)
    for name in ("weeks", "measures"):
        rows = np.arange(weeks) % (history.weeks.n_weeks - 1)
        data[name] = data[name][rows]
    density = target.density_at(data)
    rng = np.random.default_rng(1)
    points = target.flat.start + REACH * rng.normal(size=(CALLS, len(target.flat.start)))
    seconds = []
    for x in points:
        started = time.perf_counter()
        logp, _ = density(x)
        seconds.append(time.perf_counter() - started)
        assert np.isfinite(logp)
    return 1000.0 * float(np.median(seconds))


def draw(weeks: list[int], costs: list[float], file: Path) -> None:
    """Draw cost against weeks, with the straight line through the origin and the longest history."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "scaling"
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, weeks[-1]], [0, costs[-1]], color="0.75", linewidth=1, label="in proportion")
    axes.plot(weeks, costs, "o-", color="#1f4e79", label="measured")
    axes.set(xlabel="weeks of history", ylabel="ms a gradient", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    main()
