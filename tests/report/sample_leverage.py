"""A made-up leverage section of the document, with every field filled: smooth paths of both sides, as rung R6 has."""

import math
from datetime import date, timedelta
from typing import Any

from forecast.outlook.leverage import speaking_of

SIDES = {"us": "United States", "iran": "Iran"}
BANDS = {0.5: 0.67, 0.8: 1.28, 0.95: 1.96}
LABELS = {"true": "True leverage", "believed": "Believed leverage", "misperception": "Misperception", "gap": "Gap"}
WEEKS = 104


def _median(side: str | None, latent: str) -> list[float]:
    phase = {"us": 0.0, "iran": 2.0, None: 4.0}[side]
    size = {"true": 0.9, "believed": 1.2, "misperception": 0.3, "gap": 1.4}[latent]
    return [round(size * math.sin(week / 17 + phase), 3) for week in range(WEEKS)]


def _series(side: str | None, latent: str, spread: float, prior: float) -> dict[str, Any]:
    median = _median(side, latent)
    return {
        "latent": latent,
        "label": LABELS[latent],
        "median": median,
        "bands": [
            {
                "probability": p,
                "lower": [round(m - half * spread, 3) for m in median],
                "upper": [round(m + half * spread, 3) for m in median],
            }
            for p, half in BANDS.items()
        ],
        "samples": [
            [round(m + spread * math.sin(week / (2 + k)), 3) for week, m in enumerate(median)] for k in range(3)
        ],
        "prior": [{"probability": p, "lower": -prior * half, "upper": prior * half} for p, half in BANDS.items()],
    }


def _estimate(median: float, half: float, contraction: float, moved: float = 0.1) -> dict[str, Any]:
    return {
        "median": median,
        "lower": median - half,
        "upper": median + half,
        "prior_sd": 1.0,
        "posterior_sd": math.sqrt(1 - contraction),
        "contraction": contraction,
        "moved": moved,
        "speaking": speaking_of(contraction, moved),
    }


def _now_row(number: int, side: str | None, latent: str) -> dict[str, Any]:
    return {
        "latent": latent,
        "label": LABELS[latent],
        "side": side,
        "side_label": None if side is None else SIDES[side],
        **_estimate(_median(side, latent)[-1], 1.0123, (0.62, 0.41, 0.034, -0.051, 0.27, 0.19, 0.44)[number]),
        "p_positive": 0.13 + 0.1 * number,
        "p_higher": 0.88 - 0.11 * number,
        "from_drivers": 0.0 if latent == "misperception" else 0.37,
        "p_positive_without_drivers": 0.09 + 0.1 * number,
    }


def _gap_effects() -> list[dict[str, Any]]:
    rows = [
        ("limited", "a limited deal", 0.71, 0.22, 0.32),
        ("collapse", "collapse of talks", 1.38, 0.51, 0.08),
        ("up", "a step up in force", 1.21, 0.43, 0.27),
    ]
    return [
        {
            "group": group,
            "label": label,
            **_estimate(median, half, contraction),
            "p_above_one": 0.1 if median < 1 else 0.86,
            "prior_median": 0.67,
            "prior_lower": 0.35,
            "prior_upper": 1.29,
        }
        for group, label, median, half, contraction in rows
    ]


def _loadings() -> list[dict[str, Any]]:
    rows = [
        ("oil_price", "Oil price over its year", "us", "true", -1, 0.82, 0.53),
        ("threats_us", "U.S. threats | <i>counted</i>", "us", "believed", 1, 0.67, 0.06),
        ("rial", "Rial against its year", "iran", "true", -1, 0.91, 0.71),
        ("relief", "Relief & restraint", "iran", "believed", -1, 0.38, 0.22),
    ]
    return [
        {
            "item": item,
            "label": label,
            "side": side,
            "side_label": SIDES[side],
            "reveals": reveals,
            "sign": sign,
            **_estimate(median, 0.3, contraction),
            "moves_gap": None if item == "relief" else 0.2 * sign,
        }
        for item, label, side, reveals, sign, median, contraction in rows
    ]


def sample_leverage() -> dict[str, Any]:
    """Build the section afresh, so that a test may change its copy."""
    last = date(2026, 10, 9)
    kinds = {"true": (0.6, 1.0), "believed": (0.75, 1.22), "misperception": (0.5, 0.7)}
    weeks = [(last - timedelta(weeks=WEEKS - 1 - week)).isoformat() for week in range(WEEKS)]
    latents = [*((side, latent) for side in SIDES for latent in kinds), (None, "gap")]
    return {
        "weeks": weeks,
        "bands": list(BANDS),
        "sides": [
            {"side": side, "label": label, "latents": [_series(side, latent, *kinds[latent]) for latent in kinds]}
            for side, label in SIDES.items()
        ],
        "gap": _series(None, "gap", 0.8, 1.22),
        "now": {
            "week": weeks[-1],
            "compared_week": weeks[-14],
            "interval": 0.9,
            "rows": [_now_row(number, side, latent) for number, (side, latent) in enumerate(latents)],
        },
        "summary": [
            "United States: 13 % that its true leverage is above what is usual for it.",
            "Gap: 73 % that there is less room for a deal than usual; 22 % that there is less than on 10 July 2026.",
        ],
        "gap_effects": _gap_effects(),
        "loadings": _loadings(),
        "driver_effects": [
            {
                "driver": driver,
                "label": label,
                "side": side,
                "side_label": SIDES[side],
                "sign": sign,
                **_estimate(0.31, 0.2, contraction),
                "adds_now": 0.45 * sign,
            }
            for driver, label, side, sign, contraction in (
                ("blockade", "Blockade in force", "us", 1, 0.15),
                ("pressure", "Sanctions pressure", "iran", -1, 0.09),
            )
        ],
        "misperception_scales": [
            {"side": side, "side_label": label, **_estimate(0.6, 0.4, *learned)}
            for (side, label), learned in zip(SIDES.items(), ((0.2, 0.1), (-0.3, 1.3)), strict=True)
        ],
        "evidence": [
            {"side": "us", "side_label": "United States", "structural": 1, "behavioural": 4, "drivers": 2},
            {"side": "iran", "side_label": "Iran", "structural": 5, "behavioural": 6, "drivers": 1},
        ],
        "correction": {
            "khat": 0.31,
            "limit": 0.7,
            "applied": True,
            "efficiency": 0.83,
            "log_weight_sd": 0.42,
            "distance": 0.23,
            "negligible": 0.02,
        },
        "notes": [
            "Misperception is relative: “as misperceived as this side usually is”.",
            "Predictive, not causal. Contraction below 0.1 says “prior speaking”.",
        ],
    }
