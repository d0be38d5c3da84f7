"""A Bayesian forecasting workbench for negotiations under threat.

``import forecast`` is light: the names below are fetched from their modules when they are first used, so that the
command line answers at once and PyMC is only loaded by what needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from forecast.flags import set_pytensor_flags

__version__ = "0.1.0"

set_pytensor_flags()

_HOME = {
    "Case": "forecast.case",
    "ForecastError": "forecast.errors",
    "Outlook": "forecast.outlook",
    "Vintage": "forecast.observations",
    "as_of": "forecast.observations",
    "build_outlook": "forecast.outlook",
    "fit": "forecast.inference",
    "load_case": "forecast.case",
}

__all__ = ["Case", "ForecastError", "Outlook", "Vintage", "as_of", "build_outlook", "fit", "load_case"]

if TYPE_CHECKING:
    from forecast.case import Case, load_case
    from forecast.errors import ForecastError
    from forecast.inference import fit
    from forecast.observations import Vintage, as_of
    from forecast.outlook import Outlook, build_outlook


def __getattr__(name: str) -> Any:
    """Fetch a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        message = f"module 'forecast' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOME[name]), name)
