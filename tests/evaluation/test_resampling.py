import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import ScoreError
from forecast.evaluation.resampling import bootstrap_means, design_effect, interval
from tests.evaluation.given import dependent


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_design_effect_of_a_simulation_with_a_known_one_comes_back(share: float) -> None:
    rng = np.random.default_rng(1)
    found = [design_effect(*dependent(rng, groups=60, size=8, share=share)).deff for _ in range(60)]
    assert np.mean(found) == pytest.approx(1 + 7 * share, rel=0.08)


def test_what_independent_questions_are_worth() -> None:
    effect = design_effect(np.random.default_rng(2).standard_normal(400), [f"q{k}" for k in range(400)])
    assert (effect.n, effect.clusters) == (400, 400)
    assert effect.n_eff == pytest.approx(400, rel=0.01)


def test_copies_are_worth_one() -> None:
    values = np.repeat(np.random.default_rng(6).random(40), 10)
    effect = design_effect(values, np.repeat([f"event:{k}" for k in range(40)], 10))
    assert effect.n_eff == pytest.approx(40, rel=0.03)
    assert design_effect([0.3, 0.3, 0.3, 0.3], ["a", "a", "a", "b"]).n_eff == pytest.approx(16 / 10)


def test_one_event_is_one_piece_of_evidence() -> None:
    effect = design_effect([0.1, 0.5, 0.9], ["a", "a", "a"])
    assert (effect.clusters, effect.n_eff) == (1, 1.0)
    assert np.isnan(interval(bootstrap_means([0.1, 0.5, 0.9], ["a", "a", "a"]))).all()


def test_the_cluster_bootstrap_covers_where_one_by_question_does_not() -> None:
    """Design effect 4.5: intervals that forget it would be less than half as wide as they should be."""
    rng = np.random.default_rng(3)
    covered, forgotten = [], []
    for k in range(200):
        values, ids = dependent(rng, groups=30, size=8, share=0.5)
        lower, upper = interval(bootstrap_means(values, ids, seed=k, resamples=500))
        covered.append(lower <= 0 <= upper)
        lower, upper = interval(bootstrap_means(values, [str(i) for i in range(len(values))], seed=k, resamples=500))
        forgotten.append(lower <= 0 <= upper)
    assert np.mean(covered) == pytest.approx(0.9, abs=0.06)
    assert np.mean(forgotten) < 0.7


def test_the_spread_of_the_bootstrap_is_the_clustered_error_of_the_mean() -> None:
    values, ids = dependent(np.random.default_rng(4), groups=50, size=5, share=0.4)
    effect = design_effect(values, ids)
    error = np.sqrt(effect.deff * values.var(ddof=1) / effect.n)
    assert bootstrap_means(values, ids).std() == pytest.approx(error, rel=0.06)


def test_columns_are_drawn_together_and_a_seed_repeats() -> None:
    values, ids = dependent(np.random.default_rng(5), groups=12, size=3, share=0.3)
    both = bootstrap_means(np.stack([values, 2 * values + 1], axis=1), ids, seed=9)
    np.testing.assert_allclose(both[:, 1], 2 * both[:, 0] + 1)
    np.testing.assert_allclose(both[:, 0], bootstrap_means(values, ids, seed=9))
    assert not np.allclose(both[:, 0], bootstrap_means(values, ids, seed=10))


@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from("abcde")), min_size=1, max_size=30))
def test_n_eff_lies_between_nothing_and_n_and_means_between_the_extremes(rows: list[tuple[float, str]]) -> None:
    values, ids = [v for v, _ in rows], [c for _, c in rows]
    effect = design_effect(values, ids)
    assert 0 < effect.n_eff <= effect.n == len(rows)
    means = bootstrap_means(values, ids, resamples=50)
    if effect.clusters > 1:
        assert min(values) - 1e-9 <= means.min() <= means.max() <= max(values) + 1e-9


@pytest.mark.parametrize(("values", "ids"), [([], []), ([0.1], ["a", "b"]), ([float("nan")], ["a"])])
def test_values_that_cannot_be_averaged_are_refused(values: list[float], ids: list[str]) -> None:
    for function in (design_effect, bootstrap_means):
        with pytest.raises(ScoreError, match="a cluster for each"):
            function(values, ids)
