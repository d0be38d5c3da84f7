"""The leverage section of the document: latent paths with their priors, and what the data added to the priors.

Every row of the section has a contraction, 1 - variance of the posterior / variance of the prior, and how far the mean
has moved, in standard deviations of the prior (Schad, Betancourt and Vasishth, 2021): where neither is much the prior
is speaking. Priors are drawn from the prior files with a fixed seed. For a latent the variance is the one which its own
law leaves in the last week, under the posterior of scale and learning: a small misperception whose path nothing tells
of is the prior speaking. Drivers are left out, of the posterior too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import xarray as xr

from forecast.inference import Fit
from forecast.inference.latents import KHAT_LIMIT, NEGLIGIBLE
from forecast.models import Priors
from forecast.models.leverage import variance_by_law
from forecast.models.moves import GAP_GROUPS, gap_weight
from forecast.outlook.probabilities import INTERVAL
from forecast.outlook.words import percent

WEEKS = 104
BANDS = (0.5, 0.8, 0.95)
SAMPLE_PATHS = 3
COMPARED_WEEKS = 13
LEAST_CONTRACTION, CLEAR_CONTRACTION = 0.1, 1 / 3  # standard deviation down by a twentieth, by nearly a fifth
PRIOR_DRAWS, PRIOR_SEED = 40_000, 20180508
CHANGES_IT = 0.05  # of a probability, for the summary to say what it would be otherwise
LEAST_MOVE = 0.5  # standard deviations of the prior
PRIOR_SPEAKS, MOSTLY_PRIOR = "prior speaking", "mostly prior"
MOVED, DATA_SPEAK = "moved, not narrowed", "data speaking"
_DECIMALS = 3  # of curves: a thousandth of a standard deviation cannot be seen

_LABELS = {"true": "True leverage", "believed": "Believed leverage", "misperception": "Misperception", "gap": "Gap"}
_GAP_LABELS = {
    "limited": "a limited deal",
    "comprehensive": "a comprehensive deal",
    "open": "talks opening",
    "collapse": "collapse of talks",
    "lapse": "the end of a deal",
    "up": "a step up in force",
    "down": "a step down in force",
}

_SCALE_NOTE = (
    "Zero is what is usual over the years on record, one is the usual spread of true leverage (its standard deviation, "
    "drivers left out). Each side has its own zero: the sides cannot be ranked."
)
_RUNG_NOTES = {
    "misperception": (
        "Misperception is relative. Its level is a convention (mean zero), so zero reads “as misperceived as this side "
        "usually is”, and above zero “surer of itself than usual”. Whether a side is usually right, these data cannot "
        "say."
    ),
    "true": "This rung knows no misperception: each side is taken to act on its true leverage.",
    "tension": "This rung has one tension for the dyad, the gap: what each side holds is not told apart.",
}
_CAVEATS = {
    PRIOR_SPEAKS: " (the prior speaking: the data hardly tell)",
    MOSTLY_PRIOR: " (mostly the prior speaking: the data tell a little)",
}
_CAUSE_NOTE = (
    "Predictive, not causal: these are the paths that best account for items and ladders together. That a change of "
    "leverage would change what happens is not shown by them."
)
_CONTRACTION_NOTE = (
    "Contraction is 1 less the variance of the posterior over that of the prior: 1 where the data settle a number, 0 "
    f"where they leave it as wide as it was. Below {LEAST_CONTRACTION} it says “{PRIOR_SPEAKS}”, below a third "
    f"“{MOSTLY_PRIOR}”; where the mean has moved by {LEAST_MOVE} prior standard deviations or more, data and prior "
    f"disagree: below {LEAST_CONTRACTION} that is “{MOVED}”. A latent is compared with what its own law leaves open in "
    "this week, its usual spread and what fighting has taught being as estimated, and what drivers add being left out."
)


@dataclass(frozen=True, slots=True)
class _Latent:
    """A latent, drivers left out but in ``draws``.

    Draws [sample, week], draws of its last week [sample], its variance there by law alone, and draws of its stationary
    prior [sample].
    """

    draws: np.ndarray
    bare: np.ndarray
    by_law: float
    prior: np.ndarray


def leverage_section(fit: Fit) -> dict[str, Any] | None:
    """Write the latent leverage of a fit as plain data.

    Parameters
    ----------
    fit
        The posterior.

    Returns
    -------
    dict or None
        JSON-ready; None for a rung without latents.
    """
    if "leverage" not in fit.posterior.data_vars:
        return None
    sides = {s.id: s.label for s in fit.history.case.sides}
    rng = np.random.default_rng(PRIOR_SEED)
    recent = fit.posterior.isel(week=slice(-WEEKS, None))
    weeks = [str(week.astype("datetime64[D]")) for week in recent["week"].values]
    latents = _latents(recent, variance_by_law(fit.posterior, fit.history), fit.priors, list(sides), rng)
    now = _now(latents, sides, weeks)
    return {
        "weeks": weeks,
        "bands": list(BANDS),
        "sides": [
            {"side": s, "label": label, "latents": [_series(kind, x) for (of, kind), x in latents.items() if of == s]}
            for s, label in sides.items()
            if (s, "true") in latents
        ],
        "gap": _series("gap", latents[None, "gap"]),
        "now": now,
        "summary": _summary(now["rows"], now["compared_week"]),
        "gap_effects": _gap_effects(fit, rng),
        "loadings": _loadings(fit, sides, rng),
        "driver_effects": _driver_effects(fit, sides, rng),
        "misperception_scales": _scales(fit, sides, rng),
        "evidence": _evidence(fit, sides),
        "correction": _correction(fit),
        "notes": _notes(fit),
    }


# --- latent paths ----------------------------------------------------------------------------------------------------


def _latents(
    recent: xr.Dataset, by_law: xr.DataArray, priors: Priors, sides: Sequence[str], rng: np.random.Generator
) -> dict[tuple[str | None, str], _Latent]:
    """Latents by side and kind, in order; belief is true leverage and misperception together, the gap has no side."""
    paths, shifts = _flat(recent["leverage"]), _flat(recent["shift"])
    names = [str(name) for name in recent["latent"].values]
    states = {
        name: _Latent(
            draws=paths[:, :, k],
            bare=paths[:, -1, k] - shifts[:, k],
            by_law=float(by_law.sel(state=name).mean()),
            prior=_prior(name, priors, rng),
        )
        for k, name in enumerate(names)
    }
    found: dict[tuple[str | None, str], _Latent] = {}
    for side in sides:
        true, misperception = states.get(f"true:{side}"), states.get(f"misperception:{side}")
        if true is not None:
            found[side, "true"] = true
        if true is not None and misperception is not None:
            found[side, "believed"] = _weighted([(1.0, true), (1.0, misperception)])
            found[side, "misperception"] = misperception
    together = _weighted([(gap_weight(name), state) for name, state in states.items()])
    return found | {(None, "gap"): replace(together, draws=_flat(recent["gap"]))}


def _weighted(terms: Sequence[tuple[float, _Latent]]) -> _Latent:
    """Weighted sum of latents, which are independent before the data."""
    return _Latent(
        draws=np.sum([w * x.draws for w, x in terms], axis=0),
        bare=np.sum([w * x.bare for w, x in terms], axis=0),
        by_law=sum(w**2 * x.by_law for w, x in terms),
        prior=np.sum([w * x.prior for w, x in terms], axis=0),
    )


def _prior(name: str, priors: Priors, rng: np.random.Generator) -> np.ndarray:
    """Draw a state from its stationary prior, drivers left out: of scale 1, or of misperception's own scale."""
    standard = rng.standard_normal(PRIOR_DRAWS)
    if name.startswith("misperception"):
        return standard * priors.draw("misperception_sd", PRIOR_DRAWS, rng)
    return standard


