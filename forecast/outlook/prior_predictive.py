"""What the priors alone imply for outcomes, held against the ranges of the reference classes.

Paths start in talks under coercion, without a mediator or a deadline, and run on draws from the prior files: no data.
The ranges are those implied by the reference-class hazards (agreements and clashes in U.S. crises, ICB v14; what
followed breakdowns), as 90 % intervals of the probability.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import xarray as xr

from forecast.errors import OutputError
from forecast.models import Origin, Priors
from forecast.models.hazards import CHANCES
from forecast.models.history import Plan
from forecast.models.moves import COERCION, MOVE_NAMES, TALKS, TERM_NAMES
from forecast.models.walk import HazardWalker
from forecast.outlook.outlook import OUTCOMES, classify
from forecast.outlook.paths import Paths
from forecast.outlook.probabilities import spread

DRAWS, PATHS, WEEKS = 1500, 60, 52
RANGES = {
    "limited deal first, 13 weeks": (0.06, 0.34),
    "comprehensive deal first, 13 weeks": (0.01, 0.09),
    "escalation first, 13 weeks": (0.04, 0.36),
    "nothing, 13 weeks": (0.42, 0.81),
    "deal before escalation, 52 weeks": (0.20, 0.74),
}


@dataclass(frozen=True, slots=True)
class Predicted:
    """Prior predictive probability of an outcome: median and 90 % interval over prior draws, and the range to meet."""

    name: str
    per_draw: np.ndarray
    median: float
    lower: float
    upper: float
    range: tuple[float, float]

    @property
    def ok(self) -> bool:
        """Whether the median lies inside the range."""
        return self.range[0] <= self.median <= self.range[1]


def prior_predictive(priors: Priors, *, seed: int = 1) -> list[Predicted]:
    """Simulate outcomes from the priors of the hazards."""
    rng = np.random.default_rng(seed)
    walker = HazardWalker(_prior_draws(priors, rng), _reference_origin(), paths=PATHS, rng=rng)
    diplomacy, force = [walker.diplomacy], [walker.force]
    for week in range(WEEKS):
        walker.step(week)
        diplomacy.append(walker.diplomacy)
        force.append(walker.force)
    paths = Paths(np.stack(diplomacy), np.stack(force), chains=1, draws=DRAWS)
    quarter, year = classify(paths, 13), classify(paths, WEEKS)
    found = {
        "limited deal first, 13 weeks": quarter == OUTCOMES.index("limited_first"),
        "comprehensive deal first, 13 weeks": quarter == OUTCOMES.index("comprehensive_first"),
        "escalation first, 13 weeks": quarter == OUTCOMES.index("escalation_first"),
        "nothing, 13 weeks": quarter == OUTCOMES.index("neither"),
        "deal before escalation, 52 weeks": year >= OUTCOMES.index("limited_first"),
    }
    return [_summary(name, occurred) for name, occurred in found.items()]


def draw_picture(predicted: list[Predicted], path: Path) -> None:
    """Draw the prior predictive of each outcome with the range that it is held to, as an SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for row, p in enumerate(reversed(predicted)):
        axes.fill_betweenx([row - 0.32, row + 0.32], *p.range, color="#d9d9d9", linewidth=0)
        axes.plot([p.lower, p.upper], [row, row], color="#0072b2", linewidth=2.5)
        axes.plot(p.median, row, "o", color="#0072b2")
    axes.set_yticks(range(len(predicted)), [p.name for p in reversed(predicted)])
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability: median and 90 % of prior draws; grey: range from the reference classes")
    try:
        figure.savefig(path, format="svg", metadata={"Date": None})
    except OSError as error:
        message = f"{path}: cannot be written ({error.strerror}); choose another place with --picture"
        raise OutputError(message) from None


def _prior_draws(priors: Priors, rng: np.random.Generator) -> xr.Dataset:
    def columns(names: tuple[str, ...]) -> np.ndarray:
        return np.column_stack([priors.draw(name, DRAWS, rng) for name in names])

    spreads = columns(("dyad_sd_deal", "dyad_sd_collapse"))
    return xr.Dataset(
        {
            "base": (("sample", "move"), columns(MOVE_NAMES)),
            "term": (("sample", "coefficient"), columns(TERM_NAMES)),
            "chance": (("sample", "chance_of"), columns(CHANCES)),
            "own_dyad": (("sample", "dyad_on"), spreads * rng.standard_normal((DRAWS, 2))),
        },
        coords={"chance_of": list(CHANCES)},
    )


def _reference_origin() -> Origin:
    """Talks under coercion, both just begun; no mediator, no deadline, a whole term left."""
    nothing = np.zeros(WEEKS)
    day = date(2000, 1, 1)
    return Origin(
        day=day,
        as_of=day,
        lead_steps=0,
        exposure=np.ones(WEEKS),
        diplomacy=TALKS,
        force=COERCION,
        diplomacy_weeks=0.0,
        force_weeks=0.0,
        mediation=False,
        composites=np.empty(0),
        plan=Plan(nothing, nothing, nothing),
    )


def _summary(name: str, occurred: np.ndarray) -> Predicted:
    per_draw = occurred.mean(axis=1)
    lower, upper = spread(occurred)
    return Predicted(name, per_draw, float(np.median(per_draw)), lower, upper, RANGES[name])
