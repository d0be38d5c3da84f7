"""Symmetric positive definite band matrices as PyTensor operations: factor, solve, log-determinant, in linear time.

A matrix of ``n`` rows and half-bandwidth ``b`` is held as its lower band [n, b + 1]: ``band[i, d]`` is the element in
row ``i`` and column ``i - d`` (zero where ``i < d``). The weeks of a latent path give such a matrix: every week meets
only itself and its neighbours. PyTensor has no band algebra of its own; these four loops are all that is needed.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor import as_tensor, dscalar, dvector


@dataclass(frozen=True, slots=True)
class Kernels:
    """The four loops for one bandwidth, each a closure over it."""

    factor: Any
    solve_lower: Any
    solve_upper: Any
    inverse: Any


@cache
def kernels(width: int) -> Kernels:
    """Return the loops for bands of ``width`` columns: a constant in their code, so that LLVM unrolls the inner ones.

    ``factor(band)`` gives the lower Cholesky factor as a band, NaN throughout if the matrix is not positive definite.
    ``solve_lower(lower, right)`` and ``solve_upper(lower, right)`` solve with the factor and its transpose.
    ``inverse(lower)`` gives the elements of the inverse that lie inside the band (Takahashi et al., 1973): from the
    last row up, ``S[i, j] = [i == j] / L[i, i]^2 - sum_{k > i} L[k, i] S[k, j] / L[i, i]``, and every S that the sum
    asks for lies inside the band.
    """
    return Kernels(_factor(width), *_solves(width), _inverse(width))


def _factor(width: int) -> Any:
    most = width - 1

    @njit(nogil=True, error_model="numpy")
    def factor(band: np.ndarray) -> np.ndarray:
        n = band.shape[0]
        padded = np.zeros((n + most, width))  # rows above the first, so that no index needs a check
        for i in range(n):
            for d in range(most, 0, -1):
                total = band[i, d]
                for k in range(1, width - d):
                    total -= padded[most + i, d + k] * padded[most + i - d, k]
                pivot = padded[most + i - d, 0]
                padded[most + i, d] = total / pivot if pivot > 0.0 else 0.0
            total = band[i, 0]
            for k in range(1, width):
                total -= padded[most + i, k] * padded[most + i, k]
            padded[most + i, 0] = np.sqrt(total)
            if not total > 0.0:
                padded[:] = np.nan
                break
        return padded[most:].copy()

    return factor


def _solves(width: int) -> tuple[Any, Any]:
    most = width - 1

    @njit(nogil=True, error_model="numpy")
    def solve_lower(lower: np.ndarray, right: np.ndarray) -> np.ndarray:
        n = lower.shape[0]
        padded = np.zeros(n + most)
        for i in range(n):
            total = right[i]
            for d in range(1, width):
                total -= lower[i, d] * padded[most + i - d]
            padded[most + i] = total / lower[i, 0]
        return padded[most:].copy()

    @njit(nogil=True, error_model="numpy")
    def solve_upper(lower: np.ndarray, right: np.ndarray) -> np.ndarray:
        n = lower.shape[0]
        padded = np.zeros(n + most)
        padded[most:] = right
        for i in range(n - 1, -1, -1):
            x = padded[most + i] / lower[i, 0]
            padded[most + i] = x
            for d in range(1, width):
                padded[most + i - d] -= lower[i, d] * x
        return padded[most:].copy()

    return solve_lower, solve_upper


def _inverse(width: int) -> Any:
    most = width - 1

    @njit(nogil=True, error_model="numpy")
    def inverse(lower: np.ndarray) -> np.ndarray:
        n = lower.shape[0]
        inside = np.zeros((n + most, width))  # rows below the last
        below = np.zeros(width)
        for i in range(n - 1, -1, -1):
            for k in range(1, width):
                below[k] = lower[i + k, k] if i + k < n else 0.0
            for j in range(most, -1, -1):
                total = 0.0
                for k in range(1, width):
                    total += below[k] * (inside[i + k, k - j] if k >= j else inside[i + j, j - k])
                value = -total / lower[i, 0]
                if j == 0:
                    value += 1.0 / (lower[i, 0] * lower[i, 0])
                inside[i + j, j] = value if i + j < n else 0.0
        return inside[:n].copy()

    return inverse


class BandedCholesky(Op):
    """Lower Cholesky factor of a band matrix; gradients go through :func:`log_determinant` and :func:`banded_solve`."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> "Apply[Any]":
        """One band in, one band out."""
        band = as_tensor(inputs[0])
        return Apply(self, [band], [band.type()])

    def perform(self, _node: "Apply[Any]", inputs: Any, outputs: Any) -> None:
        """Factor with the same loop that the compiled graph uses."""
        outputs[0][0] = kernels(inputs[0].shape[1]).factor(inputs[0])

    def infer_shape(self, _node: "Apply[Any]", shapes: Any) -> Any:
        """The factor has the shape of the matrix."""
        return shapes


