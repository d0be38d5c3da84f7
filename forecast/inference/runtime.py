"""The one place that sets up PyTensor, before it is imported.

With PyTensor's numba fast-math on, freshly compiled code and code loaded from the cache give different draws for the
same seed; with it off they agree to the bit, at no measurable cost.
"""

import os
import sys

from forecast.errors import ForecastError

FLAG = "numba__fastmath"


def prepare_pytensor() -> None:
    """Turn fast-math off for this process.

    Raises
    ------
    ForecastError
        PyTensor was imported earlier with fast-math on, so results could not be reproduced.
    """
    if "pytensor" not in sys.modules:
        flags = [f for f in os.environ.get("PYTENSOR_FLAGS", "").split(",") if f and not f.startswith(FLAG)]
        os.environ["PYTENSOR_FLAGS"] = ",".join([*flags, f"{FLAG}=False"])
    import pytensor

    if pytensor.config.numba__fastmath:
        message = f"PyTensor was imported with {FLAG}=True: import forecast first, or set PYTENSOR_FLAGS={FLAG}=False"
        raise ForecastError(message)