def _flat(draws: xr.DataArray) -> np.ndarray:
    """Chains one after the other [sample, ...], in double precision."""
    values = draws.transpose("chain", "draw", ...).values
    return values.reshape(-1, *values.shape[2:]).astype(float)


def _series(kind: str, latent: _Latent) -> dict[str, Any]:
    """Median, bands and sample paths by week; the bands of the prior are the same in every week."""
    tails = [((1 - p) / 2, (1 + p) / 2) for p in BANDS]
    posterior = np.quantile(latent.draws, [q for pair in tails for q in pair], axis=0)
    prior = np.quantile(latent.prior, [q for pair in tails for q in pair])
    places = [int((k + 0.5) / SAMPLE_PATHS * len(latent.draws)) for k in range(SAMPLE_PATHS)]
    return {
        "latent": kind,
        "label": _LABELS[kind],
        "median": _short(np.median(latent.draws, axis=0)),
        "bands": _bands(posterior),
        "samples": [_short(latent.draws[place]) for place in places],
        "prior": _bands(prior),
    }


def _bands(quantiles: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"probability": p, "lower": _short(quantiles[2 * k]), "upper": _short(quantiles[2 * k + 1])}
        for k, p in enumerate(BANDS)
    ]


def _short(values: np.ndarray) -> Any:
    return np.round(values, _DECIMALS).tolist()


