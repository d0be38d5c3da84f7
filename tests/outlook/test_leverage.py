from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

from forecast.inference import Fit, manifest
from forecast.inference.latents import Correction
from forecast.inference.lessons import Lessons
from forecast.models import History, get_rung
from forecast.models.moves import GAP_GROUPS
from forecast.outlook import Outlook, to_document
from forecast.outlook.leverage import leverage_section, speaking_of
from tests.models.given import made_up_fit, real_history, shipped_priors

NORMAL = {0.5: 0.6745, 0.8: 1.2816, 0.95: 1.9600}  # half-widths of the central intervals of a standard normal
SIDES = ("us", "iran")
LATENTS = {
    "R4": ("tension",),
    "R5": ("true:us", "true:iran"),
    "R6": ("true:us", "true:iran", "misperception:us", "misperception:iran"),
}
MEANS = {"true:us": 1.0, "true:iran": -0.5, "misperception:us": 0.2, "misperception:iran": 0.0, "tension": 0.3}
SPREADS = {"true:us": 0.6, "true:iran": 0.5, "misperception:us": 0.1, "misperception:iran": 0.7, "tension": 0.99}
SHIFTS = {"true:us": 0.4}
CHAINS, DRAWS = 2, 8000


@cache
def standard(k: int) -> np.ndarray:
    """The k-th of several standard normal samples [chain, draw] whose mean and variance are exact."""
    drawn = np.random.default_rng([7, k]).standard_normal((CHAINS, DRAWS))
    return np.asarray((drawn - drawn.mean()) / drawn.std())


@cache
def leverage_fit(rung: str) -> Fit:
    """A fit whose latents are normal, the same every week but for a rise of true leverage by a thousandth a week."""
    history = real_history()
    names, weeks = LATENTS[rung], history.weeks.ends
    rise = np.arange(len(weeks)) / 1000 - (len(weeks) - 1) / 1000
    draws = {n: MEANS[n] + SPREADS[n] * standard(k) for k, n in enumerate(names)}
    paths = np.stack([draws[n][:, :, None] + rise * n.startswith("true") for n in names], axis=3)
    weights = np.array([1.0 if n == "tension" else np.sqrt(0.5) for n in names])
    items = {r: [i.id for i in history.items.items if i.reveals == r] for r in ("true", "believed")}
    size = (CHAINS, DRAWS)
    priors, rng = shipped_priors(), np.random.default_rng(3)
    scale = np.stack([0.7 * np.abs(standard(9)) if n.startswith("mis") else np.ones(size) for n in names], axis=2)
    posterior = xr.Dataset(
        {
            "leverage": (("chain", "draw", "week", "latent"), paths.astype(np.float32)),
            "gap": (("chain", "draw", "week"), (paths @ weights).astype(np.float32)),
            "shift": (("chain", "draw", "latent"), np.stack([np.full(size, SHIFTS.get(n, 0.0)) for n in names], 2)),
            "gap_effect": (("chain", "draw", "gap_on"), _effects()),
            "driver_effect": (("chain", "draw", "driver"), priors.draw("driver_effect", (*size, 3), rng)),
            "scale": (("chain", "draw", "state"), scale),
            "persistence": (("chain", "draw", "state"), np.full_like(scale, 0.9)),
            "learning": (("chain", "draw"), np.zeros(size)),
            **{
                f"loading_{r}": (("chain", "draw", f"{r}_item"), 1.0 + 0.001 * np.stack([standard(5)] * len(ids), 2))
                for r, ids in items.items()
            },
        },
        coords={
            "chain": np.arange(CHAINS),
            "draw": np.arange(DRAWS),
            "week": weeks,
            "latent": list(names),
            "state": list(names),
            "gap_on": list(GAP_GROUPS),
            "driver": [d.id for d in history.items.drivers],
            **{f"{r}_item": ids for r, ids in items.items()},
        },
    )
    return replace(made_up_fit("R1", history), rung=get_rung(rung), posterior=posterior)


