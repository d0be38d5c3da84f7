"""The engine on a small model whose answers are known: in closed form, by differences, and by sampling everything."""

import math
from dataclasses import dataclass
from typing import Any

import arviz_stats
import numpy as np
import pytest
from scipy import stats

from forecast.errors import EngineError
from forecast.inference import Settings
from forecast.inference.compiled import compile_graph, flatten
from forecast.inference.laplace import integrate_out
from forecast.inference.latents import KHAT_LIMIT, draw_latents
from forecast.inference.sampling import sample
from forecast.inference.target import Target
from forecast.models.states import declare_states

pytestmark = pytest.mark.slow

WEEKS, STATES = 100, 2
NOISE = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed: a noisy reading of the first state, and counts driven by both."""

    level: np.ndarray
    counts: np.ndarray


@pytest.fixture(scope="module")
def seen() -> Seen:
    rng = np.random.default_rng(11)
    states = np.zeros((WEEKS, STATES))
    for t in range(1, WEEKS):
        states[t] = [0.9, 0.7] * states[t - 1] + np.sqrt(1 - np.array([0.9, 0.7]) ** 2) * rng.normal(size=2)
    counts = rng.poisson(np.exp(-1.0 + 0.8 * states.sum(axis=1)))
    return Seen(states[:, 0] + NOISE * rng.normal(size=WEEKS), counts.astype(float))


def build(seen: Seen, *, counts: bool) -> Any:
    """Declare the joint model; without counts it is linear and Gaussian throughout."""
    import pymc as pm
    import pytensor.tensor as pt

    later = (np.arange(WEEKS) > 0).astype(float)[:, None]
    with pm.Model(coords={"week": np.arange(WEEKS), "state": ["slow", "fast"]}) as model:
        persistence = pm.Beta("persistence", [18.0, 10.0], [2.0, 4.0], shape=STATES)
        loading = pm.LogNormal("loading", -0.2, 0.3)
        over_weeks = pt.specify_shape(pt.ones((WEEKS, 1)) * persistence, (WEEKS, STATES))
        innovation = pt.specify_shape(pt.sqrt(1.0 - later * persistence**2), (WEEKS, STATES))
        states = declare_states("states", over_weeks, innovation, dims=("week", "state"))
        reading = pm.Deterministic("reading", pt.stack([pt.as_tensor([1.0, 0.0]), loading * np.ones(STATES)]))
        read = pm.Deterministic("predictors", pt.dot(states, reading.T))
        pm.Potential("levels", pm.logp(pm.Normal.dist(read[:, 0], NOISE), seen.level).sum())
        if counts:
            pm.Potential("counts", (seen.counts * (read[:, 1] - 1.0) - pt.exp(read[:, 1] - 1.0)).sum())
    return model


def target(model: Any) -> Target:
    from pymc.model.transform.optimization import freeze_dims_and_data

    model = freeze_dims_and_data(model, data=[])
    marginal = integrate_out(model)
    flat = marginal.flat
    outputs = [marginal.logp, marginal.gradient, marginal.mode, marginal.mean, marginal.lower, marginal.last_step]
    wanted = model.replace_rvs_by_values([model["persistence"], model["loading"]])
    return Target(
        flat=flat,
        density=compile_graph([flat.vector, marginal.start], outputs),
        expanded=compile_graph([flat.vector], flat(*wanted)),
        conditional=compile_graph([flat.vector, marginal.states], [marginal.conditional]),
        dims={"persistence": ("state",), "loading": ()},
        coords={"state": np.array(["slow", "fast"])},
        states=(WEEKS, STATES),
    )


@pytest.fixture(scope="module")
def counted(seen: Seen) -> Target:
    return target(build(seen, counts=True))


def path_covariance(persistence: float) -> np.ndarray:
    apart = np.abs(np.subtract.outer(np.arange(WEEKS), np.arange(WEEKS)))
    return persistence ** apart.astype(float)


def test_where_all_is_gaussian_the_marginal_is_exact(seen: Seen) -> None:
    """Against the dense multivariate normal, which is what a Kalman filter computes."""
    of = target(build(seen, counts=False))
    density = of.density_at({})
    points = [of.flat.start, of.flat.start + np.array([0.4, -0.3, 0.2])]
    found = [density(x)[0] for x in points]
    expected = []
    for x in points:
        values = of.expand(x[None, None], {})
        slow, fast = values["persistence"].values[0, 0]
        seen_covariance = path_covariance(slow) + NOISE**2 * np.eye(WEEKS)
        likelihood = stats.multivariate_normal(cov=seen_covariance).logpdf(seen.level)
        # Densities of the transformed parameters: log-odds for the betas, the log for the loading.
        prior = sum(
            stats.beta(a, b).logpdf(p) + np.log(p * (1 - p)) for p, a, b in ((slow, 18.0, 2.0), (fast, 10.0, 4.0))
        ) + stats.norm(-0.2, 0.3).logpdf(np.log(values["loading"].item()))
        expected.append(likelihood + prior)
    assert found == pytest.approx(expected)
    slow = of.expand(points[0][None, None], {})["persistence"].values[0, 0, 0]
    mode, mean, lower = of.density(points[0], np.zeros((WEEKS, STATES)), data=())[2:5]
    covariance = path_covariance(slow)
    gain = covariance @ np.linalg.inv(covariance + NOISE**2 * np.eye(WEEKS))
    np.testing.assert_allclose(mode[:, 0], gain @ seen.level, atol=1e-7)
    np.testing.assert_allclose(mean, mode, atol=1e-9)  # nothing is skewed
    assert np.isfinite(lower).all()


def test_the_gradient_is_exact(counted: Target) -> None:
    density, rng = counted.density_at({}), np.random.default_rng(5)
    for _ in range(3):
        x = counted.flat.start + 0.5 * rng.normal(size=len(counted.flat.start))
        direction = rng.normal(size=len(x))
        up, down = density(x + 1e-5 * direction)[0], density(x - 1e-5 * direction)[0]
        assert density(x)[1] @ direction == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-6)


def test_the_search_forgets_where_it_started(counted: Target) -> None:
    x, rng = counted.flat.start, np.random.default_rng(6)
    arrays = counted.density.arrange({})
    near = counted.latent_density(x, np.zeros((WEEKS, STATES)), arrays)
    far = counted.latent_density(x, 3.0 * rng.normal(size=(WEEKS, STATES)), arrays)
    assert near[0] == pytest.approx(far[0], abs=1e-7)
    np.testing.assert_allclose(near[2], far[2], atol=1e-5)


def test_the_engine_agrees_with_sampling_everything(seen: Seen, counted: Target) -> None:
    """Joint NUTS over hyperparameters and all latents is slow and exact: means and spreads within their errors."""
    flat, _ = sample(counted, {}, Settings(seed=3, draws=1000))
    flat, paths, correction = draw_latents(counted, {}, flat, seed=3)
    engine = counted.expand(flat, {})
    model = build(seen, counts=True)
    everything = flatten(model)
    logp = everything(model.logp())[0]
    import pytensor.tensor as pt

    wanted = model.replace_rvs_by_values([model["persistence"], model["loading"], model["states"]])
    joint = Target(
        flat=everything,
        density=compile_graph([everything.vector], [logp, pt.grad(logp, everything.vector)]),
        expanded=compile_graph([everything.vector], everything(*wanted)),
        conditional=None,
        dims={"persistence": ("state",), "loading": (), "states": ("week", "state")},
        coords={"week": np.arange(WEEKS), "state": np.array(["slow", "fast"])},
        states=None,
    )
    drawn, _ = sample(joint, {}, Settings(seed=4, draws=3000, tune=1000))
    reference = joint.expand(drawn, {})
    assert correction.applied
    assert correction.khat < KHAT_LIMIT
    assert correction.efficiency > 0.9
    engine = engine.assign(states=(("chain", "draw", "week", "state"), paths.astype(float)))
    compared = 0
    for name in ("persistence", "loading", "states"):
        ours = engine[name].values.reshape(*engine[name].shape[:2], -1)
        theirs = reference[name].values.reshape(*reference[name].shape[:2], -1)
        for k in range(ours.shape[2]):
            moments = {"mean": (ours[:, :, k].mean(), theirs[:, :, k].mean())}
            moments["sd"] = (ours[:, :, k].std(), theirs[:, :, k].std())
            for method, (found, expected) in moments.items():
                error = math.hypot(*(float(arviz_stats.mcse(v[:, :, k], method=method)) for v in (ours, theirs)))
                compared += 1
                assert abs(found - expected) < 4.5 * error, (name, k, method)
    assert compared == 2 * (2 + 1 + WEEKS * STATES)


def test_paths_without_a_density_are_not_weighed(counted: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.inference.latents._conditional", lambda *_given: float("nan"))
    with pytest.raises(EngineError, match="no finite density"):
        draw_latents(counted, {}, np.tile(counted.flat.start, (2, 50, 1)), seed=3)
