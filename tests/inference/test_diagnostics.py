from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from forecast.inference import Check, Fit, check_fit, check_probabilities, gate
from forecast.inference.diagnostics import THRESHOLDS, Status, judge
from forecast.inference.latents import KHAT_LIMIT, Correction
from forecast.models import History
from tests.models.given import made_up_fit

PASS: Status = "pass"  # noqa: S105 - a verdict, not a password
REVIEW: Status = "review"
FAIL: Status = "fail"

ONE = {"band": 13, "deal_kind": "limited deal"}
NAMED = "deal[13, limited deal]"


@pytest.fixture(scope="module")
def fitted(history: History) -> Fit:
    """Independent draws, as many as the sampler is asked for: nothing to complain about."""
    return made_up_fit("R0", history, chains=4, draws=500)


def by_name(fit: Fit) -> dict[str, Check]:
    return {check.name: check for check in check_fit(fit)}


def of_one(fit: Fit) -> np.ndarray:
    """Draws of one parameter, the chance of a limited deal in the second band [chain, draw]."""
    return np.array(fit.posterior["deal"].sel(ONE))


def with_one(fit: Fit, values: np.ndarray) -> Fit:
    deal = fit.posterior["deal"].copy()
    deal.loc[ONE] = values
    return replace(fit, posterior=fit.posterior.assign(deal=deal))


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("r_hat", 1.0, PASS),
        ("r_hat", 1.01, PASS),
        ("r_hat", 1.0101, REVIEW),
        ("r_hat", 1.051, FAIL),
        ("ess_bulk", 400.0, PASS),
        ("ess_bulk", 399.0, REVIEW),
        ("ess_tail", 99.0, FAIL),
        ("divergences", 0.0, PASS),
        ("divergences", 0.001, PASS),
        ("divergences", 0.005, REVIEW),
        ("divergences", 0.011, FAIL),
        ("e_bfmi", 0.31, PASS),
        ("e_bfmi", 0.25, REVIEW),
        ("e_bfmi", 0.19, FAIL),
        ("probability_r_hat", 1.06, FAIL),
        ("probability_ess", 250.0, REVIEW),
    ],
)
def test_thresholds(name: str, value: float, status: Status) -> None:
    assert judge(name, value, "here").status == status


@pytest.mark.parametrize("name", list(THRESHOLDS))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_fails_whichever_side_is_better(name: str, value: float) -> None:
    assert judge(name, value, "here").status == "fail"


def test_the_gate_is_the_worst_of_the_checks() -> None:
    good, doubtful, bad = judge("r_hat", 1.0, ""), judge("r_hat", 1.02, ""), judge("r_hat", 1.2, "")
    assert [gate([good, good]), gate([good, doubtful, good]), gate([bad, doubtful, good])] == ["pass", "review", "fail"]


def test_independent_draws_pass(fitted: Fit) -> None:
    checks = by_name(fitted)
    assert set(checks) == {"r_hat", "ess_bulk", "ess_tail", "divergences", "e_bfmi"}
    assert gate(list(checks.values())) == "pass", checks


def test_a_chain_that_went_elsewhere_is_caught_and_named(fitted: Fit) -> None:
    values = of_one(fitted)
    values[2] += 2 * values.std()
    checks = by_name(with_one(fitted, values))
    assert (checks["r_hat"].status, checks["r_hat"].where) == ("fail", NAMED)
    assert checks["ess_bulk"].where == NAMED


def test_chains_that_crawl_are_caught_by_their_effective_size(fitted: Fit) -> None:
    """A random walk's effective size is a few draws, whatever their number."""
    crawl = np.cumsum(np.random.default_rng(1).standard_normal((4, 500)), axis=1)
    checks = by_name(with_one(fitted, crawl))
    assert (checks["ess_bulk"].status, checks["ess_bulk"].where) == ("fail", NAMED)
    assert checks["ess_tail"].status == "fail"


def test_an_autoregression_has_the_effective_size_of_theory(fitted: Fit) -> None:
    rho, rng = 0.6, np.random.default_rng(5)
    series = rng.standard_normal((4, 500))
    for t in range(1, 500):
        series[:, t] = rho * series[:, t - 1] + rng.normal(0, np.sqrt(1 - rho**2), 4)
    checks = by_name(with_one(fitted, series))
    assert checks["ess_bulk"].where == NAMED
    assert checks["ess_bulk"].value == pytest.approx(2000 * (1 - rho) / (1 + rho), rel=0.25)