def _effects() -> np.ndarray:
    """The effect on limited deals is half as wide as its prior, about a factor of two; the others are their priors."""
    priors = shipped_priors()
    rows = [priors[f"gap_on_{group}"].parameters for group in GAP_GROUPS]
    return np.stack(
        [
            np.log(2) + 0.5 * row["sigma"] * standard(6) if k == 0 else row["mu"] + row["sigma"] * standard(6 + k)
            for k, row in enumerate(rows)
        ],
        axis=2,
    )


def section_of(rung: str) -> dict[str, Any]:
    section = leverage_section(leverage_fit(rung))
    assert section is not None
    return section


@pytest.fixture(scope="module")
def section() -> dict[str, Any]:
    return section_of("R6")


def row_of(section: dict[str, Any], side: str | None, latent: str) -> dict[str, Any]:
    (row,) = [r for r in section["now"]["rows"] if (r["side"], r["latent"]) == (side, latent)]
    return dict(row)


def series_of(section: dict[str, Any], side: str, latent: str) -> dict[str, Any]:
    (found,) = [s for row in section["sides"] if row["side"] == side for s in row["latents"] if s["latent"] == latent]
    return dict(found)


@pytest.mark.parametrize("rung", ["R0", "R1", "R3"])
def test_a_rung_without_latents_has_no_section(rung: str, history: History) -> None:
    assert leverage_section(made_up_fit(rung, history)) is None


@pytest.mark.parametrize(
    ("rung", "shown"),
    [("R4", []), ("R5", ["true"]), ("R6", ["true", "believed", "misperception"])],
)
def test_every_rung_shows_the_latents_that_it_has(rung: str, shown: list[str], history: History) -> None:
    found = section_of(rung)
    assert [[s["latent"] for s in side["latents"]] for side in found["sides"]] == ([shown] * 2 if shown else [])
    assert [row["latent"] for row in found["now"]["rows"]] == [*shown * 2, "gap"]
    assert len(found["misperception_scales"]) == 2 * (rung == "R6")
    assert len(found["summary"]) == (3 if shown else 1)
    assert len(found["loadings"]) == len(history.case.items)


def test_the_weeks_are_the_last_two_years_up_to_the_as_of_day(section: dict[str, Any], history: History) -> None:
    assert section["weeks"] == [str(day) for day in history.weeks.ends[-104:]]
    for series in (section["gap"], series_of(section, "iran", "believed")):
        assert {len(series["median"]), *(len(path) for path in series["samples"])} == {104}
        assert [len(band["lower"]) for band in series["bands"]] == [104] * 3
        assert len(series["samples"]) == 3


def test_bands_are_quantiles_of_the_posterior(section: dict[str, Any]) -> None:
    belief = np.hypot(SPREADS["true:us"], SPREADS["misperception:us"])
    for latent, mean, spread in (("true", 1.0, 0.6), ("believed", 1.2, belief), ("misperception", 0.2, 0.1)):
        series = series_of(section, "us", latent)
        assert series["median"][-1] == pytest.approx(mean, abs=0.03)
        for band in series["bands"]:
            half = NORMAL[band["probability"]] * spread
            assert (band["lower"][-1], band["upper"][-1]) == pytest.approx((mean - half, mean + half), abs=0.05)
    rising = series_of(section, "us", "true")["median"]
    assert rising[-1] - rising[0] == pytest.approx(0.103, abs=2e-3)


def test_sample_paths_are_draws_that_fit_together(section: dict[str, Any]) -> None:
    for side in SIDES:
        parts = [np.array(series_of(section, side, latent)["samples"]) for latent in ("true", "misperception")]
        np.testing.assert_allclose(sum(parts), series_of(section, side, "believed")["samples"], atol=2e-3)
    beliefs = [np.array(series_of(section, side, "believed")["samples"]) for side in SIDES]
    np.testing.assert_allclose(sum(beliefs) / np.sqrt(2), section["gap"]["samples"], atol=3e-3)


