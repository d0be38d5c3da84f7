import numpy as np
import pytest
from scipy import stats

from forecast.models.states import draw_paths, path_logp, path_precision

WEEKS, STATES = 6, 2


def law(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(0.2, 0.95, (WEEKS, STATES)), rng.uniform(0.3, 1.2, (WEEKS, STATES))


def covariance(persistence: np.ndarray, innovation: np.ndarray) -> np.ndarray:
    """Covariance of one path, by writing it as a sum of its innovations."""
    into = np.eye(WEEKS)
    for t in range(1, WEEKS):
        into[t] += persistence[t] * into[t - 1]
    return np.asarray((into * innovation**2) @ into.T)


def test_the_density_and_the_precision_are_those_of_the_multivariate_normal() -> None:
    import pytensor.tensor as pt

    rng = np.random.default_rng(2)
    persistence, innovation = law(rng)
    paths = rng.normal(size=(WEEKS, STATES))
    given = [pt.as_tensor(a) for a in (paths, persistence, innovation)]
    diagonal, between = (part.eval() for part in path_precision(*given[1:]))
    expected = 0.0
    for k in range(STATES):
        of = covariance(persistence[:, k], innovation[:, k])
        expected += stats.multivariate_normal(cov=of).logpdf(paths[:, k])
        precision = np.linalg.inv(of)
        np.testing.assert_allclose(diagonal[:, k], np.diag(precision))
        np.testing.assert_allclose(between[1:, k], np.diag(precision, -1))
    assert path_logp(*given).eval() == pytest.approx(expected)
    assert not between[0].any()


def test_drawn_paths_have_the_covariance_of_their_law() -> None:
    persistence, innovation = law(np.random.default_rng(4))
    drawn = draw_paths(persistence, innovation, rng=np.random.default_rng(5), size=(40_000,))
    for k in range(STATES):
        found = np.cov(drawn[:, :, k].T)
        np.testing.assert_allclose(found, covariance(persistence[:, k], innovation[:, k]), atol=0.05)
