from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from forecast.case import Case, load_case
from forecast.errors import RungError
from forecast.models import History, Priors, build_history, get_rung
from forecast.models.hazards import shapes_of
from forecast.models.leverage import (
    check_revealed,
    layout_of,
    leverage_data,
    measure_columns,
    variance_by_law,
    with_leverage,
)
from forecast.models.moves import MOVE_NAMES, gap_placement, gap_weight
from forecast.models.states import draw_paths
from forecast.models.walk import HazardWalker
from forecast.observations import Vintage
from tests.models.given import drawn


@pytest.fixture(scope="module")
def us_iran_case() -> Case:
    return load_case("us-iran")


def test_structural_items_read_true_leverage_and_behaviour_what_is_believed(us_iran_case: Case) -> None:
    layout = layout_of(us_iran_case, "R6")
    assert layout.states[:4] == ("true:us", "true:iran", "misperception:us", "misperception:iran")
    for k, item in enumerate(layout.items):
        read = {layout.states[s] for s in np.flatnonzero(layout.reads[k])}
        believed = {f"misperception:{item.side}"} if item.reveals == "believed" else set()
        assert read == {f"true:{item.side}"} | believed, item.id
        own = {layout.states[s] for s in np.flatnonzero(layout.own[k])}
        assert own == ({f"own:{item.id}"} if item.lasting else set())
    moved = {
        d: layout.states[int(np.flatnonzero(row)[0])] for d, row in zip(layout.drivers, layout.shifts, strict=True)
    }
    assert moved == {"pressure": "true:iran", "posture": "true:us", "blockade": "true:us"}
    np.testing.assert_allclose(layout.gap, [np.sqrt(0.5)] * 4 + [0.0] * 2)


def test_the_smaller_rungs_merge_states(us_iran_case: Case) -> None:
    sides, tension = layout_of(us_iran_case, "R5"), layout_of(us_iran_case, "R4")
    assert sides.states[:2] == ("true:us", "true:iran")
    assert tension.states[0] == "tension"
    assert not any(name.startswith("misperception") for name in (*sides.states, *tension.states))
    assert (tension.reads[:, 0] == 1.0).all()
    assert gap_weight("tension") == 1.0


def test_a_side_with_too_few_items_is_named(us_iran_case: Case) -> None:
    kept = tuple(i for i in us_iran_case.items if (i.side, i.reveals) != ("us", "believed"))
    poor = us_iran_case.model_copy(update={"items": kept})
    with pytest.raises(RungError, match=r"cannot identify the leverage of side 'us'.*behavioural items \[\]"):
        layout_of(poor, "R6")
    with pytest.raises(RungError, match=r"needs leverage\.toml"):
        layout_of(us_iran_case.model_copy(update={"items": ()}), "R5")


def test_every_move_has_one_gap_effect() -> None:
    place = gap_placement()
    np.testing.assert_array_equal(place.sum(axis=0), np.ones(len(MOVE_NAMES)))


def test_the_measures_stand_where_the_columns_say(history: History) -> None:
    layout, shapes = layout_of(history.case, "R6"), shapes_of(history)
    table, at = leverage_data(history, shapes)["measures"], measure_columns(layout)
    n = history.weeks.n_weeks
    np.testing.assert_array_equal(table[:n, at["values"]], history.items.values)
    np.testing.assert_array_equal(table[:n, at["known"]], history.items.known)
    np.testing.assert_array_equal(table[:n, at["drivers"]], history.items.moved)
    np.testing.assert_array_equal(table[:n, at["fighting"]][:, 0], history.weeks.levels["force"] == 2)
    assert not table[n:].any()


