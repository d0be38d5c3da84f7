"""The hierarchical model of paired differences, sampled with nutpie.

::

    d_q ~ StudentT(nu, mu + u_cluster + v_band, s)
    mu ~ Normal(0, scale)          tau ~ HalfNormal(3 scale),  u ~ Normal(0, tau)
    s ~ HalfNormal(2 scale)        omega ~ HalfNormal(scale / 2),  v ~ Normal(0, omega)
    nu ~ 2 + Gamma(2, 0.1)

The effects of the bands sum to zero: they are all the bands there are, so mu is their even mean. Events are a
sample of those to come: the sampler sees their mean, mu + mean(u) ~ Normal(0, sqrt(scale² + tau²/clusters)), and
the deviations from it; mu is then drawn given that mean, from its normal conditional. That is the same model, and
it mixes. The effects of events are sampled as they are where they show (design effect above 2), as multiples of
tau where they hardly do: on 240 simulated differences that 24 events settle the first has an effective sample size
of 2,500 and the second of 170; where events do not matter it is 60 against 750. Where every question has an event
of its own, u and the error cannot be told apart and u is left out.

Why these priors. Between useful forecasters mean differences beyond ``scale`` are rare. Events differ by more than
forecasters do, since what happens rewards one of them and what does not the other, hence 3 for tau: over 60
simulated histories of 24 events the 90 % interval then held the truth 54 or 55 times, with 1 it did 51 or 52 times,
and the cluster bootstrap's 50 or 53 times (two forecasters alike; one of them biased). Leads differ by less than
forecasters do. nu above 2 keeps the variance finite.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from forecast.errors import ScoreError
from forecast.evaluation.resampling import SEED, design_effect, interval
from forecast.evaluation.table import cluster_ids
from forecast.inference.runtime import prepare_pytensor

SCALES = {"brier": 0.05, "rps": 0.05, "log": 0.15}
CHAINS, TUNE, DRAWS = 4, 600, 1000
TARGET_ACCEPT = 0.95
CENTRED_FROM = 2.0


@dataclass(frozen=True, slots=True)
class HierarchicalDifference:
    """Posterior of the mean difference, A less B, on a question that another event settles.

    Attributes
    ----------
    mean, lower, upper
        Posterior mean and central 90 %.
    p_a_better
        P(mean difference < 0).
    between_clusters
        Posterior mean of the spread between events, tau; NaN where each settles one question.
    r_hat, ess, divergences
        Worst R-hat and least effective sample size (bulk or tail) of the reported parameters; divergent transitions.
    """

    mean: float
    lower: float
    upper: float
    p_a_better: float
    between_clusters: float
    r_hat: float
    ess: float
    divergences: int


def hierarchical_difference(differences: pd.DataFrame, *, scale: float, seed: int = SEED) -> HierarchicalDifference:
    """Fit the model.

    Parameters
    ----------
    differences
        Of :func:`forecast.evaluation.comparison.pair`.
    scale
        How large a mean difference may well be, in units of the score, see ``SCALES``.
    seed
        Of the sampler.

    Raises
    ------
    ScoreError
        Fewer than two clusters: one event cannot tell forecasters apart.
    """
    clusters, bands = pd.factorize(cluster_ids(differences)), pd.factorize(differences["band"])
    if len(clusters[1]) < 2:
        message = f"one event, {clusters[1][0]}, settles every question: it cannot tell forecasters apart"
        raise ScoreError(message)
    import arviz_stats

    values = differences["difference"].to_numpy(float)
    n, events, leads = len(values), len(clusters[1]), len(bands[1])
    deff = design_effect(values, clusters[0]).deff
    data: dict[str, Any] = {"difference": values, "scale": scale}
    data |= {"cluster": clusters[0]} if events < n else {}
    data |= {"band": bands[0]} if leads > 1 else {}
    trace = _sample(_compiled(n, events, leads, centred=deff > CENTRED_FROM), data, seed)
    draws = trace["posterior"].to_dataset()
    tau = draws["tau"] if events < n else xr.zeros_like(draws["centre"])
    mu = _drawn_mu(draws["centre"], tau, scale, events, seed)
    checked = xr.Dataset({"mu": mu, "centre": draws["centre"]} | ({"tau": tau} if events < n else {}))
    ess = [arviz_stats.ess(checked, method="bulk"), arviz_stats.ess(checked, method="tail", prob=(0.05, 0.95))]
    return HierarchicalDifference(
        float(mu.mean()),
        *interval(mu.to_numpy().ravel()),
        p_a_better=float((mu < 0).mean()),
        between_clusters=float(tau.mean()) if events < n else float("nan"),
        r_hat=float(arviz_stats.rhat(checked, method="rank").to_array().max()),
        ess=float(min(found.to_array().min() for found in ess)),
        divergences=int(trace["sample_stats"]["diverging"].sum()),
    )


@lru_cache(maxsize=4)
def _compiled(n: int, clusters: int, bands: int, *, centred: bool) -> Any:
    """Compile the model for a shape; rungs compared on the same questions share it."""
    import nutpie
    import pymc as pm

    prepare_pytensor()
    with pm.Model() as model:
        scale = pm.Data("scale", np.array(1.0))
        s = pm.HalfNormal("s", 2 * scale)
        nu = 2 + pm.Gamma("nu_less_2", 2, 0.1)
        if clusters == n:
            expected = pm.Normal("centre", 0, scale)
        else:
            tau = pm.HalfNormal("tau", 3 * scale)
            size = tau if centred else 1.0
            u = pm.ZeroSumNormal("u", sigma=size, shape=clusters) * (tau / size)
            centre = pm.Normal("centre", 0, pm.math.sqrt(scale**2 + tau**2 / clusters))
            expected = centre + u[pm.Data("cluster", np.zeros(n, dtype=np.int64))]
        if bands > 1:
            v = pm.ZeroSumNormal("v", shape=bands) * pm.HalfNormal("omega", 0.5 * scale)
            expected = expected + v[pm.Data("band", np.zeros(n, dtype=np.int64))]
        pm.StudentT("d", nu=nu, mu=expected, sigma=s, observed=pm.Data("difference", np.zeros(n)))
    return nutpie.compile_pymc_model(model, freeze_model=False)


def _drawn_mu(centre: xr.DataArray, tau: xr.DataArray, scale: float, clusters: int, seed: int) -> xr.DataArray:
    """Draw mu given the mean of mu + u over the clusters at hand: all that the data say about it [chain, draw]."""
    share = scale**2 / (scale**2 + tau**2 / clusters)
    noise = np.random.default_rng(seed).standard_normal(centre.shape)
    return share * centre + scale * np.sqrt(1 - share) * noise


def _sample(compiled: Any, data: dict[str, Any], seed: int) -> Any:
    import nutpie

    return nutpie.sample(
        compiled.with_data(**data),
        draws=DRAWS,
        tune=TUNE,
        chains=CHAINS,
        seed=seed,
        target_accept=TARGET_ACCEPT,
        save_warmup=False,
        progress_bar=False,
    )
