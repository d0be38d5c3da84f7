"""Diagnostics of a fit, and the gate that decides whether it may be published.

Every check has a *review* and a *fail* threshold; a run that fails publishes nothing. Thresholds follow Vehtari
et al. (2021) for R-hat and effective sample size, and Betancourt (2016) for E-BFMI.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr

from forecast.inference.latents import NEGLIGIBLE, Correction
from forecast.inference.sampling import Fit

Status = Literal["pass", "review", "fail"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """When a value calls for review, and when it fails."""

    label: str
    review: float
    fail: float
    better: Literal["lower", "higher"]

    def status(self, value: float) -> Status:
        """Judge a value; one that is not finite fails."""
        if not np.isfinite(value):
            return "fail"
        sign = 1 if self.better == "lower" else -1
        if sign * value > sign * self.fail:
            return "fail"
        return "review" if sign * value > sign * self.review else "pass"


@dataclass(frozen=True, slots=True)
class Check:
    """One diagnostic, judged."""

    name: str
    label: str
    value: float
    review: float
    fail: float
    better: str
    status: Status
    where: str
    text: str


THRESHOLDS = {
    "r_hat": Threshold("R-hat, worst parameter", 1.01, 1.05, "lower"),
    "ess_bulk": Threshold("Bulk effective sample size, worst parameter", 400.0, 100.0, "higher"),
    "ess_tail": Threshold("Tail effective sample size, worst parameter", 400.0, 100.0, "higher"),
    "divergences": Threshold("Share of divergent transitions", 0.001, 0.01, "lower"),
    "e_bfmi": Threshold("E-BFMI, worst chain", 0.3, 0.2, "higher"),
    "khat": Threshold("Pareto k-hat of the latent paths' correction", 0.5, 0.7, "lower"),
    "probability_r_hat": Threshold("R-hat, worst published probability", 1.01, 1.05, "lower"),
    "probability_ess": Threshold("Effective sample size, worst published probability", 400.0, 100.0, "higher"),
}
CONSTANT = ("scale", "shift")  # in part fixed by convention; what varies in them is checked as a parameter
_TEXT = {
    "r_hat": "Chains started apart agree when this is near 1 (rank-normalised, split).",
    "ess_bulk": "Independent draws that the middle of the posterior is worth.",
    "ess_tail": "Independent draws that its tails are worth.",
    "divergences": "Places where the sampler could not follow the posterior.",
    "e_bfmi": "How well the sampler moved between energy levels.",
    "khat": "Whether the approximation that integrates the latent paths out can be corrected to the exact posterior.",
    "probability_r_hat": "The same for the probabilities on this page, draw by draw.",
    "probability_ess": "The same for the probabilities on this page, draw by draw.",
}


def judge(name: str, value: float, where: str) -> Check:
    """Hold a value against its thresholds."""
    t = THRESHOLDS[name]
    return Check(name, t.label, value, t.review, t.fail, t.better, t.status(value), where, _TEXT[name])


def check_fit(fit: Fit) -> list[Check]:
    """Check every parameter of a fit: R-hat, bulk and tail effective sample size, divergences, E-BFMI, and k-hat."""
    import arviz_stats

    posterior = fit.posterior.drop_vars(CONSTANT, errors="ignore")
    data = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": fit.sample_stats})
    checks = [
        _worst("r_hat", arviz_stats.rhat(data, method="rank").to_dataset()),
        _worst("ess_bulk", arviz_stats.ess(data, method="bulk").to_dataset()),
        _worst("ess_tail", arviz_stats.ess(data, method="tail", prob=(0.05, 0.95)).to_dataset()),
    ]
    diverging = fit.sample_stats["diverging"]
    checks.append(judge("divergences", float(diverging.mean()), f"{int(diverging.sum())} of {diverging.size} draws"))
    if fit.correction is not None:
        checks.append(_check_correction(fit.correction))
    values = np.asarray(arviz_stats.bfmi(data)["energy"].values, dtype=np.float64)
    checks.append(judge("e_bfmi", float(values.min()), f"chain {int(values.argmin())}"))
    return checks


def _check_correction(correction: Correction) -> Check:
    """Judge k-hat; where the weights are all but equal the shape of their tail says nothing of account."""
    if correction.distance < NEGLIGIBLE:
        where = f"weights all but equal: no probability is off by more than {correction.distance:.1%}"
        return replace(judge("khat", correction.khat, where), status="pass")
    return judge("khat", correction.khat, f"draws keep {correction.efficiency:.0%} of their worth")


def check_probabilities(r_hat: Mapping[str, float], ess: Mapping[str, float]) -> list[Check]:
    """Check the published probabilities, given their R-hat and effective sample size by name."""
    worst = max(r_hat, key=lambda k: r_hat[k] if np.isfinite(r_hat[k]) else np.inf)
    least = min(ess, key=lambda k: ess[k] if np.isfinite(ess[k]) else -np.inf)
    return [judge("probability_r_hat", r_hat[worst], worst), judge("probability_ess", ess[least], least)]


def gate(checks: list[Check]) -> Status:
    """Return the worst status of all checks."""
    order: tuple[Status, ...] = ("pass", "review", "fail")
    return max((c.status for c in checks), key=order.index)


def _worst(name: str, values: xr.Dataset) -> Check:
    """Find the worst entry of all variables and say which parameter it is; one that is not finite is the worst."""
    sign = 1.0 if THRESHOLDS[name].better == "lower" else -1.0
    worst, where = -np.inf, "no parameter"
    for array in values.data_vars.values():
        if not array.size:  # a case without drivers has none of their effects
            continue
        badness = np.atleast_1d(sign * np.asarray(array.values, dtype=float)).ravel()
        badness = np.where(np.isfinite(badness), badness, np.inf)
        k = int(badness.argmax())
        if badness[k] > worst:
            worst, where = float(badness[k]), _label(array, k)
    return judge(name, sign * worst, where)


def _label(array: xr.DataArray, k: int) -> str:
    index = np.unravel_index(k, array.shape) if array.shape else ()
    parts = [str(array[d].values[i]) if d in array.coords else str(i) for d, i in zip(array.dims, index, strict=True)]
    return f"{array.name}[{', '.join(parts)}]" if parts else str(array.name)
