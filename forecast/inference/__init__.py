"""Fitting, diagnostics, the posterior on disk and the run's manifest."""

from forecast.inference.diagnostics import Check, check_fit, check_probabilities, gate
from forecast.inference.manifest import manifest
from forecast.inference.sampling import Fit, Settings, fit
from forecast.inference.store import SavedPosterior, check_target, load_posterior, save_posterior

__all__ = [
    "Check",
    "Fit",
    "SavedPosterior",
    "Settings",
    "check_fit",
    "check_probabilities",
    "check_target",
    "fit",
    "gate",
    "load_posterior",
    "manifest",
    "save_posterior",
]