def test_the_prior_is_stationary_and_without_drivers(section: dict[str, Any]) -> None:
    for series in (series_of(section, "us", "true"), series_of(section, "iran", "true")):
        for band in series["prior"]:
            half = NORMAL[band["probability"]]
            assert (band["lower"], band["upper"]) == pytest.approx((-half, half), abs=0.04)
    spread = {k: np.ptp([b[k] for b in series_of(section, "us", "believed")["prior"]]) for k in ("lower", "upper")}
    assert min(spread.values()) > NORMAL[0.95] - NORMAL[0.5]
    tension = section_of("R4")["gap"]["prior"][-1]
    assert (tension["lower"], tension["upper"]) == pytest.approx((-1.96, 1.96), abs=0.04)


def test_the_latest_week_in_numbers(section: dict[str, Any], history: History) -> None:
    assert section["now"]["week"] == str(history.weeks.ends[-1])
    assert section["now"]["compared_week"] == str(history.weeks.ends[-14])
    row = row_of(section, "us", "true")
    assert (row["lower"], row["median"], row["upper"]) == pytest.approx((1 - 0.987, 1.0, 1 + 0.987), abs=0.04)
    assert row["p_positive"] == pytest.approx(0.952, abs=0.01)  # Phi(1 / 0.6)
    assert row["p_higher"] == 1.0
    assert row_of(section, "iran", "misperception")["p_positive"] == pytest.approx(0.5, abs=0.02)
    assert row_of(section, "us", "misperception")["p_positive"] == pytest.approx(0.977, abs=0.01)  # Phi(2)
    assert row_of(section, None, "gap")["median"] == pytest.approx(0.7 / np.sqrt(2), abs=0.03)


def test_the_contraction_of_latents_is_one_less_the_ratio_of_variances(section: dict[str, Any]) -> None:
    wrong = 0.7**2  # variance of HalfNormal(0.7) times a standard normal
    expected = {
        ("us", "true"): 1 - 0.36,
        ("us", "misperception"): 1 - 0.01 / wrong,
        ("us", "believed"): 1 - 0.37 / (1 + wrong),
        ("iran", "misperception"): 1 - 0.49 / wrong,
        (None, "gap"): 1 - (0.37 + 0.74) / 2 / (1 + wrong),
    }
    for (side, latent), contraction in expected.items():
        row = row_of(section, side, latent)
        assert row["contraction"] == pytest.approx(contraction, abs=0.03), (side, latent)
        assert row["speaking"] == ("prior speaking" if (side, latent) == ("iran", "misperception") else "data speaking")
        assert row["contraction"] == pytest.approx(1 - (row["posterior_sd"] / row["prior_sd"]) ** 2)
    assert row_of(section, "us", "misperception")["moved"] == pytest.approx(0.2 / 0.7, abs=0.01)


def test_what_moved_without_narrowing_is_not_the_prior_speaking() -> None:
    fit = leverage_fit("R6")
    learns = xr.DataArray([0.0, 0.0, 0.0, 1.0], dims="state")
    moved = leverage_section(replace(fit, posterior=fit.posterior.assign(scale=fit.posterior["scale"] + learns)))
    assert moved is not None
    us, iran = moved["misperception_scales"]
    assert (us["speaking"], iran["speaking"]) == ("prior speaking", "moved, not narrowed")
    half_normal = 0.7 * np.sqrt(1 - 2 / np.pi)
    assert iran["moved"] == pytest.approx(1 / half_normal, abs=0.02)


