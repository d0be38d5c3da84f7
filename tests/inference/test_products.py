from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.link.numba.dispatch.basic import numba_funcify_default_op_cache_key
from pytensor.tensor.math import Dot

from forecast.inference.runtime import prepare_pytensor

RNG = np.random.default_rng(5)
WIDE, TALL = RNG.normal(size=(12, 20)), RNG.normal(size=(20, 14))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (WIDE, TALL),
        (np.asfortranarray(WIDE), TALL.T.copy().T),
        (WIDE[::2, ::-3], TALL[5:12]),
        (WIDE[:1], TALL[:, :1]),
        (WIDE[:0], TALL),
        (WIDE[:, :0], TALL[:0]),
    ],
    ids=["rows", "columns", "strided", "one by one", "no rows", "nothing to sum"],
)
def test_products_are_those_of_numpy_whatever_the_layout(x: np.ndarray, y: np.ndarray, dtype: str) -> None:
    prepare_pytensor()
    a, b = pt.matrix("a", dtype=dtype), pt.matrix("b", dtype=dtype)
    got = pytensor.function([a, b], a @ b, mode="NUMBA")(x.astype(dtype), y.astype(dtype))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, x @ y, rtol=1e-12 if dtype == "float64" else 1e-4, atol=1e-6)


@pytest.mark.parametrize(("dtype", "whose"), [("float64", "forecast"), ("int64", "pytensor")])
def test_ours_are_compiled_for_floats_and_pytensors_for_the_rest(dtype: str, whose: str) -> None:
    prepare_pytensor()
    node = pt.dot(pt.matrix(dtype=dtype), pt.matrix(dtype=dtype)).owner
    compiled: Any = numba_funcify_default_op_cache_key.dispatch(Dot)(node.op, node)
    function, _version = compiled
    assert function.py_func.__module__.split(".")[0] == whose