# --- the latest week -------------------------------------------------------------------------------------------------


def _now(
    latents: Mapping[tuple[str | None, str], _Latent], sides: Mapping[str, str], weeks: Sequence[str]
) -> dict[str, Any]:
    before = max(len(weeks) - 1 - COMPARED_WEEKS, 0)
    rows = [
        {
            "latent": kind,
            "label": _LABELS[kind],
            "side": side,
            "side_label": None if side is None else sides[side],
            **_estimate(latent.draws[:, -1]),
            "p_positive": _share(latent.draws[:, -1] > 0),
            "p_higher": _share(latent.draws[:, -1] > latent.draws[:, before]),
            "from_drivers": float(np.median(latent.draws[:, -1] - latent.bare)),
            "p_positive_without_drivers": _share(latent.bare > 0),
            **_learned(latent.bare, 0.0, latent.by_law),
        }
        for (side, kind), latent in latents.items()
    ]
    return {"week": weeks[-1], "compared_week": weeks[before], "interval": INTERVAL, "rows": rows}


def _summary(rows: Sequence[Mapping[str, Any]], compared_week: str) -> list[str]:
    """What the latest week comes to, in words."""
    by_latent = {(row["side_label"], row["latent"]): row for row in rows}
    found = []
    for label in dict.fromkeys(row["side_label"] for row in rows if row["side"] is not None):
        true, misperception = by_latent[label, "true"], by_latent.get((label, "misperception"))
        text = f"{label}: {percent(true['p_positive'])} that its true leverage is above what is usual for it"
        text += _without_drivers(true)
        if misperception is not None:
            text += (
                f"; {percent(misperception['p_positive'])} that it rates itself higher, against that leverage, than "
                f"it usually does{_CAVEATS.get(misperception['speaking'], '')}"
            )
        found.append(f"{text}.")
    gap, day = rows[-1], date.fromisoformat(compared_week)
    text = (
        f"Gap: {percent(gap['p_positive'])} that there is less room for a deal than usual{_without_drivers(gap)}; "
        f"{percent(gap['p_higher'])} that there is less than on {day.day} {day:%B %Y}."
    )
    return [*found, text]


def _without_drivers(row: Mapping[str, Any]) -> str:
    """Say what would be left of a statement without the drivers, where that is another statement."""
    left = row["p_positive_without_drivers"]
    return f" ({percent(left)} without what drivers add)" if abs(left - row["p_positive"]) >= CHANGES_IT else ""


# --- parameters ------------------------------------------------------------------------------------------------------