def test_a_parameter_that_is_stuck_or_broken_fails(fitted: Fit) -> None:
    stuck = np.full((4, 500), 0.2)
    broken = np.where(np.arange(500) == 7, np.nan, of_one(fitted))
    for values in (stuck, broken):
        with np.errstate(invalid="ignore"):
            check = by_name(with_one(fitted, values))["r_hat"]
        assert (check.status, check.where) == ("fail", NAMED)


def test_divergences_are_counted_and_their_share_judged(fitted: Fit) -> None:
    diverging = np.zeros((4, 500), dtype=bool)
    diverging[1, :5] = True
    dims = fitted.sample_stats["diverging"].dims
    check = by_name(replace(fitted, sample_stats=fitted.sample_stats.assign(diverging=(dims, diverging))))[
        "divergences"
    ]
    assert (check.value, check.status, check.where) == (0.0025, "review", "5 of 2000 draws")


def test_energy_that_creeps_is_caught_in_its_chain(fitted: Fit) -> None:
    energy = np.array(fitted.sample_stats["energy"])
    energy[3] = 300 + np.cumsum(np.random.default_rng(3).standard_normal(500))
    stats = fitted.sample_stats.assign(energy=(("chain", "draw"), energy))
    check = by_name(replace(fitted, sample_stats=stats))["e_bfmi"]
    assert (check.status, check.where) == ("fail", "chain 3")
    assert check.value == pytest.approx((np.diff(energy[3]) ** 2).mean() / energy[3].var(), rel=0.05)


def test_checks_survive_the_file_where_flags_are_numbers(fitted: Fit) -> None:
    stats = fitted.sample_stats.assign(diverging=fitted.sample_stats["diverging"].astype("int8"))
    assert by_name(replace(fitted, sample_stats=stats))["divergences"].status == "pass"


def test_the_worst_probability_is_named() -> None:
    r_hat, ess = check_probabilities({"a": 1.001, "b": 1.03}, {"a": 80.0, "b": 500.0})
    assert (r_hat.value, r_hat.where, r_hat.status) == (1.03, "b", "review")
    assert (ess.value, ess.where, ess.status) == (80.0, "a", "fail")


def test_a_probability_whose_diagnostic_is_undefined_fails() -> None:
    r_hat, _ = check_probabilities({"a": 1.0, "b": np.nan, "c": 1.0}, {"a": 900.0, "b": 900.0, "c": 900.0})
    assert r_hat.status == "fail"


def test_scalars_are_named_without_an_index(history: History) -> None:
    fit = made_up_fit("R3", history)
    apart = fit.posterior["global_scale"] + xr.DataArray([0.0, 5.0], dims="chain")
    assert by_name(replace(fit, posterior=fit.posterior.assign(global_scale=apart)))["r_hat"].where == "global_scale"


def test_what_a_case_has_none_of_is_no_parameter(fitted: Fit) -> None:
    shape = (fitted.posterior.sizes["chain"], fitted.posterior.sizes["draw"], 0)
    none = fitted.posterior.assign(driver_effect=(("chain", "draw", "driver"), np.zeros(shape)))
    assert by_name(replace(fitted, posterior=none)) == by_name(fitted)


@pytest.mark.parametrize(
    ("khat", "efficiency", "status"),
    [
        (0.4, 0.7, PASS),
        (0.6, 0.7, REVIEW),
        (0.9, 0.7, FAIL),
        (0.9, 0.99, FAIL),
        (0.9, 0.9998, PASS),
        (np.inf, 0.7, FAIL),
    ],
)
def test_the_tail_of_weights_counts_unless_they_are_all_but_equal(
    fitted: Fit, khat: float, efficiency: float, status: Status
) -> None:
    check = by_name(replace(fitted, correction=Correction(khat, khat < KHAT_LIMIT, efficiency, 0.1)))["khat"]
    assert (check.value, check.status) == (khat, status)


def test_no_probability_moves_further_than_the_distance() -> None:
    """Weights of any event's draws against its share of all draws, for skewed weights."""
    rng = np.random.default_rng(7)
    weights = rng.lognormal(0.0, 0.5, 4000)
    weights /= weights.sum()
    distance = Correction(0.0, applied=True, efficiency=1.0 / (4000 * (weights**2).sum()), log_weight_sd=0.5).distance
    worst = max(
        abs(weights[weights > cut].sum() - (weights > cut).mean()) for cut in np.quantile(weights, [0.3, 0.5, 0.7])
    )
    assert 0.5 * distance < worst < distance
