import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from forecast.evaluation.table import score_rows
from forecast.markets.pooling import encompassing, log_pool, pool_weights

MEMBERS = ("model", "market")


def scored(p: dict[str, np.ndarray], y: np.ndarray, clusters: np.ndarray | None = None) -> pd.DataFrame:
    """Scored rows: question k of each member, each settled by its own event unless told otherwise."""
    own = np.arange(len(y)) if clusters is None else clusters
    rows = [
        {
            "label": "reconstructed", "forecaster": name, "case": "c", "question": f"q{k:05}",
            "origin": pd.Timestamp("2024-01-01", tz="UTC"), "by": "2025-01-01", "probability": values[k],
            "outcome": y[k], "decided_on": "2025-01-01", "cluster": f"event:{own[k]}",
        }
        for name, values in p.items()
        for k in range(len(y))
    ]  # fmt: skip
    return score_rows(pd.DataFrame(rows))


def world(seed: int, n: int, *, model: float, market: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Truth whose log-odds are the sum of both forecasters', each times its coefficient."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 1.5, n), rng.normal(0, 1.5, n)
    y = (rng.random(n) < stats.logistic.cdf(model * a + market * b)).astype(float)
    return {"model": stats.logistic.cdf(a), "market": stats.logistic.cdf(b)}, y


def test_without_pairs_the_weights_are_the_prior_in_closed_form() -> None:
    for members in (MEMBERS, ("model", "market", "R0")):
        found = pool_weights(pd.DataFrame(), members)
        law = stats.beta(4, 4 * (len(members) - 1))
        assert (found.n, found.clusters) == (0, 0)
        for w in found.weights:
            assert w.mean == w.prior_mean == pytest.approx(1 / len(members))
            assert (w.lower, w.upper) == (w.prior_lower, w.prior_upper) == pytest.approx(law.interval(0.9))


def test_the_weights_are_those_of_quadrature() -> None:
    p, y = world(5, 30, model=0.2, market=0.8)
    held = {name: np.clip(values, 0.005, 0.995) for name, values in p.items()}
    logits = {name: np.log(values / (1 - values)) for name, values in held.items()}

    def density(w: float) -> float:
        pooled = w * logits["model"] + (1 - w) * logits["market"]
        return float(stats.beta.pdf(w, 4, 4) * np.prod(stats.logistic.cdf((2 * y - 1) * pooled) ** power))

    found = pool_weights(scored(p, y), MEMBERS)
    power = found.n_eff / found.n
    mean = integrate.quad(lambda w: w * density(w), 0, 1)[0] / integrate.quad(density, 0, 1)[0]
    assert found.weights[0].mean == pytest.approx(mean, abs=0.01)
    assert found.weights[0].mean + found.weights[1].mean == pytest.approx(1)
    assert 0 < found.effective_draws <= 4000


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_true_weights_are_found_where_there_is_much_to_learn_from(share: float) -> None:
    p, y = world(2, 3000, model=share, market=1 - share)
    own = pool_weights(scored(p, y), MEMBERS).weights[0]
    assert own.lower - 0.03 < share < own.upper + 0.03
    assert own.upper - own.lower < 0.2 < own.prior_upper - own.prior_lower


def test_pairs_that_one_event_settles_move_the_weights_as_one_pair_does() -> None:
    p = {"model": np.full(50, 0.9), "market": np.full(50, 0.1)}
    y = np.ones(50)
    together = pool_weights(scored(p, y, np.zeros(50)), MEMBERS)
    one = pool_weights(scored({k: v[:1] for k, v in p.items()}, y[:1]), MEMBERS)
    assert (together.n, together.clusters, together.n_eff) == (50, 1, 1.0)
    assert together.weights[0].mean == pytest.approx(one.weights[0].mean)
    assert pool_weights(scored(p, y), MEMBERS).weights[0].mean > one.weights[0].mean + 0.1


def test_a_model_that_adds_is_told_from_one_that_does_not() -> None:
    adds, y = world(7, 400, model=0.6, market=0.8)
    found = encompassing(scored(adds, y), model="model", market="market")
    assert found.lower < 0.6 < found.upper
    assert found.positive > 0.99
    noise, y = world(8, 400, model=0.0, market=1.0)
    found = encompassing(scored(noise, y), model="model", market="market")
    assert found.lower < 0 < found.upper
    assert 0.02 < found.positive < 0.98


def test_one_pair_hardly_moves_the_test_from_its_prior() -> None:
    rows = scored({"model": np.array([0.5]), "market": np.array([0.2])}, np.array([1.0]))
    found = encompassing(rows, model="model", market="market")  # even odds have no say: the coefficient keeps its prior
    assert found.mean == pytest.approx(0, abs=1e-6)
    assert (found.lower, found.upper) == pytest.approx(stats.norm(0, 0.5).interval(0.9), abs=5e-3)
    assert found.positive == pytest.approx(0.5, abs=1e-6)
    assert (found.prior_mean, found.prior_positive) == (0.0, 0.5)
    assert (found.prior_lower, found.prior_upper) == pytest.approx(stats.norm(0, 0.5).interval(0.9))


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0, 1))
def test_a_pool_is_the_normalised_product_of_powers(p: float, q: float, w: float) -> None:
    yes, no = p**w * q ** (1 - w), (1 - p) ** w * (1 - q) ** (1 - w)
    assert log_pool(p, q, weight=w) == pytest.approx(yes / (yes + no), abs=1e-12)
