"""The law of the latent weekly paths: independent first-order autoregressions, one a column.

    z[t] = persistence[t] * z[t - 1] + innovation[t] * e[t],   e ~ Normal(0, 1),   z[-1] = 0,

so that ``innovation[0]`` is the standard deviation of the first week. Persistence may change from week to week:
fighting teaches, and misperception fades faster in its weeks.
"""

from typing import Any

import numpy as np


def path_logp(states: Any, persistence: Any, innovation: Any) -> Any:
    """Log density of paths [week, state] (all three arguments have that shape)."""
    import pytensor.tensor as pt

    before = pt.concatenate([pt.zeros_like(states[:1]), states[:-1]], axis=0)
    scaled = (states - persistence * before) / innovation
    return -0.5 * (scaled**2).sum() - pt.log(innovation).sum() - 0.5 * np.log(2.0 * np.pi) * states.size


def path_precision(persistence: Any, innovation: Any) -> tuple[Any, Any]:
    """Precision of the paths: the diagonal, and the element between a week and the one before, both [week, state].

    Row 0 of the second is without meaning (the first week has none before) and set to zero.
    """
    import pytensor.tensor as pt

    power = innovation**-2
    into = persistence**2 * power
    diagonal = power + pt.concatenate([into[1:], pt.zeros_like(into[:1])], axis=0)
    between = pt.set_subtensor((-persistence * power)[0], 0.0)
    return diagonal, between


def declare_states(name: str, persistence: Any, innovation: Any, *, dims: tuple[str, str]) -> Any:
    """Declare the paths as a variable of the current PyMC model [week, state]."""
    import pymc as pm

    return pm.CustomDist(
        name,
        persistence,
        innovation,
        logp=path_logp,
        random=draw_paths,
        signature="(t,k),(t,k)->(t,k)",
        shape=persistence.type.shape,
        dims=dims,
    )


def draw_paths(persistence: Any, innovation: Any, rng: Any = None, size: Any = None) -> np.ndarray:
    """Draw paths [..., week, state] from their law; arguments broadcast over leading dimensions."""
    rng = np.random.default_rng(rng)
    shape = np.broadcast_shapes(np.shape(persistence), np.shape(innovation))
    noise = innovation * rng.standard_normal(shape if size is None else (*size, *shape[-2:]))
    paths = np.empty_like(noise)
    state = np.zeros(noise.shape[:-2] + noise.shape[-1:])
    for week in range(noise.shape[-2]):
        state = np.asarray(persistence)[..., week, :] * state + noise[..., week, :]
        paths[..., week, :] = state
    return paths
