import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.hierarchical import SCALES, hierarchical_difference


def planted(rng: np.random.Generator, mean: float, *, groups: int = 25, size: int = 8) -> pd.DataFrame:
    """Differences about a mean, with events and leads of their own and heavy tails."""
    cluster = np.repeat(np.arange(groups), size)
    band = np.tile(["2-6", "6-13", "13-26", "26-52"], groups * size // 4)
    by_band = dict(zip(["2-6", "6-13", "13-26", "26-52"], rng.normal(0, 0.02, 4), strict=True))
    by_band = {b: v - np.mean(list(by_band.values())) for b, v in by_band.items()}
    noise = 0.08 * rng.standard_t(5, len(cluster))
    values = mean + rng.normal(0, 0.1, groups)[cluster] + np.array([by_band[b] for b in band]) + noise
    ids = [f"event:{c}" for c in cluster]
    return pd.DataFrame({"case": "tiny", "cluster": ids, "band": band, "difference": values})


def history(rng: np.random.Generator, *, groups: int = 24, size: int = 10) -> tuple[pd.DataFrame, float]:
    """Rare events that settle ten questions each; forecaster B is biased. Differences, and their expectation."""
    event = np.repeat(np.arange(groups), size)
    truth = 1 / (1 + np.exp(1.5 - 0.8 * rng.standard_normal(groups)))
    came = rng.random(groups) < truth
    logit = np.log(truth / (1 - truth))
    errors = 0.3 * rng.standard_normal((2, groups))[:, event] + 0.2 * rng.standard_normal((2, groups * size))
    p = 1 / (1 + np.exp(-(logit[event] + errors + np.array([[0.0], [0.7]]))))
    yes, no = -np.log(p[0] / p[1]), -np.log((1 - p[0]) / (1 - p[1]))
    band = rng.choice(["2-6", "6-13", "13-26", "26-52"], len(event))
    ids = [f"event:{e}" for e in event]
    rows = {"case": "tiny", "cluster": ids, "band": band, "difference": np.where(came[event], yes, no)}
    return pd.DataFrame(rows), float((truth[event] * yes + (1 - truth[event]) * no).mean())


def quiet_years(rng: np.random.Generator) -> tuple[pd.DataFrame, float]:
    """An event or none a quarter, with ten questions; A says 0.30, B 0.15, and it comes with 0.2. What is expected.

    A quarter with an event is a cluster of its own, those without it are one cluster a year.
    """
    p, a, b = 0.2, 0.30, 0.15
    yes, no = -np.log(a / b), -np.log((1 - a) / (1 - b))
    rows = []
    for quarter in range(32):
        came = rng.random() < p
        cluster = f"event:{quarter}" if came else f"quiet:{2018 + quarter // 4}"
        for band in ["2-6", "6-13"] * 5:
            difference = (yes if came else no) + 0.05 * rng.standard_normal()
            rows.append({"case": "tiny", "cluster": cluster, "band": band, "difference": difference})
    return pd.DataFrame(rows), p * yes + (1 - p) * no


@pytest.mark.slow
def test_a_planted_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(2)
    better = hierarchical_difference(planted(rng, -0.12), scale=SCALES["log"])
    assert better.sound
    assert better.lower < -0.12 < better.upper < 0
    assert better.p_a_better > 0.99
    assert better.between_clusters == pytest.approx(0.1, abs=0.04)
    same = hierarchical_difference(planted(rng, 0.0), scale=SCALES["log"])
    assert same.sound
    assert same.lower < 0 < same.upper
    assert 0.02 < same.p_a_better < 0.98


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_nine_times_in_ten() -> None:
    """Log scores of binary questions: differences are skewed, and the model is not theirs."""
    rng = np.random.default_rng(3)
    true = np.mean([history(rng)[1] for _ in range(3000)])
    found = [hierarchical_difference(history(rng)[0], scale=SCALES["log"], seed=k) for k in range(20)]
    assert np.mean([f.lower < true < f.upper for f in found]) >= 0.75
    assert np.mean([f.mean for f in found]) == pytest.approx(true, abs=0.03)
    assert all(f.sound for f in found)


@pytest.mark.slow
def test_events_that_come_weigh_no_more_than_years_in_which_none_does() -> None:
    """The mean over clusters would have the one who says more ahead by 0.2 or so, whoever is right."""
    rng = np.random.default_rng(8)
    drawn = [quiet_years(rng) for _ in range(12)]
    true = drawn[0][1]
    by_cluster = [rows.groupby("cluster")["difference"].mean().mean() for rows, _ in drawn]
    assert np.mean(by_cluster) < true - 0.1
    found = [hierarchical_difference(rows, scale=SCALES["log"], seed=k) for k, (rows, _) in enumerate(drawn)]
    assert all(f.sound for f in found)
    assert np.mean([f.mean for f in found]) == pytest.approx(true, abs=0.05)
    assert np.mean([f.lower < true < f.upper for f in found]) >= 0.75


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 8])
def test_where_events_do_not_matter_it_is_the_mean_of_independent_differences(size: int) -> None:
    """Of one question each, or of eight that have nothing in common: the error of the mean by the plain formula."""
    rng = np.random.default_rng(6)
    rows = planted(rng, 0.0, groups=80 // size, size=size)
    rows["difference"] = 0.03 + 0.1 * rng.standard_normal(80)
    found = hierarchical_difference(rows, scale=0.3)
    assert found.sound
    error = rows["difference"].std(ddof=1) / np.sqrt(80)
    assert found.mean == pytest.approx(rows["difference"].mean(), abs=0.5 * error)
    assert found.upper - found.lower == pytest.approx(2 * 1.66 * error, rel=0.35)


@pytest.mark.slow
def test_many_balanced_events_give_what_analysis_of_variance_gives() -> None:
    """Where the prior hardly matters: mean and t interval of the clusters' means."""
    rng = np.random.default_rng(4)
    rows = planted(rng, -0.08, groups=60)
    means = rows.groupby("cluster")["difference"].mean()
    error = means.std(ddof=1) / np.sqrt(60)
    found = hierarchical_difference(rows, scale=0.3)
    assert found.mean == pytest.approx(means.mean(), abs=0.5 * error)
    assert found.upper - found.lower == pytest.approx(2 * 1.67 * error, rel=0.25)