def test_leverage_is_the_states_and_what_drivers_add(history: History) -> None:
    layout = layout_of(history.case, "R6")
    rng = np.random.default_rng(8)
    paths = rng.normal(size=(2, 3, shapes_of(history).week, len(layout.states))).astype(np.float32)
    effects = rng.uniform(0.1, 0.6, (2, 3, len(layout.drivers)))
    draws = xr.Dataset({"driver_effect": (("chain", "draw", "driver"), effects)}, {"driver": list(layout.drivers)})
    found = with_leverage(draws, paths, history, layout)
    t, moved = -1, history.items.moved[-1]
    pressure, posture, blockade = (effects[1, 2, k] * moved[k] for k in range(3))
    last = paths[1, 2, history.weeks.n_weeks - 1]
    value = found["leverage"].isel(chain=1, draw=2, week=t)
    assert value.sel(latent="true:iran").item() == pytest.approx(last[1] + pressure, abs=1e-5)
    assert value.sel(latent="true:us").item() == pytest.approx(last[0] + posture + blockade, abs=1e-5)
    assert value.sel(latent="misperception:us").item() == pytest.approx(last[2], abs=1e-5)
    gap = (last[:4].sum() + pressure + posture + blockade) / np.sqrt(2)
    assert found["gap"].isel(chain=1, draw=2, week=t).item() == pytest.approx(gap, abs=1e-5)


def test_the_variance_by_law_is_that_of_simulated_paths(history: History) -> None:
    force, share = np.array([0, 1, 2, 2, 2, 0, 2]), np.array([1, 1, 1, 1, 1, 1, 3 / 7])
    levels = {**history.weeks.levels, "force": force}
    fought = replace(history, weeks=replace(history.weeks, levels=levels, exposure=share))
    persistence, scale, learning = np.array([0.9, 0.8]), np.array([1.0, 0.7]), 0.4
    draws = xr.Dataset(
        {"persistence": ("state", persistence), "scale": ("state", scale), "learning": learning},
        {"state": ["true:us", "misperception:us"]},
    )
    lived = persistence ** share[:, None]
    kept = lived * np.exp(-learning * np.outer(share * (force == 2), [0, 1]))
    innovation = np.where(np.arange(7)[:, None] > 0, np.sqrt(1 - lived**2), 1.0) * scale
    paths = draw_paths(kept, innovation, rng=np.random.default_rng(4), size=(100_000,))
    found = variance_by_law(draws, fought)
    np.testing.assert_allclose(found, paths[:, -1].var(axis=0), rtol=0.02)
    assert found.sel(state="misperception:us").item() < 0.9 * 0.49
    np.testing.assert_allclose(variance_by_law(draws.drop_vars("learning"), fought), scale**2)


def test_the_law_of_the_model_is_that_of_its_weeks(us_iran_at: Callable[[str], Vintage], priors: Priors) -> None:
    """As of a Tuesday in April the last week has four days, and the weeks of March are weeks of conflict."""
    history = build_history(us_iran_at("2026-04-14"), plan_weeks=60)
    share, fought = history.weeks.exposure, history.weeks.levels["force"] == 2
    assert share[-1] == pytest.approx(4 / 7)
    rung = get_rung("R6")
    model = rung.build(priors, history)
    with model:
        pm.set_data(rung.data(history))
    states = model["states"].owner
    names = ("persistence", "scale", "learning")
    law = [*states.op.dist_params(states), *(model[name] for name in names)]
    over_weeks, innovation, persistence, scale, learning = pm.draw(law, random_seed=5, mode="FAST_COMPILE")
    n, learns = len(share), np.array([name.startswith("misperception") for name in model.coords["state"]])
    lived = persistence ** share[:, None]
    np.testing.assert_allclose(over_weeks[:n], lived * np.exp(-learning * np.outer(share * fought, learns)))
    np.testing.assert_allclose(innovation[0], scale)
    np.testing.assert_allclose(innovation[1:n], (scale * np.sqrt(1 - lived**2))[1:])


def test_a_side_whose_items_have_no_values_yet_is_named(history: History) -> None:
    layout = layout_of(history.case, "R6")
    check_revealed(layout, history)
    silent = history.items.known.copy()
    silent[:, [k for k, item in enumerate(layout.items) if (item.side, item.reveals) == ("us", "true")]] = False
    without = replace(history, items=replace(history.items, known=silent))
    with pytest.raises(
        RungError, match=r"side 'us' as of 2026-.*structural items \[\], drivers \['posture', 'blockade'\]"
    ):
        check_revealed(layout, without)
    still = replace(history, items=replace(history.items, moved=np.zeros_like(history.items.moved)))
    with pytest.raises(RungError, match=r"structural items \['oil_price'\], drivers \[\]"):
        get_rung("R6").shape(still)