@pytest.mark.parametrize(
    ("contraction", "moved", "speaking"),
    [
        (0.05, 0.2, "prior speaking"),
        (0.05, -0.6, "moved, not narrowed"),
        (0.11, 0.2, "mostly prior"),
        (0.11, -0.6, "data speaking"),
        (0.32, 0.2, "mostly prior"),
        (0.34, 0.2, "data speaking"),
        (-0.4, 1.3, "moved, not narrowed"),
    ],
)
def test_who_speaks_is_said_in_steps(contraction: float, moved: float, speaking: str) -> None:
    """A number near a bound changes its word by one step from run to run, not from one end to the other."""
    assert speaking_of(contraction, moved) == speaking


def test_the_summary_says_where_only_the_prior_speaks_of_misperception(section: dict[str, Any]) -> None:
    us, iran, _gap = section["summary"]
    assert iran.endswith("(the prior speaking: the data hardly tell).")
    assert "prior" not in us


def test_the_summary_says_where_mostly_the_prior_speaks_of_misperception() -> None:
    fit = leverage_fit("R6")
    narrowed = fit.posterior.assign(leverage=fit.posterior["leverage"] * xr.DataArray([1, 1, 1, 0.9], dims="latent"))
    section = leverage_section(replace(fit, posterior=narrowed))
    assert section is not None
    row = row_of(section, "iran", "misperception")
    assert (row["contraction"], row["speaking"]) == (pytest.approx(1 - 0.9**2, abs=0.03), "mostly prior")
    assert section["summary"][1].endswith("(mostly the prior speaking: the data tell a little).")


def test_what_drivers_add_counts_for_the_level_and_not_for_the_contraction() -> None:
    fit = leverage_fit("R5")
    noise = standard(8)[:, :, None] * np.array([0.5, 0.0])
    posterior = fit.posterior.assign(
        leverage=fit.posterior["leverage"] + xr.DataArray(noise, dims=("chain", "draw", "latent")),
        shift=fit.posterior["shift"] + xr.DataArray(noise, dims=("chain", "draw", "latent")),
    )
    moved, still = leverage_section(replace(fit, posterior=posterior)), section_of("R5")
    assert moved is not None
    after, before = row_of(moved, "us", "true"), row_of(still, "us", "true")
    assert after["contraction"] == pytest.approx(before["contraction"], abs=1e-5)
    assert after["upper"] - after["lower"] > 1.2 * (before["upper"] - before["lower"])


def test_what_drivers_add_is_told_apart(section: dict[str, Any], history: History) -> None:
    for side, latent, added in (("us", "true", 0.4), ("us", "believed", 0.4), ("us", "misperception", 0.0)):
        assert row_of(section, side, latent)["from_drivers"] == pytest.approx(added, abs=1e-5)
    assert row_of(section, None, "gap")["from_drivers"] == pytest.approx(0.4 / np.sqrt(2), abs=1e-5)
    without = row_of(section, "us", "true")["p_positive_without_drivers"]
    assert without == pytest.approx(0.841, abs=0.01)  # Phi((1 - 0.4) / 0.6)
    us, iran, _gap = section["summary"]
    assert us.startswith("United States: 95 % that its true leverage is above what is usual for it (84 % without what")
    assert "without what drivers add" not in iran
    for row, moved in zip(section["driver_effects"], history.items.moved[-1], strict=True):
        assert row["adds_now"] == pytest.approx(row["median"] * moved)


def test_effects_of_the_gap_are_odds_ratios(section: dict[str, Any]) -> None:
    limited, *others = section["gap_effects"]
    sigma = shipped_priors()["gap_on_limited"].parameters["sigma"]
    assert limited["median"] == pytest.approx(2, rel=0.02)
    assert limited["upper"] == pytest.approx(2 * np.exp(1.645 * 0.5 * sigma), rel=0.02)
    assert limited["contraction"] == pytest.approx(0.75, abs=0.02)
    assert limited["speaking"] == "data speaking"
    assert [row["group"] for row in section["gap_effects"]] == list(GAP_GROUPS)
    for row in others:
        prior = shipped_priors()[f"gap_on_{row['group']}"].parameters
        assert row["speaking"] == "prior speaking"
        assert row["contraction"] == pytest.approx(0, abs=0.03)
        assert (row["median"], row["prior_median"]) == pytest.approx((np.exp(prior["mu"]),) * 2, rel=0.03)
        assert row["prior_upper"] == pytest.approx(np.exp(prior["mu"] + 1.645 * prior["sigma"]), rel=0.04)