def _gap_effects(fit: Fit, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Odds ratios per unit of the gap; the contraction is that of the log odds."""
    rows = []
    for k, group in enumerate(GAP_GROUPS):
        draws = _flat(fit.posterior["gap_effect"])[:, k]
        prior = fit.priors.draw(f"gap_on_{group}", PRIOR_DRAWS, rng)
        before = _estimate(np.exp(prior))
        rows.append(
            {
                "group": group,
                "label": _GAP_LABELS[group],
                **_estimate(np.exp(draws)),
                "p_above_one": _share(draws > 0),
                **{f"prior_{name}": value for name, value in before.items()},
                **_learned(draws, prior.mean(), prior.var()),
            }
        )
    return rows


def _loadings(fit: Fit, sides: Mapping[str, str], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Loadings are positive: the sign says whether more leverage raises the item or lowers it."""
    rows = []
    for reveals in ("true", "believed"):
        drawn = fit.posterior[f"loading_{reveals}"]
        prior = fit.priors.draw(f"loading_{reveals}", PRIOR_DRAWS, rng)
        for item in fit.history.items.items:
            if item.reveals != reveals:
                continue
            draws = _flat(drawn.sel({f"{reveals}_item": item.id}))
            rows.append(
                {
                    "item": item.id,
                    "label": item.label,
                    "side": item.side,
                    "side_label": sides[item.side],
                    "reveals": reveals,
                    "sign": int(item.sign),
                    **_estimate(draws),
                    **_learned(draws, prior.mean(), prior.var()),
                    "moves_gap": _moves_gap(fit, item.id),
                }
            )
    return sorted(rows, key=lambda row: list(sides).index(row["side"]))


def _moves_gap(fit: Fit, item: str) -> float | None:
    """How much higher the gap is now for what an item says; None where that is not on record."""
    if fit.lessons is None:
        return None
    return float(fit.lessons.gap[fit.lessons.items.index(item)])


def _driver_effects(fit: Fit, sides: Mapping[str, str], rng: np.random.Generator) -> list[dict[str, Any]]:
    prior = fit.priors.draw("driver_effect", PRIOR_DRAWS, rng)
    drawn = {d.id: _flat(fit.posterior["driver_effect"].sel(driver=d.id)) for d in fit.history.items.drivers}
    return [
        {
            "driver": driver.id,
            "label": driver.label,
            "side": driver.side,
            "side_label": sides[driver.side],
            "sign": int(driver.sign),
            **_estimate(drawn[driver.id]),
            **_learned(drawn[driver.id], prior.mean(), prior.var()),
            "adds_now": float(np.median(drawn[driver.id]) * moved),
        }
        for driver, moved in zip(fit.history.items.drivers, fit.history.items.moved[-1], strict=True)
    ]


def _scales(fit: Fit, sides: Mapping[str, str], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Standard deviation of misperception by side, where the rung has any."""
    states = {str(name) for name in fit.posterior["state"].values}
    members = {s: f"misperception:{s}" for s in sides if f"misperception:{s}" in states}
    prior = fit.priors.draw("misperception_sd", PRIOR_DRAWS, rng)
    drawn = {s: _flat(fit.posterior["scale"].sel(state=name)) for s, name in members.items()}
    return [
        {"side": s, "side_label": sides[s], **_estimate(draws), **_learned(draws, prior.mean(), prior.var())}
        for s, draws in drawn.items()
    ]


def _estimate(draws: np.ndarray) -> dict[str, float]:
    lower, median, upper = np.quantile(draws, [(1 - INTERVAL) / 2, 0.5, (1 + INTERVAL) / 2])
    return {"median": float(median), "lower": float(lower), "upper": float(upper)}


def _learned(posterior: np.ndarray, mean: float, variance: float) -> dict[str, Any]:
    """How far draws have shrunk and moved from a prior with this mean and variance."""
    contraction = float(1 - posterior.var() / variance)
    moved = float((posterior.mean() - mean) / np.sqrt(variance))
    return {
        "prior_sd": float(np.sqrt(variance)),
        "posterior_sd": float(posterior.std()),
        "contraction": contraction,
        "moved": moved,
        "speaking": speaking_of(contraction, moved),
    }


def speaking_of(contraction: float, moved: float) -> str:
    """Say in a word whether a number comes from data or prior, given how much it narrowed and how far it moved."""
    far = abs(moved) >= LEAST_MOVE
    if contraction >= (LEAST_CONTRACTION if far else CLEAR_CONTRACTION):
        return DATA_SPEAK
    if far:
        return MOVED
    return MOSTLY_PRIOR if contraction >= LEAST_CONTRACTION else PRIOR_SPEAKS


def _share(held: np.ndarray) -> float:
    return float(held.mean())


# --- words -----------------------------------------------------------------------------------------------------------


def _evidence(fit: Fit, sides: Mapping[str, str]) -> list[dict[str, Any]]:
    """How many items with values and drivers that moved speak of each side."""
    of, spoken = fit.history.items, fit.history.items.spoken()
    items, drivers = [i for i in of.items if i.id in spoken], [d for d in of.drivers if d.id in spoken]
    return [
        {
            "side": side,
            "side_label": label,
            "structural": sum(i.side == side and i.reveals == "true" for i in items),
            "behavioural": sum(i.side == side and i.reveals == "believed" for i in items),
            "drivers": sum(d.side == side for d in drivers),
        }
        for side, label in sides.items()
    ]


def _correction(fit: Fit) -> dict[str, Any] | None:
    """How far the latent paths had to be corrected; None where that is not on record."""
    found = fit.correction
    if found is None:
        return None
    khat = float(found.khat) if np.isfinite(found.khat) else None
    return {
        "khat": khat,
        "limit": KHAT_LIMIT,
        "applied": bool(found.applied),
        "efficiency": float(found.efficiency),
        "log_weight_sd": float(found.log_weight_sd),
        "distance": found.distance,
        "negligible": NEGLIGIBLE,
    }


def _notes(fit: Fit) -> list[str]:
    """What the numbers mean and what they do not."""
    latents = {str(name).split(":")[0] for name in fit.posterior["latent"].values}
    kind = next(kind for kind in _RUNG_NOTES if kind in latents)
    return [_SCALE_NOTE, _RUNG_NOTES[kind], _CAUSE_NOTE, _CONTRACTION_NOTE]
