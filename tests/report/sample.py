"""A made-up outlook document with every field of the schema filled, nulls, long notes and markup characters included.

The numbers are invented (smooth curves, not a fit); the events resemble the shipped case so that the page looks as it
will in use.
"""

import math
from datetime import timedelta
from typing import Any

from forecast.outlook.words import percent
from tests.report.sample_history import AS_OF, DIPLOMACY, FORCE, HOSTILE_NOTE, STEPS, event_row, sample_history
from tests.report.sample_leverage import sample_leverage

SCRIPT = "<script>alert('x')</script>"

LABELS = {
    "deal": "A deal (limited or comprehensive)",
    "deal_limited": "A limited deal",
    "deal_comprehensive": "A comprehensive deal",
    "deal_lasting": "A deal that lasts half a year",
    "escalation": "Escalation",
    "deal_before_escalation": "A deal before any escalation",
    "escalation_before_deal": "Escalation before any deal",
    "neither": "Neither a deal nor escalation",
}
# Probability of each event within a year, and the weeks in which about two thirds of it accrue.
_SPEED = {
    "deal": (0.52, 30.0),
    "deal_limited": (0.46, 28.0),
    "deal_comprehensive": (0.11, 60.0),
    "deal_lasting": (0.004, 90.0),
    "escalation": (0.95, 9.0),
    "deal_before_escalation": (0.17, 14.0),
    "escalation_before_deal": (0.80, 9.0),
    "neither": (0.99, 1.0),
}


# (week ending, ladder, new level, what happened)
def _week(number: float) -> str:
    return (AS_OF + timedelta(weeks=number)).isoformat()


def _chance(event: str, weeks: float) -> float:
    limit, pace = _SPEED[event]
    if event == "neither":
        return 0.85 * math.exp(-weeks / 11) + 0.02
    return limit * (1 - math.exp(-weeks / pace)) / (1 - math.exp(-52 / pace))


def _interval(chance: float) -> tuple[float, float]:
    spread = 0.9 * chance * (1 - chance)
    return max(0.0, chance - 0.6 * spread), min(1.0, chance + spread)


def _headline(event: str, fraction: str, word: str, word_range: str) -> dict[str, Any]:
    chance = _chance(event, 13)
    lower, upper = _interval(chance)
    return {
        "event": event,
        "label": LABELS[event],
        "definition": f"{LABELS[event]}: a step up its ladder, as coded by the rules of the case.",
        "horizon_weeks": 13,
        "by": _week(13),
        "probability": chance,
        "mcse": 0.004,
        "lower": lower,
        "upper": upper,
        "interval": 0.9,
        "percent": percent(chance),
        "fraction": fraction,
        "word": word,
        "word_range": word_range,
        "sentence": f"{LABELS[event]} by 8 January 2027: {percent(chance)} ({fraction}; {word}).",
    }


def _headlines() -> list[dict[str, Any]]:
    return [
        _headline("deal", "about 1 in 5", "unlikely", "20–45 %"),
        _headline("escalation", "about 3 in 4", "likely", "55–80 %"),
        _headline("deal_lasting", "less than 1 in 100", "almost no chance", "below 5 %"),
    ]


def _outcomes() -> dict[str, Any]:
    rows = [
        ("escalation_first", "Escalation before any deal", 0.541, 27),
        ("neither", "Neither by then", 0.236, 12),
        ("limited_first", "A limited deal first", 0.181, 9),
        ("comprehensive_first", "A comprehensive deal first", 0.042, 2),
    ]
    return {
        "horizon_weeks": 26,
        "by": _week(26),
        "categories": [
            {"key": key, "label": label, "probability": chance, "mcse": 0.006, "dots": dots}
            for key, label, chance, dots in rows
        ],
        "note": "Counted on the same draws as everything else, so the four shares make one whole.",
    }


def _probabilities() -> list[dict[str, Any]]:
    horizons = [(4, _week(4)), (13, _week(13)), (26, _week(26)), (52, _week(52)), (None, "2026-12-31")]
    rows = []
    for event, label in LABELS.items():
        for weeks, by in horizons:
            chance = _chance(event, weeks if weeks is not None else 11.9)
            lower, upper = _interval(chance)
            rows.append(
                {
                    "event": event,
                    "label": label,
                    "definition": f"{label} by the end of the day named; “&” and <i> must survive.",
                    "horizon_weeks": weeks,
                    "by": by,
                    "mean": chance,
                    "mcse": 0.002 + 0.01 * chance * (1 - chance),
                    "lower": lower,
                    "upper": upper,
                    "interval": 0.9,
                    "r_hat": 1.001,
                    "ess": 3200.0,
                    "display": percent(chance),
                }
            )
    return [row for row in rows if not (row["event"] == "deal_lasting" and row["horizon_weeks"] is None)]


