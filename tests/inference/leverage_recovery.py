"""Simulate histories whose hazards are driven by known leverage, and hold the leverage rungs to it.

As :mod:`tests.inference.recovery`, one week at a time and written out by hand: paths, items and the gap are drawn here
from the formulas, not by the package. Which items are known in which week, drivers, coverage, deadlines and terms of
office are those of the real history.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy import stats

from forecast.models import History, Priors, Rung, get_rung
from forecast.models.hazards import shapes_of
from forecast.models.leverage import Layout, layout_of, leverage_data, with_leverage
from tests.inference.recovery import Truth, deal_probability, draw_truth, simulated

HALF_LIFE = 4.0  # weeks in which what an item remembers of itself halves
GAP_ON = {
    "limited": ("limited",),
    "comprehensive": ("comprehensive",),
    "open": ("open",),
    "collapse": ("collapse",),
    "lapse": ("lapse",),
    "up": ("coerce", "conflict"),
    "down": ("ease", "deescalate"),
}


@dataclass(frozen=True, slots=True)
class Leverage:
    """What made the items and the gap: parameters of R6, by the names of its schema, and the paths they made.

    Attributes
    ----------
    values
        Parameters, in the schema's order along each dimension.
    states
        Latent paths without what drivers add [week, state].
    shifted
        The same with it [week, state].
    gap
        Both sides' beliefs over the square root of two [week].
    """

    values: dict[str, np.ndarray]
    states: np.ndarray
    shifted: np.ndarray
    gap: np.ndarray


@dataclass(frozen=True, slots=True)
class Spell:
    """Weeks in which a side misjudges its leverage by the same amount throughout.

    Attributes
    ----------
    latent
        Whose: ``misperception:us``.
    weeks
        When.
    size
        By how much, in units of the usual spread of true leverage.
    """

    latent: str
    weeks: range
    size: float


def draw_leverage(
    priors: Priors, layout: Layout, rng: np.random.Generator, *, misperception: float | None = None
) -> dict[str, np.ndarray]:
    """Draw the parameters of R6 from the priors, or with both sides' scale of misperception given."""
    size = {kind: len(layout.of(kind)) for kind in ("true", "misperception", "own")}
    items = {kind: len(layout.having(kind)) for kind in ("normal", "count", "binary")}
    lasting = {kind: priors.draw(f"persistence_{kind}", n, rng) for kind, n in size.items()}
    spread = priors.draw("misperception_sd", size["misperception"], rng)
    if misperception is not None:
        spread = np.full_like(spread, misperception)
    return {
        "gap_effect": np.array([priors.draw(f"gap_on_{group}", 1, rng)[0] for group in GAP_ON]),
        "loading_true": priors.draw("loading_true", len(layout.revealing("true")), rng),
        "loading_believed": priors.draw("loading_believed", len(layout.revealing("believed")), rng),
        **{f"level_{kind}": priors.draw(f"level_{kind}", n, rng) for kind, n in items.items()},
        "noise": priors.draw("noise", items["normal"], rng),
        "own_sd": priors.draw("own_sd", size["own"], rng),
        "theatre": priors.draw("theatre", items["count"], rng),
        "in_conflict": priors.draw("in_conflict", items["count"], rng),
        "driver_effect": priors.draw("driver_effect", len(layout.drivers), rng),
        "persistence": _by_state(layout, lasting),
        "scale": _by_state(layout, {"misperception": spread}),
        "misperception_sd": spread,
        "learning": priors.draw("learning", 1, rng)[0],
    }


def _by_state(layout: Layout, by_kind: dict[str, np.ndarray]) -> np.ndarray:
    values = np.ones(len(layout.states))
    for kind, of in by_kind.items():
        values[layout.of(kind)] = of
    return values


