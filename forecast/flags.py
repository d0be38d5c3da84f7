"""Flags that must be set before PyTensor is imported; ``import forecast`` sets them, so that all that follows has them.

With PyTensor's numba fast-math on, freshly compiled code and code loaded from the cache give different draws for the
same seed; with it off they agree to the bit, at no measurable cost.
"""

import os

FAST_MATH = "numba__fastmath"


def set_pytensor_flags() -> None:
    """Turn fast-math off for this process, keeping the other flags of the environment."""
    kept = [f for f in os.environ.get("PYTENSOR_FLAGS", "").split(",") if f and not f.startswith(FAST_MATH)]
    os.environ["PYTENSOR_FLAGS"] = ",".join([*kept, f"{FAST_MATH}=False"])