def _timing() -> dict[str, Any]:
    weeks = list(range(53))
    curves = []
    for event in ("deal_limited", "deal_comprehensive", "escalation", "deal"):
        means = [_chance(event, week) for week in weeks]
        bands = [_interval(mean) for mean in means]
        curves.append(
            {
                "event": event,
                "label": LABELS[event],
                "mean": means,
                "lower": [band[0] for band in bands],
                "upper": [band[1] for band in bands],
            }
        )
    return {"weeks": weeks, "dates": [_week(week) for week in weeks], "interval": 0.9, "curves": curves}


def _first_passage() -> list[dict[str, Any]]:
    rows: list[tuple[str, list[int | None], float]] = [
        ("deal", [5, 13, 48], 0.48),
        ("deal_comprehensive", [45, None, None], 0.89),
        ("escalation", [1, 3, 6], 0.05),
    ]
    return [
        {
            "event": event,
            "label": LABELS[event],
            "quantiles": [{"q": q, "weeks": weeks} for q, weeks in zip((0.1, 0.25, 0.5), found, strict=True)],
            "not_within": never,
            "horizon_weeks": 52,
        }
        for event, found, never in rows
    ]


def _occupancy() -> dict[str, Any]:
    diplomacy, force = [], []
    for week in range(53):
        gone = 1 - math.exp(-week / 16)
        diplomacy.append([1 - 0.52 * gone, 0.24 * gone, 0.24 * gone, 0.04 * gone])
        force.append([0.14 * gone, 1 - 0.62 * gone, 0.48 * gone])
    return {
        "dates": [_week(week) for week in range(53)],
        "ladders": [
            {"ladder": "diplomacy", "levels": DIPLOMACY, "mean": diplomacy},
            {"ladder": "force", "levels": FORCE, "mean": force},
        ],
    }


def _state() -> dict[str, Any]:
    return {
        "diplomacy": {
            "level": "none",
            "level_index": 0,
            "since": "2026-10-05",
            "weeks": 0.6,
            "because": [
                event_row(363, "2026-10-05", STEPS[-2][3], signal="walkout", side="iran"),
                event_row(361, "2026-10-04", HOSTILE_NOTE, signal="rejection", side="iran"),
            ],
        },
        "force": {"level": "coercion", "level_index": 1, "since": "2026-10-09", "weeks": 0.0, "because": []},
        "marks": [
            {"mark": "blockade", "label": "Blockade in force", "on": True, "since": "2026-07-14"},
            {"mark": "ceasefire", "label": "Ceasefire in force", "on": False, "since": None},
        ],
    }


def _signals() -> list[dict[str, Any]]:
    names = ("signal", "label", "last_event", "last_published", "age_days", "late_after_days", "status", "value")
    rows = [
        ("rial", "Rial, free market", "2026-10-08", "2026-10-09", 1, 7, "fresh", 2677000),
        ("brent", "Brent, front month", "2026-10-09", "2026-10-09", 0, 5, "fresh", 94.316),
        ("oil_exports", "Iran's crude exports", "2026-07-31", "2026-08-20", 70, 60, "late", 0.41),
        ("stock_60", "Uranium enriched to 60 %", "2025-06-13", "2025-09-03", 483, 120, "stale", 440.9),
        ("breakout", "Breakout time", None, None, None, 120, "unknown", None),
    ]
    units = ["IRR/USD", "USD/bbl", "mb/d", "kg U", "weeks"]
    notes = ["", "", "Tanker trackers disagree by 0.3 mb/d.", f"Unknown since inspectors left {SCRIPT}", ""]
    return [
        {**dict(zip(names, row, strict=True)), "unit": unit, "note": note}
        for row, unit, note in zip(rows, units, notes, strict=True)
    ]


