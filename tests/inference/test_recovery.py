"""Parameters that made simulated histories lie in their posteriors' intervals as often as the intervals say."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from scipy import stats

from forecast.inference import Settings, fit
from forecast.models import History, Priors, get_rung
from forecast.models.hazards import shapes_of
from forecast.models.history import feature_array, weeks_in_level
from forecast.models.moves import FEATURES, MOVE_NAMES
from forecast.models.reference import episode_weeks
from tests.inference.recovery import (
    LEVELS,
    Truth,
    bounds,
    covered,
    deal_rank,
    draw_truth,
    pinned,
    ranks,
    simulated,
    table,
)

HISTORIES = 8
QUICK = {"draws": 300, "tune": 300, "chains": 2}


def made_up(history: History, priors: Priors, *, drivers: bool) -> Iterator[tuple[int, Truth, History]]:
    """Histories from known parameters, each with its number."""
    for k in range(HISTORIES):
        rng = np.random.default_rng([2026, int(drivers), k])
        truth = draw_truth(priors, history, rng, drivers=drivers)
        yield k, truth, simulated(history, truth, rng)


# --- the simulator ---------------------------------------------------------------------------------------------------


def test_simulated_histories_fit_the_model_of_the_real_one(history: History, priors: Priors) -> None:
    shapes = shapes_of(history)
    seen: dict[str, set[int]] = {"diplomacy": set(), "force": set()}
    for _, _, made in islice(made_up(history, priors, drivers=True), 3):
        rows = episode_weeks(made.vintage)
        assert rows.n_rows <= shapes.episode_week
        np.testing.assert_allclose(7 * rows.weight, np.round(7 * rows.weight))  # days at full weight
        assert 0 < rows.moves.sum() <= len(made.vintage.episodes)
        assert made.features.shape == history.features.shape
        assert np.isfinite(made.features).all()
        for ladder, levels in made.weeks.levels.items():
            seen[ladder] |= set(levels.tolist())
    assert seen["diplomacy"] >= {0, 1}
    assert seen["force"] == {0, 1, 2}


def test_a_simulated_history_is_laid_out_like_a_coded_one(history: History, priors: Priors) -> None:
    """The simulator writes its features itself; the package's own layout of the same weeks agrees."""
    _, _, made = next(made_up(history, priors, drivers=True))
    levels, exposure = made.weeks.levels, made.weeks.exposure
    known = {n: made.features[:, FEATURES.index(n)] for n in ("deadline", "hard_deadline", "log_term_left")}
    expected = feature_array(
        diplomacy=levels["diplomacy"][:-1],
        force=levels["force"][:-1],
        diplomacy_weeks=weeks_in_level(levels["diplomacy"], exposure)[:-1],
        force_weeks=weeks_in_level(levels["force"], exposure)[:-1],
        mediation=made.weeks.marks["mediation"][:-1],
        **known,
    )
    np.testing.assert_allclose(made.features, expected)


def test_the_bounds_let_calibrated_ranks_pass_and_catch_narrow_intervals_and_shifted_ones() -> None:
    rng = np.random.default_rng(1)
    z = rng.standard_normal(840)
    for scale, shift, expected in ((1.0, 0.0, True), (1.35, 0.0, False), (0.7, 0.0, False), (1.0, 0.7, False)):
        rank = stats.norm.cdf(scale * z + shift)
        inside = [bounds(840, p, inflation=2.0) for p in LEVELS]
        assert all(lo <= covered(rank, p).mean() <= hi for p, (lo, hi) in zip(LEVELS, inside, strict=True)) is expected


# --- the posterior ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["R1", "R3"])
def test_intervals_hold_the_truth_at_their_rate(
    name: str, history: History, priors: Priors, capsys: pytest.CaptureFixture[str]
) -> None:
    rung = pinned(get_rung(name), history)
    found: dict[str, list[np.ndarray]] = {}
    narrowed = []
    for k, truth, made in made_up(history, priors, drivers=name == "R3"):
        posterior = fit(rung, made, priors=priors, settings=Settings(seed=k, **QUICK)).posterior
        for group, rank in ranks(posterior, truth).items():
            found.setdefault(group, []).append(rank)
        found.setdefault("deal by 13 weeks", []).append(np.array([deal_rank(rung, posterior, truth, made)]))
        narrowed.append(posterior["base"].std(("chain", "draw")).values)
    pooled = {group: np.concatenate([r.ravel() for r in of]) for group, of in found.items()}
    pooled = {"base and term": np.concatenate([pooled["base"], pooled["term"]]), **pooled}
    with capsys.disabled():
        print(f"\n{name}: share of true values inside central intervals, {HISTORIES} histories\n{table(pooled)}")  # noqa: T201
    for group in ("base and term", "base", "term", "chance", "deal by 13 weeks"):
        n = pooled[group].size
        for level in LEVELS:
            low, high = bounds(n, level, inflation=2.0 if n > HISTORIES else 1.0)
            assert low <= covered(pooled[group], level).mean() <= high, (group, level)
        assert abs(pooled[group].mean() - 0.5) < 4 * np.sqrt(2 / 12 / n), group
    prior = np.array([priors[move].parameters["sigma"] for move in MOVE_NAMES])
    assert np.mean(np.square(narrowed), axis=0).mean() < 0.7 * np.square(prior).mean()  # the data did teach
