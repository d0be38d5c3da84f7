"""The recalibrated market: what prices have been worth so far on the case's own settled contracts.

    logit p' = a + b logit m,    a ~ Normal(0, 0.5),    b ~ Normal(1, 0.3).

Before anything is settled the price is believed, give or take: 90 % of the prior for a contract at even odds lies
between 0.31 and 0.69, and 90 % of b between 0.5 and 1.5, so prices of politics may be drawn to a half (b above 1) as
well as too sure. The two are constants here and no prior file: prior files are digested into every fit, and prices
enter none.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from forecast.evaluation.logistic import LogisticPosterior, logistic_posterior
from forecast.evaluation.resampling import DesignEffect, design_effect
from forecast.evaluation.scores import FLOOR, clip
from forecast.evaluation.table import QUESTION, cluster_ids, score_rows

PRIOR_SHIFT = (0.0, 0.5)
PRIOR_SLOPE = (1.0, 0.3)
INTERVAL = 0.8
"""Of everything that is shown beside a price, as the mapping's."""
_POINTS = 81  # of the grid on each axis, 0.15 of a standard deviation apart


@dataclass(frozen=True, slots=True)
class Recalibration:
    """How prices are put right.

    Attributes
    ----------
    n, clusters, n_eff
        Settled contracts that it was fitted on, events that settled them, independent contracts that would say as
        much; 0 where nothing is settled, and then the posterior is the prior.
    posterior
        Of a and b.
    """

    n: int
    clusters: int
    n_eff: float
    posterior: LogisticPosterior

    def at(self, price: float) -> tuple[float, float, float]:
        """Mean and central 80 % interval of the recalibrated probability of a price; prices are held to the floor."""
        return self.posterior.probability((1.0, float(logit(price))), INTERVAL)


def recalibration(table: pd.DataFrame) -> Recalibration:
    """Fit on the settled contracts of a scored table, each counted once, all together counted as ``n_eff``.

    Parameters
    ----------
    table
        Of :func:`forecast.markets.settled.settled_as_of`; it may be empty.
    """
    if table.empty:
        return Recalibration(0, 0, 0.0, _posterior(*np.empty((3, 0))))
    rows = score_rows(table)
    effect = effect_of(rows)
    p, y = rows["probability"].to_numpy(float), rows["outcome"].to_numpy(float)
    return Recalibration(effect.n, effect.clusters, effect.n_eff, _posterior(p, y, tempered(rows, effect)))


def effect_of(rows: pd.DataFrame) -> DesignEffect:
    """Return what the questions of one forecaster's scored rows are worth, by the mean log score of each."""
    means = rows.groupby(list(QUESTION))["log"].mean().reset_index()
    return design_effect(means["log"].to_numpy(float), cluster_ids(means))


def tempered(rows: pd.DataFrame, effect: DesignEffect) -> np.ndarray:
    """Power of each row's likelihood: k forecasts of one question share its say, questions ``n_eff`` of n [row]."""
    asked = rows.groupby(list(QUESTION))["log"].transform("size").to_numpy(float)
    return np.asarray(effect.n_eff / effect.n / asked)


def logit(probability: ArrayLike) -> np.ndarray:
    """Log-odds of probabilities held to the floor of the log score."""
    p = clip(np.asarray(probability, dtype=float), FLOOR)
    return np.asarray(np.log(p) - np.log1p(-p))


def _posterior(price: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> LogisticPosterior:
    x = np.column_stack([np.ones(len(price)), logit(price)])
    return logistic_posterior(x, outcome, weight=weight, prior=(PRIOR_SHIFT, PRIOR_SLOPE), points=_POINTS)