def _drivers() -> list[dict[str, Any]]:
    rows = [
        ("Economic pressure", "limited deal", 0.12, -0.21, 0.47, 0.72),
        ("Economic pressure", "conflict", -0.04, -0.38, 0.31, 0.42),
        ("Walkouts, United States", "limited deal", -0.33, -0.74, 0.02, 0.06),
        ("Threats with a deadline", "conflict", 0.41, 0.09, 0.77, 0.993),
    ]
    names = ("driver", "transition", "median", "lower", "upper", "p_positive")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _health() -> dict[str, Any]:
    names = ("check", "label", "value", "review", "fail", "better", "status", "where")
    rows = [
        ("r_hat", "R-hat, worst parameter", 1.0123, 1.01, 1.05, "lower", "review", "alpha[limited]"),
        ("ess_bulk", "Effective draws, smallest", 812.4, 400, 100, "higher", "pass", "sigma_dyad"),
        ("divergences", "Divergent transitions", 0, 1, 40, "lower", "pass", ""),
        ("stale_share", "Share of signals stale", None, None, None, "lower", "pass", "stock_60"),
    ]
    checks = [dict(zip(names, row, strict=True)) for row in rows]
    checks[0]["text"] = "Slightly above 1.01: run longer chains before you quote a single per cent."
    return {"gate": "review", "checks": [{"text": "", **check} for check in checks]}


def _assumptions() -> list[dict[str, Any]]:
    return [
        {
            "block": "diplomacy",
            "name": "limited",
            "family": "Normal",
            "parameters": {"mu": -4.3, "sigma": 0.6},
            "statement": "From talks, a limited deal within 26 weeks: 30 % (middle 80 %: 14–55 %).",
            "rationale": 'Episodes since 1980; "less-for-less" is the modal deal & < 1 a year.',
            "source": "episodes table ; https://www.example.org/episodes",
            "date": "2026-11-20",
        },
        {
            "block": "force",
            "name": "dyad_sd",
            "family": "HalfNormal",
            "parameters": {"sigma": 0.5},
            "statement": "Dyads differ by a factor of at most about e in their hazards.",
            "rationale": "Partial pooling needs a scale; 0.5 allows threefold differences.",
            "source": "own judgement",
            "date": "2026-11-20",
        },
    ]


def sample_document() -> dict[str, Any]:
    """Build the document afresh, so that a test may change its copy."""
    return {
        "schema": "forecast-outlook/1",
        "case": {
            "id": "us-iran",
            "title": "U.S.–Iran negotiations under threat",
            "sides": [
                {"id": "us", "label": "United States", "role": "coercer"},
                {"id": "iran", "label": "Iran", "role": "target"},
            ],
        },
        "issue": {
            "as_of": "2026-10-09T23:59:59Z",
            "coded_until": "2026-10-09",
            "last_published": "2026-10-09T23:59:59Z",
            "run_at": "2026-11-21T10:00:00Z",
            "next_run": "Friday 16 October 2026, after the weekly close",
            "rung": "R3",
            "rung_title": "Hazards with raw signals",
            "model_version": "0.1.0",
            "gate": "review",
            "lead_weeks": 1.4,
            "staleness": {
                "status": "late",
                "days": 43,
                "text": "The data end 43 days before the run; the weeks between were simulated.",
            },
            "fallbacks": [],
            "ledger": {"length": 1296, "head": "9f3a" * 16},
            "evidence": "457 weeks, 24 steps up, 22 down, but only 2 deals seen: the hazard of a deal rests on priors.",
        },
        "state": _state(),
        "headlines": _headlines(),
        "outcomes": _outcomes(),
        "probabilities": _probabilities(),
        "questions": [{"id": event, "event": event, "wording": "sha256:" + "7c" * 32} for event in LABELS],
        "resolution": {
            "source": "The tables of this case, <coded> by its rules.",
            "void": "If the sources no longer tell.",
            "time_zone": "UTC",
        },
        "timing": _timing(),
        "first_passage": _first_passage(),
        "occupancy": _occupancy(),
        "history": sample_history(),
        "signals": _signals(),
        "drivers": _drivers(),
        "leverage": sample_leverage(),
        "health": _health(),
        "assumptions": _assumptions(),
        "limits": [
            "The model cannot see back channels until somebody reports them.",
            f"Levels of misperception are a convention (mean zero) {SCRIPT}.",
        ],
        "manifest": {
            "command": "forecast run us-iran --as-of 2026-10-09 --rung R3 --seed 1",
            "seed": 20261009,
            "draws": 1000,
            "chains": 4,
            "data_digest": "sha256:" + "0123456789abcdef" * 4,
            "prior_digest": "sha256:" + "fedcba9876543210" * 4,
            "draw_digest": "sha256:" + "00ff" * 16,
            "versions": {"python": "3.12.12", "pymc": "6.4.1", "nutpie": "0.16.11"},
            "flags": {"numba__fastmath": False},
            "timings_s": {"compile": 41.237, "sample": 63.02, "simulate": 12.0},
            "rows_read": {"events": 388, "rial": 5085},
        },
    }
