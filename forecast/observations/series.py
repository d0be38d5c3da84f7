"""Small tools for weekly series: days, fading counts, standardisation within a vintage."""

import numpy as np
import pandas as pd

from forecast.observations.ladders import WEEK

_ROUNDING = 1e-9  # logs and counts that spread by no more do not move: the rest is what their mean is rounded by


def days_of(times: pd.Series) -> np.ndarray:
    """Days of UTC times."""
    return times.dt.tz_localize(None).to_numpy().astype("datetime64[D]")


def decayed_count(days: np.ndarray, ends: np.ndarray, half_life_weeks: float) -> np.ndarray:
    """Number of days before each end, each fading with the half-life [end]."""
    age = (ends[:, None] - days[None, :]) / WEEK
    return np.where(age >= 0, 0.5 ** (np.maximum(age, 0.0) / half_life_weeks), 0.0).sum(axis=1)


def standardised(series: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 over what is known; NaN throughout where that cannot be had."""
    known = np.isfinite(series)
    if known.sum() < 2 or np.std(series[known]) < _ROUNDING:
        return np.full_like(series, np.nan)
    return np.asarray((series - series[known].mean()) / series[known].std())
