"""From first passages to probabilities with their two uncertainties.

The *Monte-Carlo error* is how far the number would move with another seed. The *spread* is how uncertain the
probability itself is: each posterior draw has its own probability g, and the spread is the distribution of g. A finite
number of paths a draw adds binomial noise to g; its variance is known, so the quantiles are shrunk towards the mean by
the share of the variance that is not noise (method of moments).
"""

from dataclasses import dataclass

import numpy as np

from forecast.outlook.paths import Paths

INTERVAL = 0.9


@dataclass(frozen=True, slots=True)
class Probability:
    """A probability with its uncertainties.

    Attributes
    ----------
    mean
        Over draws and paths.
    mcse
        Monte-Carlo standard error of the mean.
    lower, upper
        Bounds of the central ``INTERVAL`` of the probability's own posterior.
    r_hat, ess
        Of the per-draw probabilities.
    """

    mean: float
    mcse: float
    lower: float
    upper: float
    r_hat: float
    ess: float


def summarise(paths: Paths, occurred: np.ndarray) -> Probability:
    """Summarise an event's indicator [draw, path] as a probability."""
    import arviz_stats

    per_draw = occurred.mean(axis=1)
    by_chain = per_draw.reshape(paths.chains, paths.draws)
    lower, upper = spread(occurred)
    if np.ptp(per_draw) == 0:
        return Probability(float(per_draw[0]), 0.0, lower, upper, 1.0, float(per_draw.size))
    return Probability(
        mean=float(per_draw.mean()),
        mcse=float(arviz_stats.mcse(by_chain, method="mean")),
        lower=lower,
        upper=upper,
        r_hat=float(arviz_stats.rhat(by_chain, method="rank")),
        ess=float(arviz_stats.ess(by_chain, method="mean")),
    )


def spread(occurred: np.ndarray) -> tuple[float, float]:
    """Central interval of the per-draw probability, freed of the noise of finitely many paths."""
    paths = occurred.shape[1]
    per_draw = occurred.mean(axis=1)
    mean, total = per_draw.mean(), per_draw.var(ddof=1)
    noise = (per_draw * (1 - per_draw)).mean() / max(paths - 1, 1)
    kept = np.sqrt(max(total - noise, 0.0) / total) if total > 0 else 0.0
    tails = np.quantile(per_draw, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    lower, upper = np.clip(mean + kept * (tails - mean), 0.0, 1.0)
    return float(lower), float(upper)
