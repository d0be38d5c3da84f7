"""What a rung's posterior is to the sampler: a log density and its gradient over one flat vector.

Compiling costs more than sampling, so targets are kept for the life of the process by rung, shape and priors; another
as-of date is a swap of data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from forecast.errors import EngineError
from forecast.inference.compiled import Compiled, Flat, compile_graph, flatten
from forecast.inference.laplace import TOLERANCE, integrate_out
from forecast.inference.schema import VARIABLES
from forecast.models import History, Priors, Rung

Density = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Target:
    """A compiled posterior.

    Attributes
    ----------
    flat
        What lies where in the sampler's vector.
    density
        (vector) -> log density, gradient; of a rung with latents (vector, start) -> the same, then conditional mode
        and mean, Cholesky factor of the curvature and size of the last Newton step.
    expanded
        (vector) -> the variables of the posterior's schema.
    conditional
        (vector, states) -> log of the joint density but for what does not depend on the states; None for a rung without
        latents.
    dims, coords
        Of the schema's variables.
    states
        Weeks and latent paths; None without latents.
    """

    flat: Flat
    density: Compiled
    expanded: Compiled
    conditional: Compiled | None
    dims: dict[str, tuple[str, ...]]
    coords: dict[str, Any]
    states: tuple[int, int] | None

    def density_at(self, data: dict[str, np.ndarray]) -> Density:
        """Return the log density and its gradient given data, for use in one thread.

        With latents every call starts its search from the mode of the call before: neighbouring points have
        neighbouring modes. The sequence of calls of a chain is fixed by its seed, so draws still repeat to the bit.
        """
        arrays = self.density.arrange(data)
        if self.states is None:
            return lambda x: self._plain(x, arrays)
        start = [np.zeros(self.states)]

        def from_last_mode(x: np.ndarray) -> tuple[float, np.ndarray]:
            logp, gradient, mode, _mean, _lower, _last_step = self.latent_density(x, start[0], arrays)
            if not np.isfinite(logp):
                return -np.inf, np.zeros_like(x)
            start[0] = mode
            return float(logp), gradient

        return from_last_mode

    def latent_density(self, x: np.ndarray, start: np.ndarray, arrays: tuple[np.ndarray, ...]) -> Any:
        """Evaluate the density of a rung with latents; from zero if ``start`` leads nowhere, -inf if that does too."""
        found = self.density(x, start, data=arrays)
        if not found[-1] < TOLERANCE:
            found = self.density(x, np.zeros_like(start), data=arrays)
        return found if found[-1] < TOLERANCE else (-np.inf, *found[1:])

    def latents_at(
        self, x: np.ndarray, start: np.ndarray, arrays: tuple[np.ndarray, ...], *, what: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return mode and mean of the latents [week, state] and the curvature's factor; EngineError without a mode."""
        logp, _gradient, mode, mean, lower, _last_step = self.latent_density(x, start, arrays)
        if not np.isfinite(logp):
            message = (
                f"{what}: the search for the latents' mode does not converge; look at the values of leverage.toml's "
                "items, or use R3"
            )
            raise EngineError(message)
        return mode, mean, lower

    def _plain(self, x: np.ndarray, arrays: tuple[np.ndarray, ...]) -> tuple[float, np.ndarray]:
        logp, gradient = self.density(x, data=arrays)
        return float(logp), gradient

    def expand(self, flat: np.ndarray, data: dict[str, np.ndarray]) -> xr.Dataset:
        """Return the schema's variables for flat draws [chain, draw, element]."""
        arrays = self.expanded.arrange(data)
        rows = [self.expanded(x, data=arrays) for x in flat.reshape(-1, flat.shape[-1])]
        variables = {}
        for k, (name, dims) in enumerate(self.dims.items()):
            values = np.stack([np.asarray(row[k]) for row in rows])
            variables[name] = (("chain", "draw", *dims), values.reshape(*flat.shape[:2], *values.shape[1:]))
        used = {d for dims in self.dims.values() for d in dims}
        return xr.Dataset(variables, coords={d: c for d, c in self.coords.items() if d in used}).assign_coords(
            chain=np.arange(flat.shape[0]), draw=np.arange(flat.shape[1])
        )


_TARGETS: dict[tuple[Any, ...], Target] = {}


def target_of(rung: Rung, history: History, priors: Priors, *, say: Callable[[str], None]) -> Target:
    """Return the compiled target of a rung, from this process's memory if one of the same shape is there."""
    key = (rung.name, rung.shape(history), priors.digest())
    if key not in _TARGETS:
        say(f"compiling {rung.name} (minutes on a fresh machine, then seconds: PyTensor keeps what it compiled)")
        _TARGETS[key] = compile_target(rung, rung.build(priors, history))
    return _TARGETS[key]


def compile_target(rung: Rung, model: Any) -> Target:
    """Compile the posterior of a PyMC model that a rung has built."""
    from pymc.model.transform.optimization import freeze_dims_and_data

    names = [name for name in VARIABLES[rung.name] if name in model.named_vars]  # latent paths are drawn afterwards
    model = freeze_dims_and_data(model, data=[])  # static shapes make smaller, safer kernels
    graphs = model.replace_rvs_by_values([model[name] for name in names])
    dims = {name: tuple(model.named_vars_to_dims.get(name) or ()) for name in names}
    coords = {d: np.asarray(model.coords[d]) for of in dims.values() for d in of}
    if rung.latent is None:
        return _without_latents(model, graphs, dims, coords)
    marginal = integrate_out(model)
    flat = marginal.flat
    outputs = [marginal.logp, marginal.gradient, marginal.mode, marginal.mean, marginal.lower, marginal.last_step]
    return Target(
        flat=flat,
        density=compile_graph([flat.vector, marginal.start], outputs),
        expanded=compile_graph([flat.vector], flat(*graphs)),
        conditional=compile_graph([flat.vector, marginal.states], [marginal.conditional]),
        dims=dims,
        coords=coords,
        states=marginal.states.type.shape,
    )


def _without_latents(model: Any, graphs: list[Any], dims: dict[str, tuple[str, ...]], coords: dict[str, Any]) -> Target:
    import pytensor.tensor as pt
    from pymc.pytensorf import rewrite_pregrad

    flat = flatten(model)
    logp = rewrite_pregrad(flat(model.logp())[0])
    return Target(
        flat=flat,
        density=compile_graph([flat.vector], [logp, pt.grad(logp, flat.vector)]),
        expanded=compile_graph([flat.vector], flat(*graphs)),
        conditional=None,
        dims=dims,
        coords=coords,
        states=None,
    )
