"""The run's manifest: what went in, with which versions, flags and seed, and how long it took."""

import os
import platform
from importlib.metadata import version
from typing import Any

from forecast import __version__
from forecast.flags import FAST_MATH
from forecast.inference.sampling import Fit

_LIBRARIES = ("pymc", "pytensor", "nutpie", "numba", "numpy", "scipy", "pandas", "xarray", "arviz-stats")


def manifest(fit: Fit, *, command: str) -> dict[str, Any]:
    """Describe a run so that another can be compared with it, digest by digest."""
    vintage = fit.history.vintage
    rows = {"observations": vintage.observations, "episodes": vintage.episodes, "breakdowns": vintage.breakdowns}
    return {
        "command": command,
        "seed": fit.settings.seed,
        "draws": fit.settings.draws,
        "tune": fit.settings.tune,
        "chains": fit.settings.chains,
        "data_digest": vintage.digest(),
        "prior_digest": fit.priors.digest(),
        "draw_digest": fit.draw_digest(),
        "rows_read": {name: len(table) for name, table in rows.items()},
        "newest_row_published": vintage.last_published.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": {"leverage-gap": __version__, "python": platform.python_version(), **_versions()},
        "flags": {FAST_MATH: False, "cpus": os.cpu_count()},
        "timings_s": {stage: round(seconds, 1) for stage, seconds in fit.timings.items()},
    }


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}
