"""Matrix products that compile quickly: importing this replaces PyTensor's numba code for them, in this process.

PyTensor 3.3 compiles a call of BLAS that is ready for every layout at run time, anew for each pair of kinds of arrays:
with it a rung takes more than three times as long to compile (ARCHITECTURE.md, the engine, 10). Numba's own ``np.dot``
calls the same BLAS on contiguous arrays, and to copy the small matrices of our models costs nothing that a gradient
would show.
"""

from typing import Any

import numpy as np
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.link.numba.dispatch.elemwise import numba_funcify_Dot
from pytensor.tensor.math import Dot

_CACHE_VERSION = 2_026_112_301  # tells our code from PyTensor's in its disk cache: no version that it will ever reach


@register_funcify_default_op_cache_key(Dot)  # type: ignore[untyped-decorator]
def product_of(op: Any, node: Any, **given: Any) -> Any:
    """Return the function for a product of two matrices, and its version; PyTensor's own if they are not all floats."""
    dtypes = {v.type.dtype for v in (*node.inputs, *node.outputs)}
    if dtypes not in ({"float64"}, {"float32"}):
        return numba_funcify_Dot(op, node, **given)

    @numba_njit
    def product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.dot(np.ascontiguousarray(x), np.ascontiguousarray(y))

    return product, _CACHE_VERSION
