"""A last look at PyTensor's flags before anything is compiled."""

from forecast.errors import ForecastError
from forecast.flags import FAST_MATH, set_pytensor_flags


def prepare_pytensor() -> None:
    """Make sure that fast-math is off in this process.

    Raises
    ------
    ForecastError
        PyTensor was imported earlier with fast-math on, so results could not be reproduced.
    """
    set_pytensor_flags()
    import pytensor

    if pytensor.config.numba__fastmath:
        mend = f"import forecast first, or set PYTENSOR_FLAGS={FAST_MATH}=False"
        message = f"PyTensor was imported with {FAST_MATH}=True: {mend}"
        raise ForecastError(message)
