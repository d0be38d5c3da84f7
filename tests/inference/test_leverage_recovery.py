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
def test_planted_misperception_is_followed_and_the_gap_covered(
    history: History, priors: Priors, capsys: pytest.CaptureFixture[str]
) -> None:
    """One history cannot show more than that the paths go the right way; the study has the rates."""
    layout = layout_of(history.case, "R6")
    rung = pinned_leverage(get_rung("R6"), history)
    _, leverage, made = simulate_leverage(history, priors, np.random.default_rng([2026, 7, 0, 1]), misperception=1.0)
    fitted = fit(rung, made, priors=priors, settings=Settings(**QUICK))
    assert_lessons_hold(fitted)
    alike = []
    for state in layout.of("misperception"):
        path = fitted.posterior["leverage"].sel(latent=layout.states[state]).mean(("chain", "draw")).values
        alike.append(float(np.corrcoef(path, leverage.shifted[:, state])[0, 1]))
    low, high = fitted.posterior["gap"].quantile([0.025, 0.975], ("chain", "draw")).values
    inside = ((low <= leverage.gap) & (leverage.gap <= high)).mean()
    with capsys.disabled():
        print(f"\ncorrelations {np.round(alike, 2)}; gap inside 95 % in {inside:.0%} of weeks")  # noqa: T201
    assert np.mean(alike) > 0.1
    assert inside > 0.8
