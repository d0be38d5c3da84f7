"""Integrate the latent weekly paths out of a joint PyMC model by Laplace's approximation, with exact gradients.

The model is a latent Gaussian one (Rue, Martino and Chopin, 2009): paths z follow a Gaussian law in which weeks meet
only their neighbours, and whatever is observed reads them through linear predictors p[week, i] = reading[i] . z[week] +
offset, one column of log-likelihood each. With hyperparameters x, joint density f(x, z), mode z* in z, and H minus the
curvature there,

    log f(x)  ~  log f(x, z*) - 1/2 log|H| + n/2 log(2 pi)          (Tierney and Kadane, 1986).

First and second derivatives in p are PyTensor's, taken from the model's own graph, so no likelihood is written twice;
H is a band, and every step costs time linear in weeks. The gradient is exact: with s the derivative of the
log-determinant term in z, and u = H^-1 s,

    d log f / dx  =  d/dx [ log f(x, z) - 1/2 log|H(x, z)| + u . d log f(x, z)/dz ]   at z = z*, u held fixed,

which is reverse-mode differentiation through the mode by the implicit function theorem (as in TMB: Kristensen et al.,
2016).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.inference.compiled import Flat, flatten

MOST_STEPS = 40
TOLERANCE = 1e-3  # largest change of any latent in the last Newton step: the error left is about its square
FAR = 0.1  # steps longer than this may cycle about the mode; shorter ones converge quadratically
LONGEST_STEP = 4.0  # per latent: keeps the first steps from overshooting where counts explode
STATES, PREDICTORS, READING = "states", "predictors", "reading"


@dataclass(frozen=True, slots=True)
class Marginal:
    """The graph of a marginal log density.

    Attributes
    ----------
    flat
        The hyperparameters' value variables, as one vector.
    start
        Where the search for the mode starts, an input [week, state]: from a mode close by it takes half the steps.
    logp, gradient
        Log of the marginal density there, with Jacobians, and its gradient.
    conditional
        Log of the joint density at ``states`` but for what does not depend on them.
    states
        The latents, a free input of ``conditional`` alone [week, state].
    mode
        Conditional mode of the latents [week, state].
    mean
        Their conditional mean to first order, ``mode + H^-1 d(-1/2 log|H|)/dz`` [week, state]: skewed likelihoods pull
        it away from the mode.
    lower
        Cholesky factor of H at the mode, a band.
    last_step
        Largest change of any latent in the last Newton step: above ``TOLERANCE`` the search has not converged.
    """

    flat: Flat
    start: Any
    logp: Any
    gradient: Any
    conditional: Any
    states: Any
    mode: Any
    mean: Any
    lower: Any
    last_step: Any


def integrate_out(model: Any) -> Marginal:
    """Return the marginal of a PyMC model over its latent paths.

    Parameters
    ----------
    model
        A joint model of fixed dimensions with the variables ``states`` [week, state], declared by
        :func:`forecast.models.states.declare_states`; ``reading`` [predictor, state]; and ``predictors``
        [week, predictor], through which alone all other densities read the states, each column by itself.
    """
    import pytensor.tensor as pt

    from forecast.inference.banded import banded_cholesky, banded_log_determinant, banded_solve

    parts = _Parts.of(model)
    z = parts.states
    score, band = parts.score_and_band(z)
    conditional = parts.conditional(z)
    joint = parts.alone + conditional
    lower = banded_cholesky(band)
    half_log_determinant = 0.5 * banded_log_determinant(band, lower)
    logp = joint - half_log_determinant + 0.5 * np.log(2.0 * np.pi) * np.prod(z.type.shape)
    pull = banded_solve(lower, _gradient(-half_log_determinant, z).ravel()).reshape(z.shape)
    followed = joint - half_log_determinant + (pull * score).sum()
    gradient = _gradient(followed, parts.flat.vector, fixed=(pull,))
    start = pt.tensor("start", dtype="float64", shape=z.type.shape)
    found, last_step = _search(parts, start)
    logp, gradient, lower, pull = _replaced([logp, gradient, lower, pull], {z: found})
    return Marginal(parts.flat, start, logp, gradient, conditional, z, found, found + pull, lower, last_step)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A joint density taken apart.

    ``alone`` is what does not depend on the latents, ``evidence`` what does, as a function of ``predictors`` (a free
    input here), with ``slope`` and ``bend`` its first and second derivatives there [week, predictor]. ``read`` gives
    the predictors as a function of ``states``.
    """

    flat: Flat
    states: Any
    predictors: Any
    alone: Any
    evidence: Any
    slope: Any
    bend: Any
    read: Any
    reading: Any
    law: tuple[Any, Any]

    @classmethod
    def of(cls, model: Any) -> "_Parts":
        import pymc as pm
        import pytensor.tensor as pt
        from pymc.pytensorf import rewrite_pregrad

        variable = model[STATES]
        states = model.rvs_to_values[variable]
        flat = flatten(model, without=(states,))
        read, reading, *law = flat(
            *model.replace_rvs_by_values(
                [model[PREDICTORS], model[READING], *variable.owner.op.dist_params(variable.owner)]
            )
        )
        cut = pm.do(model, {PREDICTORS: np.zeros(read.type.shape)})
        predictors = cut[PREDICTORS]
        others = [rv for rv in cut.basic_RVs if rv is not cut[STATES]] + cut.potentials
        onto_flat = {v: flat.named(v.name) for v in cut.value_vars if v is not cut.rvs_to_values[cut[STATES]]}
        terms = [t.sum() for t in _replaced(cut.logp(vars=others, sum=False), onto_flat)]
        alone, evidence = _split(terms, predictors)
        free = pt.tensor("read", dtype="float64", shape=read.type.shape)
        (evidence,) = _replaced([rewrite_pregrad(evidence)], {predictors: free})
        slope = _gradient(evidence, free)
        bend = _gradient(slope.sum(), free)
        return cls(flat, states, free, alone, evidence, slope, bend, read, reading, (law[0], law[1]))

    def at(self, z: Any, *graphs: Any) -> list[Any]:
        """Graphs over ``predictors`` as graphs over the latents ``z``."""
        return _replaced(list(graphs), {self.predictors: _replaced([self.read], {self.states: z})[0]})

    def conditional(self, z: Any) -> Any:
        """Log of the joint density but for what does not depend on the latents."""
        from forecast.models.states import path_logp

        return path_logp(z, *self.law) + self.at(z, self.evidence)[0]

    def score_and_band(self, z: Any) -> tuple[Any, Any]:
        """Gradient of the log joint density in the latents [week, state], and minus its curvature as a band.

        A predictor's column of the likelihood depends on it alone, so the evidence bends by ``reading' diag(bend)
        reading`` in each week.
        """
        import pytensor.tensor as pt

        from forecast.models.states import path_precision

        slope, bend = self.at(z, self.slope, self.bend)
        diagonal, between = path_precision(*self.law)
        none = pt.zeros_like(z[:1])
        from_before = between * pt.concatenate([none, z[:-1]], axis=0)
        from_after = pt.concatenate([between[1:] * z[1:], none], axis=0)
        score = pt.dot(slope, self.reading) - diagonal * z - from_before - from_after
        weeks, width = self.states.type.shape
        rows, columns = np.tril_indices(width)
        placed = np.zeros((len(rows), width * (width + 1)))
        placed[np.arange(len(rows)), rows * (width + 1) + rows - columns] = 1.0
        pairs = pt.dot(self.reading[:, rows] * self.reading[:, columns], pt.as_tensor(placed))
        band = -pt.dot(bend, pairs).reshape((weeks, width, width + 1))
        band = pt.inc_subtensor(band[:, :, 0], diagonal)
        band = pt.inc_subtensor(band[:, :, width], between)
        return score, band.reshape((weeks * width, width + 1))