class Unfolding:
    """Paths and items, week by week, as the force ladder unfolds."""

    def __init__(
        self,
        history: History,
        layout: Layout,
        values: dict[str, np.ndarray],
        rng: np.random.Generator,
        *,
        spell: Spell | None = None,
    ) -> None:
        self._of, self._layout, self._values, self._rng, self._spell = history.items, layout, values, rng, spell
        self._loading = np.zeros(len(layout.items))
        self._loading[layout.revealing("true")] = values["loading_true"]
        self._loading[layout.revealing("believed")] = values["loading_believed"]
        self.states = np.zeros((history.weeks.n_weeks, len(layout.states)))
        self.shifted = np.zeros_like(self.states)
        self.items = np.zeros_like(history.items.values)
        self.memory = np.zeros_like(history.items.memory)
        self._recent = np.zeros(len(layout.items))
        self._done = 0

    @property
    def gap(self) -> np.ndarray:
        """Sum of what both sides believe, over the square root of two [week]."""
        beliefs = [k for k, s in enumerate(self._layout.states) if s.startswith(("true", "misperception"))]
        return self.shifted[:, beliefs].sum(axis=1) / np.sqrt(2.0)

    def __call__(self, week: int, force: int) -> dict[str, float]:
        """Live through a week that ends at this level of force; what that adds to the log-odds of the next moves."""
        assert week == self._done
        self._done += 1
        self._paths(week, fighting=force == 2)
        self._measure(week, fighting=force == 2)
        effects = zip(GAP_ON.values(), self._values["gap_effect"], strict=True)
        return {move: float(effect * self.gap[week]) for moves, effect in effects for move in moves}

    def _paths(self, week: int, *, fighting: bool) -> None:
        v, noise = self._values, self._rng.standard_normal(len(self._layout.states))
        if week == 0:
            self.states[0] = v["scale"] * noise
        else:
            kept = v["persistence"].copy()
            if fighting:
                kept[self._layout.of("misperception")] *= np.exp(-v["learning"])
            innovation = v["scale"] * np.sqrt(1.0 - v["persistence"] ** 2)
            self.states[week] = kept * self.states[week - 1] + innovation * noise
        if self._spell is not None and week in self._spell.weeks:
            self.states[week, self._layout.states.index(self._spell.latent)] = self._spell.size
        moved = v["driver_effect"] * self._of.moved[week]
        self.shifted[week] = self.states[week] + moved @ self._layout.shifts

    def _measure(self, week: int, *, fighting: bool) -> None:
        v, layout = self._values, self._layout
        own = normals = counts = binaries = 0
        for k, item in enumerate(layout.items):
            read = sum(self.shifted[week, s] for s in np.flatnonzero(layout.reads[k]))
            eta = item.sign * self._loading[k] * read
            if item.lasting:
                eta += v["own_sd"][own] * self.states[week, layout.of("own")[own]]
                own += 1
            if item.likelihood == "normal":
                value = v["level_normal"][normals] + eta + v["noise"][normals] * self._rng.standard_normal()
                normals += 1
            elif item.likelihood == "count":
                self.memory[week, k] = np.log1p(self._recent[k])
                eta += v["level_count"][counts] + v["theatre"][counts] * self.memory[week, k]
                eta += v["in_conflict"][counts] * fighting + self._of.log_coverage[week]
                value = self._rng.geometric(1.0 / (1.0 + np.exp(eta))) - 1  # negative binomial of one dispersion
                counts += 1
                self._recent[k] = min(0.5 ** (1 / HALF_LIFE) * (self._recent[k] + value), 1e3)
            else:
                value = float(self._rng.random() < 1.0 / (1.0 + np.exp(-(v["level_binary"][binaries] + eta))))
                binaries += 1
            self.items[week, k] = value if self._of.known[week, k] else 0.0


def simulate_leverage(
    history: History,
    priors: Priors,
    rng: np.random.Generator,
    *,
    misperception: float | None = None,
    spell: Spell | None = None,
) -> tuple[Truth, Leverage, History]:
    """Draw parameters, or with the scale of misperception given, and a history made by them, perhaps with a spell."""
    layout = layout_of(history.case, "R6")
    truth = draw_truth(priors, history, rng, drivers=False)
    values = draw_leverage(priors, layout, rng, misperception=misperception)
    unfolding = Unfolding(history, layout, values, rng, spell=spell)
    made = simulated(history, truth, rng, unfolding=unfolding)
    items = replace(history.items, values=unfolding.items, memory=unfolding.memory)
    leverage = Leverage(unfolding._values, unfolding.states, unfolding.shifted, unfolding.gap)
    return truth, leverage, replace(made, items=items)


def pinned_leverage(rung: Rung, history: History) -> Rung:
    """Give simulated histories the model that is compiled for a real one, data padded up to it."""
    shapes, layout = shapes_of(history), layout_of(history.case, rung.name)
    return replace(
        rung,
        shape=lambda _: rung.shape(history),
        build=lambda priors, _: rung.build(priors, history),
        data=lambda other: leverage_data(other, shapes),
        latent=lambda draws, paths, other: with_leverage(draws, paths, other, layout),
    )


def like(posterior: xr.Dataset, truth: Truth, leverage: Leverage, layout: Layout) -> dict[str, np.ndarray]:
    """Return the true values of the variables of R6's posterior."""
    kept = [k for k, name in enumerate(layout.states) if not name.startswith("own")]
    latent = {
        "leverage": leverage.shifted[:, kept],
        "gap": leverage.gap,
        "shift": (leverage.shifted - leverage.states)[-1, kept],
    }
    known = {**leverage.values, **latent}
    hazards = truth.like(posterior.drop_vars("persistence").drop_vars("driver"))
    return {**hazards, **{name: value for name, value in known.items() if name in posterior.data_vars}}


def true_deal_rank(
    posterior: xr.Dataset, true: dict[str, np.ndarray], history: History, *, paths: int = 100
) -> tuple[float, float, float]:
    """Where the true probability of a deal within a quarter lies in its posterior, that probability, and the mean.

    The posterior is freed of the noise of finitely many paths as in :func:`tests.inference.recovery.deal_rank`.
    """
    flat = posterior.stack(sample=("chain", "draw"), create_index=False).transpose("sample", ...)
    rung = get_rung("R6")
    g = deal_probability(rung, flat, history, paths=paths)
    mean, variance = g.mean(), g.var() - (g * (1 - g)).mean() / (paths - 1)
    weight = mean * (1 - mean) / max(variance, 1e-6) - 1
    one = flat.isel(sample=[0]).copy(deep=True)
    for name, value in true.items():
        one[name].values[0] = value
    probability = deal_probability(rung, one, history, paths=20_000)[0]
    rank = float(stats.beta.cdf(probability, mean * weight, (1 - mean) * weight))
    return rank, float(probability), float(mean)
