"""Straighten a posterior before it is sampled: shift to its mode, turn and scale by its curvature there.

With the latent paths integrated out, what is left to sample is smooth and nearly normal, but loadings, noises and
levels lean on one another. In coordinates y with ``x = mode + spread @ y``, ``spread`` the symmetric inverse root of
the curvature at the mode, it is close to a standard normal, which needs neither long tuning nor short steps.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np

from forecast.errors import EngineError

Density = Callable[[np.ndarray], tuple[float, np.ndarray]]

STEP = 1e-3  # of the differences of gradients
FLATTEST = 0.3  # curvatures are raised to this: where priors are standard normals, less is an artefact of the mode
SLOPE = 1.0  # largest gradient that may be left at the mode, in units in which a standard normal's is its distance


@dataclass(frozen=True, slots=True)
class Whitening:
    """An affine change of coordinates, ``x = mode + spread @ y``."""

    mode: np.ndarray
    spread: np.ndarray

    def outward(self, y: np.ndarray) -> np.ndarray:
        """Return the sampler's vector for a whitened one."""
        return np.asarray(self.mode + self.spread @ y)

    def density(self, of: Density) -> Density:
        """Return a log density and its gradient as functions of y."""

        def whitened(y: np.ndarray) -> tuple[float, np.ndarray]:
            logp, gradient = of(self.outward(y))
            return logp, self.spread @ gradient

        return whitened


def whiten(
    density: Callable[[], Density], start: np.ndarray, name_of: Callable[[int], str], *, cores: int | None = None
) -> Whitening:
    """Find a density's mode and its curvature there.

    Parameters
    ----------
    density
        Makes a log density with its gradient, one for each thread.
    start
        Where the search starts [element].
    name_of
        What an element is called, for messages.
    cores
        Threads to use; None for one a processor. No number depends on it.

    Raises
    ------
    EngineError
        The search finds no mode, or the curvature there is not that of one; it names the parameter at fault.
    """
    from scipy.optimize import minimize

    of = density()

    def downhill(x: np.ndarray) -> tuple[float, np.ndarray]:
        logp, gradient = of(x)
        return -logp, -gradient

    found = minimize(downhill, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "maxcor": 30})
    steepest = int(np.argmax(np.abs(found.jac)))
    if not np.isfinite(found.fun) or not abs(found.jac[steepest]) < SLOPE:
        message = (
            f"the search for the posterior's mode does not converge, worst at {name_of(steepest)}; "
            "look at what the case says about it, or use R3"
        )
        raise EngineError(message)
    values, vectors = np.linalg.eigh(_curvature(density, found.x, cores or cpu_count() or 1))
    if not values[0] > -FLATTEST:
        worst = int(np.argmax(np.abs(vectors[:, 0])))
        message = (
            f"the curvature at the posterior's mode is not positive (smallest eigenvalue {values[0]:.3g}), worst at "
            f"{name_of(worst)}; look at what the case says about it, or use R3"
        )
        raise EngineError(message)
    return Whitening(found.x, vectors / np.sqrt(np.maximum(values, FLATTEST)) @ vectors.T)


def _curvature(density: Callable[[], Density], at: np.ndarray, threads: int) -> np.ndarray:
    """Minus the second derivatives of a log density [element, element], by central differences of its gradient."""

    def row(element: int) -> np.ndarray:
        # Afresh: a search for latents starts where the last one ended, and whose that was must not matter.
        of = density()
        of(at)
        step = np.zeros_like(at)
        step[element] = STEP
        return np.asarray((of(at - step)[1] - of(at + step)[1]) / (2.0 * STEP))

    def rows(block: np.ndarray) -> list[np.ndarray]:
        return [row(element) for element in block]

    blocks = np.array_split(np.arange(len(at)), threads)
    with ThreadPoolExecutor(len(blocks)) as pool:
        found = np.array([row for block in pool.map(rows, blocks) for row in block])
    return np.asarray(0.5 * (found + found.T))
