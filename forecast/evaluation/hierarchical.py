"""The hierarchical model of paired differences, sampled with nutpie.

::

    d_q ~ Normal(m_cluster + v_band, s)               s ~ HalfNormal(2 scale)
    m_c ~ Normal(mu + delta (e_c - share), tau)       mu ~ Normal(0, scale),  tau ~ HalfNormal(3 scale)
    v_band ~ Normal(0, omega)                         delta ~ Normal(0, 3 scale),  omega ~ HalfNormal(scale / 2)

A cluster is an event (e = 1) or a year in which nothing settled anything (e = 0); ``share`` is the share of questions
that events settle, and the effects of leads average to zero over the questions. So mu is the mean difference of a
question such as those at hand. The mix of questions is a sample, too: the reported mean is mu + delta (share* - share),
with share* from a Bayesian bootstrap of the clusters (Rubin, 1981). Cluster means are integrated out: the mean of a
cluster's n rows is Normal(mu + delta (e - share), sqrt(tau² + s²/n)), and the rows about it tell s.

Why this. What happens rewards one forecaster and what does not the other. Were clusters counted alike, small events
would weigh more than the long quiet years for no other reason than that they came, and who says more would look better:
in simulated histories that was so, and delta removes it. Errors are normal since scores are compared by their means: a
Student-t follows the bulk of skewed differences instead, and on the shipped backtest its chains did not meet. Where
every question has a cluster of its own, tau and s cannot be told apart, and tau is left out.

Why these priors. Between useful forecasters mean differences beyond ``scale`` are rare. An event and its absence differ
by more than forecasters do, and so may events among one another; leads differ by less.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from forecast.errors import ScoreError
from forecast.evaluation.resampling import SEED, interval
from forecast.evaluation.table import cluster_ids, settled_by_events
from forecast.inference.runtime import prepare_pytensor

SCALES = {"brier": 0.05, "rps": 0.05, "log": 0.15}
CHAINS, TUNE, DRAWS = 4, 1000, 2000
TARGET_ACCEPT = 0.99  # at 0.95 one pair of ten had chains that did not meet
WORST_R_HAT, LEAST_ESS, MOST_DIVERGENCES = 1.01, 400.0, 0.005


@dataclass(frozen=True, slots=True)
class HierarchicalDifference:
    """Posterior of the mean difference, A less B.

    Attributes
    ----------
    mean, lower, upper
        Posterior mean and central 90 %.
    p_a_better
        P(mean difference < 0).
    between_clusters
        Posterior mean of the spread between clusters of a kind, tau; NaN where each settles one question.
    r_hat, ess, divergences
        Worst R-hat and least effective sample size (bulk or tail) of the parameters; divergent transitions.
    sound
        Whether these allow the rest to be used.
    """

    mean: float
    lower: float
    upper: float
    p_a_better: float
    between_clusters: float
    r_hat: float
    ess: float
    divergences: int
    sound: bool


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
    import arviz_stats

    clusters, names = pd.factorize(cluster_ids(differences))
    if len(names) < 2:
        message = f"one event, {names[0]}, settles every question: it cannot tell forecasters apart"
        raise ScoreError(message)
    bands, leads = pd.factorize(differences["band"])
    sizes = np.bincount(clusters)
    event = np.zeros(len(names))
    event[clusters] = settled_by_events(differences)
    share = float(event @ sizes / sizes.sum())
    terms = Terms(grouped=len(names) < len(clusters), mixed=0.0 < share < 1.0, bands=len(leads))
    data = {
        "difference": differences["difference"].to_numpy(float),
        "cluster": clusters,
        "band": bands,
        "event": event - share,
        "scale": scale,
    }
    trace = _sample(_compiled(terms), {name: data[name] for name in terms.data()}, seed)
    draws = trace["posterior"].to_dataset()[list(terms.parameters())]
    mean = draws["mu"]
    if terms.mixed:
        mean = mean + draws["delta"] * (_resampled_share(event, sizes, draws["mu"].shape, seed) - share)
    r_hat = float(arviz_stats.rhat(draws, method="rank").to_array().max())
    found = [arviz_stats.ess(draws, method="bulk"), arviz_stats.ess(draws, method="tail", prob=(0.05, 0.95))]
    ess = float(min(of.to_array().min() for of in found))
    diverging = int(trace["sample_stats"]["diverging"].sum())
    return HierarchicalDifference(
        float(mean.mean()),
        *interval(mean.to_numpy().ravel()),
        p_a_better=float((mean < 0).mean()),
        between_clusters=float(draws["tau"].mean()) if terms.grouped else float("nan"),
        r_hat=r_hat,
        ess=ess,
        divergences=diverging,
        sound=r_hat <= WORST_R_HAT and ess >= LEAST_ESS and diverging <= MOST_DIVERGENCES * CHAINS * DRAWS,
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """Which terms the model has; one compiled model serves any number of rows and clusters.

    Attributes
    ----------
    grouped
        A cluster settles more than one question, so tau is told apart from s.
    mixed
        Both kinds of cluster occur, so there is delta.
    bands
        Bands of lead; omega takes two.
    """

    grouped: bool
    mixed: bool
    bands: int

    def parameters(self) -> tuple[str, ...]:
        """Names of what is estimated."""
        optional = {"tau": self.grouped, "delta": self.mixed, "omega": self.bands > 1}
        return ("mu", "s", *(name for name, there in optional.items() if there))

    def data(self) -> tuple[str, ...]:
        """Names of what is given."""
        return ("difference", "cluster", "event", "scale", *(("band",) if self.bands > 1 else ()))


@lru_cache(maxsize=4)
def _compiled(terms: Terms) -> Any:
    """Compile the model."""
    import nutpie
    import pymc as pm
    import pytensor.tensor as pt

    prepare_pytensor()
    with pm.Model() as model:
        scale = pm.Data("scale", np.array(1.0))
        difference = pm.Data("difference", np.zeros(2))
        cluster, event = pm.Data("cluster", np.arange(2)), pm.Data("event", np.zeros(2))
        s = pm.HalfNormal("s", 2 * scale)
        tau = pm.HalfNormal("tau", 3 * scale) if terms.grouped else 0.0
        expected = pm.Normal("mu", 0, scale) + (pm.Normal("delta", 0, 3 * scale) if terms.mixed else 0.0) * event
        if terms.bands > 1:
            by_lead = pm.Normal("v", shape=terms.bands) * pm.HalfNormal("omega", 0.5 * scale)
            effect = by_lead[pm.Data("band", np.zeros(2, dtype=np.int64))]
            difference = difference - (effect - effect.mean())
        rows, clusters = difference.shape[0], event.shape[0]
        member = pt.eq(cluster[None, :], pt.arange(clusters)[:, None])
        size = member.sum(axis=1)
        mean = pt.where(member, difference, 0.0).sum(axis=1) / size
        about = ((difference - mean[cluster]) ** 2).sum()
        pm.Potential("between", pm.logp(pm.Normal.dist(expected, pt.sqrt(tau**2 + s**2 / size)), mean).sum())
        pm.Potential("within", -(rows - clusters) * pt.log(s) - 0.5 * about / s**2)
    return nutpie.compile_pymc_model(model, freeze_model=False)


def _resampled_share(event: np.ndarray, sizes: np.ndarray, shape: tuple[int, ...], seed: int) -> xr.DataArray:
    """Share of questions that events settle, in samples of clusters like those at hand [chain, draw]."""
    weights = np.random.default_rng(seed).standard_exponential((*shape, len(sizes))) * sizes
    return xr.DataArray(weights @ event / weights.sum(axis=-1), dims=("chain", "draw"))


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
