from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import arviz_stats
import numpy as np
import pytest
import xarray as xr

from forecast.errors import EngineError, ForecastError
from forecast.inference import Fit, Settings, check_fit, fit, gate
from forecast.inference.sampling import check_start
from forecast.inference.schema import SAMPLE_STATS, VARIABLES
from forecast.models import History, Priors, build_history, get_rung
from forecast.models.base_rate import BANDS, base_rate_data
from forecast.models.hazards import CHANCES, hazard_data, shapes_of
from forecast.models.moves import MOVE_NAMES, TERM_NAMES
from forecast.models.priors import DirichletPrior
from forecast.observations import Vintage


@pytest.mark.parametrize(
    "settings",
    [
        {"draws": 99, "tune": 100, "chains": 2, "seed": 0},
        {"draws": 100, "tune": 99, "chains": 2, "seed": 0},
        {"draws": 100, "tune": 100, "chains": 1, "seed": 0},
        {"draws": 100, "tune": 100, "chains": 2, "seed": -1},
    ],
)
def test_settings_that_could_not_be_diagnosed_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ForecastError, match="at least 100 draws, 100 tuning steps and 2 chains"):
        Settings(**settings)


def assert_within_error(draws: xr.DataArray, mean: float, sd: float) -> None:
    """Hold draws [chain, draw] to a known mean and standard deviation, within four Monte-Carlo errors."""
    values = draws.values
    assert abs(values.mean() - mean) < 4 * float(arviz_stats.mcse(values, method="mean")), draws.name
    assert abs(values.std() - sd) < 4 * float(arviz_stats.mcse(values, method="sd")), draws.name


def beta_moments(a: float, b: float) -> tuple[float, float]:
    return a / (a + b), float(np.sqrt(a * b / (a + b + 1)) / (a + b))


@pytest.mark.slow
def test_the_base_rate_is_its_closed_form_before_and_after_a_swap_of_data(
    history: History, priors: Priors, us_iran_at: Callable[[str], Vintage]
) -> None:
    """Dirichlet prior, reference counts and own counts add up; the second fit must not compile again.

    As of November 2025 a Dirichlet sampled on its simplex left 49 effective draws of 4,000.
    """
    compiled: list[str] = []
    for past in (history, build_history(us_iran_at("2025-11-07"), plan_weeks=60)):
        found = fit(get_rung("R0"), past, priors=priors, report=compiled.append)
        counts = base_rate_data(past)
        for what, dim in (("deal", "deal_kind"), ("escalation", "escalated")):
            for b, end in enumerate(BANDS):
                prior = priors[f"{what}_to_{end}"]
                assert isinstance(prior, DirichletPrior)
                alpha = np.array(prior.weights) + counts[f"{what}_reference"][b] + counts[f"{what}_own"][b]
                for k, a in enumerate(alpha):
                    assert_within_error(
                        found.posterior[what].isel({"band": b, dim: k}), *beta_moments(a, alpha.sum() - a)
                    )
        assert gate(check_fit(found)) == "pass"
    assert [line.split()[0] for line in compiled] == ["compiling", "sampling", "sampling"]


@pytest.fixture(scope="module")
def hazards(history: History, priors: Priors) -> Fit:
    """R1 on the real case, at the settings of a run."""
    return fit(get_rung("R1"), history, priors=priors)


@pytest.mark.slow
def test_the_hazards_of_the_real_case_mix(hazards: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    checks = {check.name: check for check in check_fit(hazards)}
    with capsys.disabled():
        timings = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in hazards.timings.items())
        shown = "; ".join(f"{c.name} {c.value:.4g} ({c.where})" for c in checks.values())
        print(f"\nR1 as of {hazards.history.origin.as_of}: {timings}; {shown}")  # noqa: T201
    assert gate(list(checks.values())) != "fail"
    assert checks["r_hat"].value <= 1.01
    assert min(checks["ess_bulk"].value, checks["ess_tail"].value) >= 400
    assert checks["divergences"].value < 0.001


@pytest.mark.slow
def test_chances_are_their_closed_forms(hazards: Fit, priors: Priors) -> None:
    ended, into_talks, off, on, starts, persists = hazard_data(hazards.history, shapes_of(hazards.history))["counts"]
    counted = {
        "lapse_to_talks": (into_talks, ended),
        "mediation_starts": (starts, off),
        "mediation_persists": (persists, on),
    }
    for name in CHANCES:
        came, of = counted[name]
        prior = priors[name].parameters
        moments = beta_moments(prior["alpha"] + came, prior["beta"] + of - came)
        assert_within_error(hazards.posterior["chance"].sel(chance_of=name), *moments)


@pytest.mark.slow
def test_a_fit_holds_what_the_schema_says(hazards: Fit) -> None:
    assert set(hazards.posterior.data_vars) == set(VARIABLES["R1"])
    for name, (dims, _) in VARIABLES["R1"].items():
        assert hazards.posterior[name].dims == ("chain", "draw", *dims)
    assert set(hazards.sample_stats.data_vars) == set(SAMPLE_STATS)
    assert list(hazards.posterior["move"].values) == list(MOVE_NAMES)
    assert list(hazards.posterior["coefficient"].values) == list(TERM_NAMES)
    assert list(hazards.posterior["dyad_on"].values) == ["deal", "collapse"]
    assert not hazards.posterior.attrs
    flat = hazards.flat_draws()["base"]
    np.testing.assert_array_equal(flat.values[-1], hazards.posterior["base"].values[-1, -1])
    assert flat.dims == ("sample", "move")


class Stuck:
    """A target whose search for the latents' mode ends as it is told."""

    def __init__(self, weeks: int, *, logp: float, furthest: tuple[int, int] | None, last_step: float) -> None:
        self.states, self.flat, self.density = (weeks, 6), SimpleNamespace(start=np.zeros(3)), self
        mode = np.full(self.states, np.nan) if furthest is None else np.zeros(self.states)
        if furthest is not None:
            mode[furthest] = -40.0
        lower = np.full((weeks * 6, 7), np.nan if furthest is None else 1.0)
        self._found = (logp, np.zeros(3), mode, mode, lower, last_step)

    def arrange(self, _data: object) -> tuple[np.ndarray, ...]:
        return ()

    def __call__(self, *_args: object, **_kwargs: object) -> tuple[Any, ...]:
        return self._found


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"logp": 1.0, "furthest": (7, 3), "last_step": 4.0}, "does not converge, furthest out at misperception:iran"),
        ({"logp": np.inf, "furthest": (7, 0), "last_step": 1e-9}, "density is not finite, furthest out at true:us"),
        ({"logp": np.nan, "furthest": None, "last_step": np.nan}, "the curvature is not positive; look at the items"),
    ],
)
def test_a_start_that_cannot_be_evaluated_says_where(history: History, end: dict[str, Any], said: str) -> None:
    target: Any = Stuck(history.weeks.n_weeks, **end)
    with pytest.raises(EngineError, match=said) as raised:
        check_start(get_rung("R6"), target, {}, history)
    assert (str(history.weeks.ends[7]) in str(raised.value)) == (end["furthest"] is not None)
