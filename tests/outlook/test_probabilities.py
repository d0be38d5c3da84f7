import numpy as np
import pytest
from scipy import stats

from forecast.outlook.paths import Paths
from forecast.outlook.probabilities import INTERVAL, spread, summarise

TAILS = [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]


def observed(per_draw: np.ndarray, paths: int, seed: int = 1) -> np.ndarray:
    """Whether an event came, on so many paths a draw, each draw with its own probability [draw, path]."""
    return np.random.default_rng(seed).random((len(per_draw), paths)) < per_draw[:, None]


def chains(n: int, draws: int) -> Paths:
    nothing = np.zeros((1, n * draws, 1), dtype=np.int8)
    return Paths(nothing, nothing, n, draws)


@pytest.mark.parametrize("paths", [20, 40, 400])
@pytest.mark.parametrize(("a", "b"), [(8, 12), (3, 5), (30, 20), (20, 60), (1, 19)])
def test_the_spread_is_that_of_the_probability_without_the_noise_of_finitely_many_paths(
    a: int, b: int, paths: int
) -> None:
    """A Beta's bounds come back from binomial counts; the raw counts' own bounds would be too wide."""
    g = stats.beta(a, b).rvs(4000, random_state=np.random.default_rng(2))
    came = observed(g, paths)
    found, true = np.array(spread(came)), stats.beta(a, b).ppf(TAILS)
    width = true[1] - true[0]
    assert np.abs(found - true).max() < 0.07 * width
    raw = np.quantile(came.mean(axis=1), TAILS)
    noisy = np.sqrt(1 + stats.beta(a, b).mean() * (1 - stats.beta(a, b).mean()) / paths / stats.beta(a, b).var())
    if noisy > 1.15:
        assert raw[1] - raw[0] > 1.1 * width


def test_a_probability_that_is_certain_of_itself_has_hardly_any_spread() -> None:
    came = observed(np.full(4000, 0.3), 40)
    lower, upper = spread(came)
    assert upper - lower < 0.06  # the counts' own interval is 0.25 wide
    assert lower <= came.mean() <= upper


@pytest.mark.parametrize("value", [False, True])
def test_what_never_or_always_happens_has_no_spread(*, value: bool) -> None:
    came = np.full((400, 10), value)
    assert spread(came) == (float(value), float(value))
    p = summarise(chains(4, 100), came)
    assert (p.mean, p.mcse, p.r_hat, p.ess) == (float(value), 0.0, 1.0, 400.0)


def test_one_path_a_draw_says_nothing_of_the_spread() -> None:
    lower, upper = spread(observed(np.full(500, 0.4), 1))
    assert 0 <= lower <= upper <= 1


def test_bounds_stay_between_nothing_and_all() -> None:
    rare = stats.beta(0.3, 30).rvs(2000, random_state=np.random.default_rng(3))
    lower, upper = spread(observed(rare, 40))
    assert 0 <= lower < rare.mean() < upper < 0.2


def test_the_monte_carlo_error_is_what_repeating_would_show() -> None:
    g = stats.beta(4, 6).rvs((200, 1000), random_state=np.random.default_rng(4))
    means, errors = [], []
    for k in range(200):
        p = summarise(chains(4, 250), observed(g[k], 40, seed=k))
        means.append(p.mean)
        errors.append(p.mcse)
    assert np.std(means) == pytest.approx(np.mean(errors), rel=0.2)
    assert np.mean(means) == pytest.approx(0.4, abs=4 * np.mean(errors) / np.sqrt(200))


def test_chains_that_disagree_about_a_probability_are_seen() -> None:
    rng = np.random.default_rng(5)
    agreeing = stats.beta(4, 6).rvs(1000, random_state=rng)
    apart = agreeing * np.repeat([1.0, 1.0, 1.0, 0.5], 250)
    assert summarise(chains(4, 250), observed(agreeing, 100)).r_hat < 1.02
    assert summarise(chains(4, 250), observed(apart, 100)).r_hat > 1.1


def test_draws_that_crawl_are_worth_fewer() -> None:
    rng = np.random.default_rng(6)
    walk = np.zeros((4, 500))
    for t in range(1, 500):
        walk[:, t] = 0.95 * walk[:, t - 1] + rng.normal(0, 0.3, 4)
    p = summarise(chains(4, 500), observed(stats.norm.cdf(walk.ravel()), 200))
    assert p.ess < 300
    independent = summarise(chains(4, 500), observed(stats.norm.cdf(rng.standard_normal(2000)), 200))
    assert independent.ess > 1200
    assert p.mcse > 2 * independent.mcse
