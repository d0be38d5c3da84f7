"""What is seen to before anything is compiled: PyTensor's flags, and how it compiles products."""

from forecast.errors import ForecastError
from forecast.flags import FAST_MATH, set_pytensor_flags


def prepare_pytensor() -> None:
    """Make sure that fast-math is off in this process and that products compile quickly.

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
    import forecast.inference.products  # noqa: F401  # registers them
