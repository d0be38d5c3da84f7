import numpy as np
import pytest
from scipy import linalg

from forecast.inference.banded import kernels


def random_band(n: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A positive definite band matrix, as a lower band."""
    band = rng.normal(size=(n, width))
    for d in range(width):
        band[:d, d] = 0.0
    band[:, 0] = 3.0 * width + np.abs(band[:, 0])
    return band


def dense(band: np.ndarray) -> np.ndarray:
    n, width = band.shape
    matrix = np.zeros((n, n))
    for i in range(n):
        for d in range(min(width, i + 1)):
            matrix[i, i - d] = matrix[i - d, i] = band[i, d]
    return matrix


@pytest.mark.parametrize(("n", "width"), [(7, 2), (30, 5), (41, 7)])
def test_the_loops_agree_with_dense_linear_algebra(n: int, width: int) -> None:
    rng = np.random.default_rng(width)
    band, of = random_band(n, width, rng), kernels(width)
    matrix, right = dense(band), rng.normal(size=n)
    lower = of.factor(band)
    expected = linalg.cholesky(matrix, lower=True)
    for d in range(width):
        np.testing.assert_allclose(lower[d:, d], np.diag(expected, -d), atol=1e-12)
    np.testing.assert_allclose(of.solve_lower(lower, right), linalg.solve_triangular(expected, right, lower=True))
    solved = of.solve_upper(lower, of.solve_lower(lower, right))
    np.testing.assert_allclose(solved, linalg.solve(matrix, right))
    inverse, inside = linalg.inv(matrix), of.inverse(lower)
    for d in range(width):
        np.testing.assert_allclose(inside[d:, d], np.diag(inverse, -d), atol=1e-12)


def test_a_matrix_that_is_not_positive_definite_gives_nan_rather_than_numbers() -> None:
    band = random_band(9, 3, np.random.default_rng(1))
    band[4, 0] = -1.0
    assert np.isnan(kernels(3).factor(band)).all()


@pytest.mark.slow
def test_the_gradient_of_the_log_determinant_is_the_inverse() -> None:
    import pytensor
    import pytensor.tensor as pt

    from forecast.inference.banded import banded_cholesky, banded_log_determinant, banded_solve

    rng = np.random.default_rng(3)
    value, right = random_band(12, 3, rng), rng.normal(size=12)
    band = pt.tensor("band", dtype="float64", shape=(12, 3))
    lower = banded_cholesky(band)
    found = banded_log_determinant(band, lower)
    outputs = [found, pt.grad(found, band), banded_solve(lower, pt.as_tensor(right))]
    for mode in ("FAST_COMPILE", "NUMBA"):
        log_determinant, gradient, solved = pytensor.function([band], outputs, mode=mode)(value)
        assert log_determinant == pytest.approx(np.linalg.slogdet(dense(value))[1])
        inverse = linalg.inv(dense(value))
        np.testing.assert_allclose(gradient[:, 0], np.diag(inverse))
        np.testing.assert_allclose(gradient[1:, 1], 2.0 * np.diag(inverse, -1))
        np.testing.assert_allclose(solved, inverse @ right)
