"""What tests of whole runs share: a posterior without the sampler, and what a run leaves behind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from forecast.case import Case
from forecast.inference import Fit, Settings
from forecast.models import History, Priors, Rung
from forecast.models.base_rate import BANDS, base_rate_data
from forecast.run import Say, fit_case

WHEN = "2026-04-14"


def exact_base_rate(
    rung: Rung, history: History, *, priors: Priors, settings: Settings | None = None, report: Say | None = None
) -> Fit:
    """Stand in for the sampler: the base rate is conjugate, so its posterior is drawn without compiling anything."""
    settings = settings or Settings()
    rng = np.random.default_rng(settings.seed)
    shape = (settings.chains, settings.draws)
    data = base_rate_data(history)
    posterior = {}
    for what, dim in (("deal", "deal_kind"), ("escalation", "escalated")):
        prior = np.array([list(priors[f"{what}_to_{end}"].parameters.values()) for end in BANDS])
        weights = prior + data[f"{what}_reference"] + data[f"{what}_own"]
        draws = np.stack([rng.dirichlet(w, shape) for w in weights], axis=2)
        posterior[what] = (("chain", "draw", "band", dim), draws)
    stats = {n: (("chain", "draw"), rng.standard_normal(shape)) for n in ("energy", "n_steps", "depth", "step_size")}
    stats["diverging"] = (("chain", "draw"), np.zeros(shape, dtype=bool))
    coords = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
    timings = {"compile": 0.0, "sample": 0.0}
    return Fit(rung, history, priors, settings, xr.Dataset(posterior, coords), xr.Dataset(stats, coords), timings)


def exact_fit(case: Case, *, draws: int) -> Fit:
    """Fit the base rate to a case without the sampler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecast.run.fit", exact_base_rate)
        return fit_case(case, when=WHEN, rung="R0", settings=Settings(draws=draws))


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content, scratch included; the lock, which is empty, is left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    """Drop the three fields of a document that tell of the run itself."""
    issue = {k: v for k, v in document["issue"].items() if k not in {"run_at", "ledger"}}
    manifest = {k: v for k, v in document["manifest"].items() if k != "timings_s"}
    return {**document, "issue": issue, "manifest": manifest}
