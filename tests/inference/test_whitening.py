from collections.abc import Callable

import numpy as np
import pytest

from forecast.errors import EngineError
from forecast.inference.whitening import FLATTEST, whiten

Density = Callable[[np.ndarray], tuple[float, np.ndarray]]
CENTRE = np.array([1.0, -2.0, 0.5])


def quadratic(curvature: np.ndarray) -> Callable[[], Density]:
    def density(x: np.ndarray) -> tuple[float, np.ndarray]:
        away = x - CENTRE
        return -0.5 * float(away @ curvature @ away), -curvature @ away

    return lambda: density


def name_of(element: int) -> str:
    return f"parameter {element}"


@pytest.fixture
def curvature() -> np.ndarray:
    root = np.random.default_rng(3).normal(size=(3, 3))
    return np.asarray(root @ root.T + np.eye(3))


def test_a_normal_density_becomes_a_standard_one(curvature: np.ndarray) -> None:
    whitening = whiten(quadratic(curvature), np.zeros(3), name_of)
    np.testing.assert_allclose(whitening.mode, CENTRE, atol=1e-4)
    np.testing.assert_allclose(whitening.spread @ whitening.spread.T, np.linalg.inv(curvature), rtol=1e-5)
    y = np.array([0.3, -1.0, 2.0])
    logp, gradient = whitening.density(quadratic(curvature)())(y)
    assert logp == pytest.approx(-0.5 * y @ y, abs=1e-3)
    np.testing.assert_allclose(gradient, -y, atol=1e-3)
    np.testing.assert_allclose(whitening.outward(np.zeros(3)), whitening.mode)


def test_a_direction_that_is_all_but_flat_is_not_stretched_without_end() -> None:
    whitening = whiten(quadratic(np.diag([4.0, 1.0, 1e-3])), CENTRE, name_of)
    np.testing.assert_allclose(np.diag(whitening.spread), [0.5, 1.0, FLATTEST**-0.5], rtol=1e-4)


def test_no_mode_is_an_error_that_names_the_parameter() -> None:
    def slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(-0.5 * x[0] ** 2 + 5.0 * x[1]), np.array([-x[0], 5.0])

    with pytest.raises(EngineError, match=r"does not converge, worst at parameter 1"):
        whiten(lambda: slope, np.zeros(2), name_of)


def test_a_saddle_is_no_mode() -> None:
    with pytest.raises(EngineError, match=r"curvature at the posterior's mode is not positive .* worst at parameter 2"):
        whiten(quadratic(np.diag([2.0, 1.0, -4.0])), CENTRE, name_of)


def test_no_digit_depends_on_how_many_threads_share_the_work(curvature: np.ndarray) -> None:
    """A density that remembers its last point, as a search that starts where it ended does, leaves no trace of it."""

    def remembering() -> Density:
        plain, last = quadratic(curvature)(), [np.zeros(3)]

        def density(x: np.ndarray) -> tuple[float, np.ndarray]:
            logp, gradient = plain(x)
            gradient = gradient + 1e-9 * (x - last[0])
            last[0] = x
            return logp, gradient

        return density

    one, two, three = (whiten(remembering, np.zeros(3), name_of, cores=cores) for cores in (1, 2, 3))
    for other in (two, three):
        np.testing.assert_array_equal(one.mode, other.mode)
        np.testing.assert_array_equal(one.spread, other.spread)