def _search(parts: _Parts, start: Any) -> tuple[Any, Any]:
    """Newton's method: mode [week, state], size of the last step.

    The density is log-concave in the latents, so there is one mode; but where logits bend, full steps may cycle about
    it. A long step that turns back on the one before is therefore halved, and steps grow again once they go on.
    """
    import pytensor
    import pytensor.tensor as pt
    from pytensor.scan.utils import until

    from forecast.inference.banded import banded_cholesky, banded_solve

    def newton(z: Any, _size: Any, before: Any, damping: Any) -> Any:
        score, band = parts.score_and_band(z)
        step = banded_solve(banded_cholesky(band), score.ravel()).reshape(z.shape)
        size = pt.max(pt.abs(step))
        turned = pt.and_(size > FAR, (step * before).sum() < 0.0)
        damping = pt.switch(turned, 0.5 * damping, pt.minimum(1.0, 2.0 * damping))
        new = z + step * damping * pt.minimum(1.0, LONGEST_STEP / size)
        return [new, size, step, damping], until(pt.or_(size < TOLERANCE, pt.isnan(size)))

    size, damping = (pt.as_tensor(value, dtype="float64") for value in (np.inf, 1.0))
    first = [start, size, pt.zeros_like(start), damping]
    path, sizes, *_ = pytensor.scan(newton, outputs_info=first, n_steps=MOST_STEPS, return_updates=False)
    return path[-1], sizes[-1]


def _gradient(of: Any, at: Any, *, fixed: tuple[Any, ...] = ()) -> Any:
    """Reverse-mode gradient, taking some variables as constants."""
    import pytensor.tensor as pt

    return pt.grad(of, at, consider_constant=list(fixed))


def _replaced(graphs: list[Any], replacements: dict[Any, Any]) -> list[Any]:
    from pytensor.graph.replace import clone_replace

    return clone_replace(graphs, replacements, rebuild_strict=False)


def _split(terms: list[Any], leaf: Any) -> tuple[Any, Any]:
    """Sum the terms that do not depend on a variable, and those that do."""
    import pytensor.tensor as pt
    from pytensor.graph.traversal import ancestors

    alone: list[Any] = []
    reading: list[Any] = []
    for term in terms:
        (reading if leaf in ancestors([term]) else alone).append(term)
    return pt.add(*alone) if alone else pt.as_tensor(0.0), pt.add(*reading)