def test_loadings_drivers_and_scales_have_their_labels_and_contractions(
    section: dict[str, Any], history: History
) -> None:
    labels = {item.id: (item.label, item.side, item.reveals, item.sign) for item in history.case.items}
    assert {r["item"]: (r["label"], r["side"], r["reveals"], r["sign"]) for r in section["loadings"]} == labels
    for row in section["loadings"]:
        assert (row["lower"], row["median"], row["upper"]) == pytest.approx((0.99836, 1, 1.00164), abs=1e-4)
        assert row["contraction"] > 0.999
    assert [r["driver"] for r in section["driver_effects"]] == [d.id for d in history.case.drivers]
    assert all(abs(r["contraction"]) < 0.1 for r in section["driver_effects"])
    assert {r["speaking"] for r in section["driver_effects"]} == {"prior speaking"}
    assert [r["side"] for r in section["misperception_scales"]] == list(SIDES)
    for row in section["misperception_scales"]:
        assert row["contraction"] == pytest.approx(0, abs=0.04)


def test_what_items_say_now_is_told_where_it_is_known(section: dict[str, Any], history: History) -> None:
    assert {row["moves_gap"] for row in section["loadings"]} == {None}
    ids = tuple(item.id for item in history.case.items)
    said = np.linspace(-0.3, 0.3, len(ids))
    told = Lessons(ids, ("true:us",), said[:, None], said)
    found = leverage_section(replace(leverage_fit("R6"), lessons=told))
    assert found is not None
    assert {row["item"]: row["moves_gap"] for row in found["loadings"]} == dict(zip(ids, said, strict=True))


def test_items_are_counted_and_notes_say_what_is_a_convention(section: dict[str, Any], history: History) -> None:
    for row in section["evidence"]:
        mine = [i.reveals for i in history.case.items if i.side == row["side"]]
        assert (row["structural"], row["behavioural"]) == (mine.count("true"), mine.count("believed"))
        assert row["drivers"] == sum(d.side == row["side"] for d in history.case.drivers)
    notes = " ".join(section["notes"])
    assert "as misperceived as this side usually is" in notes
    assert "convention" in notes
    assert "Predictive, not causal" in notes
    assert "what drivers add being left out" in notes
    assert "as misperceived" not in " ".join(section_of("R5")["notes"])


def test_the_correction_is_told_where_it_is_known(section: dict[str, Any]) -> None:
    assert section["correction"] is None
    for khat, applied in ((0.31, True), (np.inf, False)):
        found = leverage_section(replace(leverage_fit("R6"), correction=Correction(khat, applied, 0.8, 0.4)))
        assert found is not None
        assert found["correction"] == {
            "khat": khat if applied else None,
            "limit": 0.7,
            "applied": applied,
            "efficiency": 0.8,
            "log_weight_sd": 0.4,
            "distance": pytest.approx(0.25),
            "negligible": 0.02,
        }


def test_the_same_fit_gives_the_same_section(section: dict[str, Any]) -> None:
    assert leverage_section(leverage_fit("R6")) == section


def test_the_document_holds_the_section(outlook: Outlook, section: dict[str, Any]) -> None:
    def written(found: Outlook) -> Any:
        when = datetime(2026, 4, 15, tzinfo=UTC)
        return to_document(found, run_manifest=manifest(outlook.fit, command="forecast run"), run_at=when)["leverage"]

    assert written(outlook) is None
    held = written(replace(outlook, fit=leverage_fit("R6")))
    assert held["gap"] == section["gap"]
    assert held["now"]["rows"][0]["median"] == pytest.approx(section["now"]["rows"][0]["median"], abs=1e-6)
