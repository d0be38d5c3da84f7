"""From first passages to probabilities with their two uncertainties.

The *Monte-Carlo error* is how far the number would move with another seed. The *spread* is how uncertain the
probability itself is: each posterior draw has its own probability g, and the spread is the distribution of g. A finite
number of paths a draw adds binomial noise to g; its variance is known, so the spread is that of a beta distribution
with the mean of g and its variance less the noise (method of moments).
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
    """Central interval of the per-draw probability, freed of the noise of finitely many paths.

    A beta distribution with the mean of the draws and their variance less the binomial noise (method of moments for the
    beta-binomial, Skellam 1948): smooth, and inside [0, 1].
    """
    from scipy.stats import beta

    paths = occurred.shape[1]
    per_draw = occurred.mean(axis=1)
    mean = float(per_draw.mean())
    noise = float((per_draw * (1 - per_draw)).mean()) / max(paths - 1, 1)
    variance = float(per_draw.var(ddof=1)) - noise
    if not 0 < variance < mean * (1 - mean):
        return mean, mean
    weight = mean * (1 - mean) / variance - 1
    lower, upper = beta.ppf([(1 - INTERVAL) / 2, (1 + INTERVAL) / 2], mean * weight, (1 - mean) * weight)
    return min(float(lower), mean), max(float(upper), mean)  # a spread all in the tail is noise of a rare event