def test_cases_that_move_a_driver_to_the_other_side_share_no_compiled_model(us_iran_case: Case) -> None:
    drivers = tuple(d.model_copy(update={"side": "us"}) if d.id == "pressure" else d for d in us_iran_case.drivers)
    other = us_iran_case.model_copy(update={"drivers": drivers})
    assert layout_of(other, "R6").key() != layout_of(us_iran_case, "R6").key()


def test_paths_forward_learn_from_the_week_that_ends_in_conflict(history: History) -> None:
    """From coercion to conflict within the first, short, step: misperception fades by the law of the fit."""
    parameters = drawn("R1", history, chains=1, draws=1).stack(sample=("chain", "draw"), create_index=False)
    sure = parameters.transpose("sample", ...).assign(base=lambda d: d["base"] * 0 + 40.0 * (d["move"] == "conflict"))
    latents = ["true:us", "true:iran", "misperception:us", "misperception:iran"]
    of_paths = xr.Dataset(
        {
            "gap_effect": (("sample", "gap_on"), np.zeros((1, 7))),
            "persistence": (("sample", "state"), np.full((1, 4), 0.9)),
            "scale": (("sample", "state"), np.full((1, 4), 1e-9)),
            "learning": (("sample",), np.array([0.5])),
            "shift": (("sample", "latent"), np.zeros((1, 4))),
            "leverage": (("sample", "week", "latent"), np.ones((1, 1, 4))),
        },
        {"state": latents, "latent": latents},
    )
    origin = replace(history.origin, force=1, exposure=np.array([4 / 7, 1.0]))
    walker = HazardWalker(sure.merge(of_paths), origin, paths=50, rng=np.random.default_rng(1))
    walker.step(0)
    assert (walker.force == 2).all()
    assert walker._gap is not None
    short = 0.9 ** (4 / 7)
    expected = [short, short, short * np.exp(-0.5 * 4 / 7), short * np.exp(-0.5 * 4 / 7)]
    np.testing.assert_allclose(walker._gap._values[0].mean(axis=0), expected, rtol=1e-6)


def test_paths_forward_follow_the_law_of_the_latents() -> None:
    """One step of every latent has the mean and the spread of its autoregression; without an effect no odds change."""
    from forecast.models.walk import _Gap

    latents = ["true:us", "true:iran", "misperception:us", "misperception:iran"]
    persistence, scale = np.array([0.9, 0.8, 0.6, 0.5]), np.array([1.0, 1.0, 0.7, 0.4])
    draws = xr.Dataset(
        {
            "gap_effect": (("sample", "gap_on"), np.zeros((1, 7))),
            "persistence": (("sample", "state"), persistence[None]),
            "scale": (("sample", "state"), scale[None]),
            "learning": (("sample",), np.array([0.5])),
            "shift": (("sample", "latent"), np.array([[0.2, -0.1, 0.0, 0.0]])),
            "leverage": (("sample", "week", "latent"), np.array([[[1.2, 0.9, 0.5, -0.5]]])),
        },
        {"state": latents, "latent": latents},
    )
    carried = _Gap(draws, (1, 40_000))
    rng = np.random.default_rng(3)
    carried.step(np.ones((1, 40_000), dtype=bool), 1.0, rng)
    kept = persistence * np.exp([0.0, 0.0, -0.5, -0.5])
    mean = kept * (np.array([1.2, 0.9, 0.5, -0.5]) - [0.2, -0.1, 0.0, 0.0])
    found = carried._values[0]
    np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.02)
    np.testing.assert_allclose(found.std(axis=0), scale * np.sqrt(1 - persistence**2), rtol=0.02)
    assert not carried.log_odds().any()
