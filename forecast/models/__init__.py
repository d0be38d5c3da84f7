"""The rungs, from base rate to hazards with raw signals, and their priors."""

from forecast.models.hazards import sizes_of
from forecast.models.history import History, Origin, build_history, horizon_day
from forecast.models.priors import Priors, check_priors, load_priors
from forecast.models.rungs import DEFAULT_RUNG, RUNGS, Rung, get_rung

__all__ = [
    "DEFAULT_RUNG",
    "RUNGS",
    "History",
    "Origin",
    "Priors",
    "Rung",
    "build_history",
    "check_priors",
    "get_rung",
    "horizon_day",
    "load_priors",
    "sizes_of",
]
