"""A PyMC model as compiled functions of one flat vector, with the data passed in at every call.

PyTensor caches a whole numba function on disk, and nutpie samples from Python functions; joined, they start in seconds
where nutpie's own compilation, which relinks everything in every process, took half a minute. The functions are jitted
without the GIL, so chains run side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.inference.runtime import prepare_pytensor

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a value variable lies in the flat vector."""

    name: str
    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """First index after it."""
        return self.start + int(np.prod(self.shape))


@dataclass(frozen=True, slots=True)
class Flat:
    """All but some of a model's value variables, as one vector.

    Attributes
    ----------
    vector
        The vector, symbolic.
    pieces
        What lies where in it.
    start
        The model's initial point.
    replacements
        Value variable to its part of the vector.
    """

    vector: Any
    pieces: tuple[Piece, ...]
    start: np.ndarray
    replacements: dict[Any, Any]

    def named(self, name: str) -> Any:
        """Return the part of the vector that holds a value variable."""
        return next(part for value, part in self.replacements.items() if value.name == name)

    def name_of(self, element: int) -> str:
        """Return the name of the value variable that an element belongs to, and its index in it if it has many."""
        piece = next(p for p in self.pieces if p.start <= element < p.stop)
        return piece.name if piece.shape == () else f"{piece.name}[{element - piece.start}]"

    def __call__(self, *graphs: Any) -> list[Any]:
        """Rewrite graphs over value variables as graphs over the vector."""
        from pytensor.graph.replace import clone_replace

        return clone_replace(list(graphs), self.replacements, rebuild_strict=False)


def flatten(model: Any, *, without: tuple[Any, ...] = ()) -> Flat:
    """Lay a model's value variables, ``without`` some, end to end in one vector."""
    import pytensor.tensor as pt

    point = model.initial_point()
    values = [v for v in model.value_vars if v not in without]
    size = sum(int(np.size(point[v.name])) for v in values)
    vector = pt.tensor("flat", dtype="float64", shape=(size,))
    pieces, replacements, start = [], {}, 0
    for value in values:
        piece = Piece(value.name, start, np.shape(point[value.name]))
        replacements[value] = pt.reshape(vector[piece.start : piece.stop], piece.shape)
        pieces.append(piece)
        start = piece.stop
    flat = np.concatenate([np.ravel(point[v.name]) for v in values])
    return Flat(vector, tuple(pieces), flat, replacements)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A jitted function of some arrays and the model's data; safe to call from several threads at once."""

    function: Any
    data: tuple[str, ...]
    dtypes: tuple[str, ...]

    def __call__(self, *arrays: Any, data: tuple[np.ndarray, ...]) -> Any:
        """Evaluate at ``arrays``, given the data as :meth:`arrange` returns them."""
        return self.function(*arrays, *data)

    def arrange(self, data: Arrays) -> tuple[np.ndarray, ...]:
        """Return data arrays in the order and of the type in which the function takes them."""
        return tuple(np.ascontiguousarray(data[n], dtype=t) for n, t in zip(self.data, self.dtypes, strict=True))


def compile_graph(inputs: list[Any], outputs: list[Any]) -> Compiled:
    """Compile graphs with PyTensor's numba backend, from its disk cache where they are known."""
    prepare_pytensor()
    import pymc  # noqa: F401  # registers the rewrite that drops the checks of parameters
    import pytensor
    from pytensor.compile.mode import get_mode
    from pytensor.link.numba.dispatch.basic import numba_njit

    mode = get_mode("NUMBA").including("local_remove_check_parameter")
    function = pytensor.function(inputs, outputs, mode=mode, on_unused_input="ignore")
    shared = function.get_shared()
    jitted = numba_njit(function.vm.jit_fn.py_func, final_function=True, cache=True, nogil=True)
    return Compiled(jitted, tuple(s.name for s in shared), tuple(s.type.dtype for s in shared))