class BandedInverse(Op):
    """Band of the inverse, from the factor."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> "Apply[Any]":
        """One band in, one band out."""
        lower = as_tensor(inputs[0])
        return Apply(self, [lower], [lower.type()])

    def perform(self, _node: "Apply[Any]", inputs: Any, outputs: Any) -> None:
        """Invert with the same loop that the compiled graph uses."""
        outputs[0][0] = kernels(inputs[0].shape[1]).inverse(inputs[0])

    def infer_shape(self, _node: "Apply[Any]", shapes: Any) -> Any:
        """The band of the inverse has the shape of the factor."""
        return shapes


class BandedSolve(Op):
    """Solve ``A x = right`` given the factor of A; differentiable in the right-hand side, with A held fixed."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> "Apply[Any]":
        """A band and a vector in, a vector out."""
        return Apply(self, [as_tensor(i) for i in inputs], [dvector()])

    def perform(self, _node: "Apply[Any]", inputs: Any, outputs: Any) -> None:
        """Two triangular solves."""
        of = kernels(inputs[0].shape[1])
        outputs[0][0] = of.solve_upper(inputs[0], of.solve_lower(*inputs))

    def infer_shape(self, _node: "Apply[Any]", shapes: Any) -> Any:
        """The solution has the shape of the right-hand side."""
        return [shapes[1]]

    def connection_pattern(self, _node: "Apply[Any]") -> list[list[bool]]:
        """No gradient flows into the factor."""
        return [[False], [True]]

    def pullback(self, inputs: Any, _outputs: Any, cotangents: Any) -> list[Any]:
        """A is symmetric, so the pullback solves with it once more."""
        return [DisconnectedType()(), self(inputs[0], cotangents[0])]


class BandedLogDeterminant(Op):
    """Log-determinant of a band matrix, given with its factor; NaN where it is not positive definite."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> "Apply[Any]":
        """Two bands in, a number out."""
        return Apply(self, [as_tensor(i) for i in inputs], [dscalar()])

    def perform(self, _node: "Apply[Any]", inputs: Any, outputs: Any) -> None:
        """Twice the sum of the logs of the factor's diagonal."""
        outputs[0][0] = np.asarray(2.0 * np.log(inputs[1][:, 0]).sum())

    def infer_shape(self, _node: "Apply[Any]", _shapes: Any) -> Any:
        """A number."""
        return [()]

    def connection_pattern(self, _node: "Apply[Any]") -> list[list[bool]]:
        """The gradient flows into the matrix; its factor only saves work."""
        return [[True], [False]]

    def pullback(self, inputs: Any, _outputs: Any, cotangents: Any) -> list[Any]:
        """D log|A| / dA is the inverse; elements off the diagonal stand for two."""
        width = inputs[0].type.shape[1]
        twice = np.concatenate([[1.0], np.full(width - 1, 2.0)])
        return [cotangents[0] * banded_inverse(inputs[1]) * twice, DisconnectedType()()]


def _width(node: "Apply[Any]") -> int:
    """Return the number of columns of a node's band, which must be known when it is compiled."""
    return int(node.inputs[0].type.shape[1])


@register_funcify_default_op_cache_key(BandedCholesky)
def _numba_cholesky(_op: BandedCholesky, node: "Apply[Any]", **_kwargs: Any) -> Any:
    factor = kernels(_width(node)).factor

    @numba_njit
    def banded_cholesky(band: np.ndarray) -> np.ndarray:
        return factor(band)

    return banded_cholesky, _width(node)


@register_funcify_default_op_cache_key(BandedInverse)
def _numba_inverse(_op: BandedInverse, node: "Apply[Any]", **_kwargs: Any) -> Any:
    inverse = kernels(_width(node)).inverse

    @numba_njit
    def banded_inverse(lower: np.ndarray) -> np.ndarray:
        return inverse(lower)

    return banded_inverse, _width(node)


@register_funcify_default_op_cache_key(BandedSolve)
def _numba_solve(_op: BandedSolve, node: "Apply[Any]", **_kwargs: Any) -> Any:
    of = kernels(_width(node))
    solve_lower, solve_upper = of.solve_lower, of.solve_upper

    @numba_njit
    def banded_solve(lower: np.ndarray, right: np.ndarray) -> np.ndarray:
        return solve_upper(lower, solve_lower(lower, right))

    return banded_solve, _width(node)


@register_funcify_default_op_cache_key(BandedLogDeterminant)
def _numba_log_determinant(_op: BandedLogDeterminant, **_kwargs: Any) -> Any:
    @numba_njit
    def banded_log_determinant(_band: np.ndarray, lower: np.ndarray) -> np.ndarray:
        return np.asarray(2.0 * np.log(lower[:, 0]).sum())

    return banded_log_determinant, 1


banded_cholesky: Any = BandedCholesky()
banded_inverse: Any = BandedInverse()
banded_solve: Any = BandedSolve()
banded_log_determinant: Any = BandedLogDeterminant()
