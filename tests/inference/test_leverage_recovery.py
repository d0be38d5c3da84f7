"""R6 on simulated histories whose leverage is known.

Few of them here; `tests/benchmarks/recover_leverage.py` runs the whole study, whose table is in docs/validation.md.
"""

import numpy as np
import pytest

from forecast.inference import Fit, Settings, fit
from forecast.models import History, Priors, get_rung
from forecast.models.hazards import shapes_of
from forecast.models.leverage import layout_of, leverage_data, measure_columns
from tests.inference.leverage_recovery import GAP_ON, pinned_leverage, simulate_leverage

QUICK = {"draws": 250, "tune": 150, "chains": 2}
HISTORIES = 1


def test_simulated_items_are_laid_out_like_coded_ones(history: History, priors: Priors) -> None:
    layout, shapes = layout_of(history.case, "R6"), shapes_of(history)
    _, leverage, made = simulate_leverage(history, priors, np.random.default_rng(4))
    data = leverage_data(made, shapes)
    columns = measure_columns(layout)
    n = made.weeks.n_weeks
    fighting = data["measures"][:n, columns["fighting"]][:, 0]
    np.testing.assert_array_equal(fighting, made.weeks.levels["force"] == 2)
    known = data["measures"][:n, columns["known"]]
    np.testing.assert_array_equal(known, history.items.known)
    values = data["measures"][:n, columns["values"]]
    assert (values[known == 0] == 0).all()
    for likelihood, support in (("count", lambda v: (v >= 0) & (v % 1 == 0)), ("binary", lambda v: np.isin(v, [0, 1]))):
        assert support(values[:, layout.having(likelihood)]).all()
    assert leverage.states.shape == (n, len(layout.states))
    assert np.isfinite(leverage.gap).all()


def test_the_gap_drives_the_moves_of_a_simulated_history(history: History, priors: Priors) -> None:
    """With every effect of the gap doubled and its sign known, steps up come in weeks of a wide gap."""
    wide = []
    for seed in range(6):
        _, leverage, made = simulate_leverage(history, priors, np.random.default_rng([9, seed]))
        force = made.weeks.levels["force"]
        up = np.flatnonzero(np.diff(force) > 0)
        effect = leverage.values["gap_effect"][list(GAP_ON).index("up")]
        can = np.flatnonzero(force[:-1] < 2)
        wide.append(effect * (leverage.gap[up].mean() - leverage.gap[can].mean()) if len(up) else 0.0)
    assert np.mean(wide) > 0


def assert_lessons_hold(fitted: Fit) -> None:
    """An item without a value late in the history says next to nothing now; the others' words add up to the gap."""
    told, known = fitted.lessons, fitted.history.items.known
    assert told is not None
    silent = ~known[-104:].any(axis=0)
    spoken = np.abs(told.moved).max(axis=1)
    assert (spoken[silent] < 0.05).all()
    assert (spoken[~silent] > 0).all()
    beliefs = [k for k, name in enumerate(told.states) if not name.startswith("own")]
    np.testing.assert_allclose(told.gap, told.moved[:, beliefs].sum(axis=1) / np.sqrt(2.0))


@pytest.mark.slow
def test_misperception_is_found_where_it_was_planted_and_not_where_it_was_not(
    history: History, priors: Priors, capsys: pytest.CaptureFixture[str]
) -> None:
    rung = pinned_leverage(get_rung("R6"), history)
    scale: dict[float, list[float]] = {1.0: [], 0.0: []}
    alike, inside = [], []
    for k in range(HISTORIES):
        for planted, of in scale.items():
            rng = np.random.default_rng([2026, 7, k, int(planted)])
            _, leverage, made = simulate_leverage(history, priors, rng, misperception=planted)
            fitted = fit(rung, made, priors=priors, settings=Settings(seed=k, **QUICK))
            posterior = fitted.posterior
            assert_lessons_hold(fitted)
            of.append(float(posterior["misperception_sd"].mean()))
            low, high = posterior["gap"].quantile([0.025, 0.975], ("chain", "draw")).values
            inside.append(((low <= leverage.gap) & (leverage.gap <= high)).mean())
            if planted:
                for state in layout_of(history.case, "R6").of("misperception"):
                    name = layout_of(history.case, "R6").states[state]
                    path = posterior["leverage"].sel(latent=name).mean(("chain", "draw")).values
                    alike.append(float(np.corrcoef(path, leverage.shifted[:, state])[0, 1]))
    with capsys.disabled():
        print(f"\nplanted {scale}; correlations {np.round(alike, 2)}; gap inside 95 % {np.round(inside, 2)}")  # noqa: T201
    assert np.mean(scale[1.0]) > np.mean(scale[0.0])
    assert np.mean(alike) > 0.2
    assert np.mean(inside) > 0.8
