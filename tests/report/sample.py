"""A made-up outlook document with every field of the schema filled, nulls, long notes and markup characters included.

The numbers are invented (smooth curves, not a fit); the events resemble the shipped case so that the page looks as it
will in use.
"""

import math
from datetime import date, timedelta
from typing import Any

from forecast.outlook.words import percent
from tests.report.sample_leverage import sample_leverage

AS_OF = date(2026, 10, 9)
FIRST_WEEK = date(2018, 1, 12)
HOSTILE_NOTE = 'Trump: "last & final" offer <b>or else</b> | *deadline* [see](javascript:alert(1)) `now` \\ $5m_x_'
SCRIPT = "<script>alert('x')</script>"

DIPLOMACY = ["none", "talks", "limited_deal", "comprehensive_deal"]
FORCE = ["calm", "coercion", "conflict"]

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
_STEPS: list[tuple[str, str, int, str]] = [
    ("2018-05-11", "diplomacy", 0, "US announces withdrawal from the JCPOA and re-imposition of sanctions"),
    ("2019-05-17", "force", 1, "Four ships damaged by sabotage off Fujairah; US blames Iran"),
    ("2019-06-21", "force", 2, "IRGC shoots down US RQ-4 drone near Hormuz"),
    ("2019-08-02", "force", 1, "No kinetic act for four weeks"),
    ("2019-09-06", "diplomacy", 1, "French mediation: Zarif flies to Biarritz during the G7"),
    ("2019-10-11", "diplomacy", 0, "Track lapses without a meeting"),
    ("2020-01-03", "force", 2, "US drone strike in Baghdad kills Qasem Soleimani"),
    ("2020-02-14", "force", 1, "No kinetic act for four weeks"),
    ("2020-09-11", "force", 0, "Quiet for a quarter"),
    ("2021-04-09", "diplomacy", 1, "Vienna round 1 (6-9 April), indirect"),
    ("2021-07-23", "diplomacy", 0, "Iran says no return to Vienna before the new government is seated"),
    ("2021-08-06", "force", 1, "Drone attack on Mercer Street kills two; UK, US and Israel blame Iran"),
    ("2021-12-03", "diplomacy", 1, "Vienna round 7 (29 Nov - 17 Dec)"),
    ("2022-03-11", "diplomacy", 0, 'EU announces pause in Vienna talks; text "essentially ready"'),
    ("2022-04-15", "force", 0, "Quiet for a quarter"),
    ("2022-07-01", "diplomacy", 1, "Indirect US-Iran talks in Doha (28-29 June), no progress"),
    ("2022-09-09", "diplomacy", 0, "US calls the Iranian reply to the EU text not constructive"),
    ("2023-04-28", "force", 1, "Advantage Sweet seized in the Gulf of Oman"),
    ("2023-05-12", "diplomacy", 1, "Indirect US-Iran talks in Oman"),
    ("2023-08-11", "diplomacy", 2, "Detainee and 6 billion dollar deal announced"),
    ("2023-10-13", "diplomacy", 0, "US and Qatar agree to hold back the 6 billion dollars"),
    ("2024-04-19", "force", 2, "300+ drones and missiles at Israel, first direct attack"),
    ("2024-05-31", "force", 1, "No kinetic act for four weeks"),
    ("2025-04-11", "diplomacy", 1, "Trump announces talks with Iran for 12 April"),
    ("2025-06-13", "force", 2, "Israel begins its 12-day campaign; inspectors lose access"),
    ("2025-06-20", "diplomacy", 0, "Round 6 (Muscat, 15 June) cancelled after the attack"),
    ("2025-07-25", "force", 1, "Israel-Iran ceasefire has held for four weeks"),
    ("2026-01-16", "diplomacy", 1, "Back-channel contact between Araghchi and Witkoff confirmed"),
    ("2026-01-23", "diplomacy", 0, "Trump cancels meetings with Iranian officials over the crackdown"),
    ("2026-02-06", "diplomacy", 1, "Indirect talks in Muscat (Witkoff, Kushner, Araghchi)"),
    ("2026-03-06", "force", 2, "US and Israel open a joint campaign; Iran closes the Strait of Hormuz"),
    ("2026-03-13", "diplomacy", 0, "Talks end with the war"),
    ("2026-04-10", "diplomacy", 1, "Two-week ceasefire; US accepts the Iranian ten-point text as a basis"),
    ("2026-04-17", "diplomacy", 0, "Vance leaves with a final offer on the table; no agreement"),
    ("2026-05-01", "force", 1, "Ceasefire extended without end date"),
    ("2026-05-08", "force", 2, "Missile, drone and boat attack on three US destroyers in the strait"),
    ("2026-05-29", "diplomacy", 1, "Tentative memorandum reached at negotiator level"),
    ("2026-06-19", "diplomacy", 2, "Islamabad Memorandum signed (14 points, 60 days)"),
    ("2026-06-19", "force", 1, "The memorandum ends hostilities for its 60 days"),
    ("2026-06-26", "force", 2, "First US strikes on Iran since the memorandum"),
    ("2026-07-10", "diplomacy", 0, HOSTILE_NOTE),
    ("2026-08-28", "force", 1, "No kinetic act for four weeks"),
    ("2026-09-04", "force", 2, "Dozens of coastal targets hit"),
    ("2026-09-25", "diplomacy", 1, "US envoys and Araghchi's delegation meet around the General Assembly"),
    ("2026-10-09", "diplomacy", 0, "Pezeshkian calls talks meaningless; Ghalibaf: closed until seven conditions met"),
    ("2026-10-09", "force", 1, "No strike on either side's territory for four weeks; tankers are still being hit"),
]

_SOURCES = [
    "https://www.example.org/news/2026/10/7/us-sets-new-demands?a=1&b=2 ; Agency wire 2026-10-07",
    "GOV/2021/10: https://www.example.net/report_(final).html, table 2",
    "archived public timeline (table of IAEA GOV documents)",
    'javascript:alert("no link") ; HTTP://EXAMPLE.COM/a|b',
    "github.com/someone/briefs 2026-10-06 (machine-written daily brief; cross-check)",
]

_RUGS: list[tuple[str, str, str | None, int]] = [  # signal, label, side, one event about every so many weeks
    ("talks_round", "Rounds of talks", None, 23),
    ("walkout", "Walkouts", "us", 31),
    ("walkout", "Walkouts", "iran", 37),
    ("offer", "Offers", "iran", 41),
    ("threat", "Threats with a deadline", "us", 19),
    ("strike", "Strikes", "us", 17),
    ("strike", "Strikes", "iran", 21),
    ("israel_strike", "Israeli strikes", None, 47),
    ("sanctions", "Rounds of sanctions", "us", 9),
    ("seizure", "Ships seized", "iran", 29),
    ("hormuz_incident", "Ships attacked in or near Hormuz", None, 13),
    ("enrichment_up", "Enrichment stepped up", "iran", 33),
    ("access_cut", "Inspectors' access cut", "iran", 43),
    ("comprehensive_offer", "Comprehensive offers", "us", 900),
]


def _week(number: float) -> str:
    return (AS_OF + timedelta(weeks=number)).isoformat()


def _event(number: int, day: str, note: str, *, signal: str = "talks_round", side: str = "both") -> dict[str, Any]:
    return {
        "id": f"E{number:04d}",
        "date": day,
        "published": day if number % 3 else (date.fromisoformat(day) + timedelta(days=1)).isoformat(),
        "signal": signal,
        "side": side,
        "note": note,
        "source": _SOURCES[number % len(_SOURCES)],
    }


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


def _weeks() -> list[str]:
    count = (AS_OF - FIRST_WEEK).days // 7 + 1
    return [(FIRST_WEEK + timedelta(weeks=number)).isoformat() for number in range(count)]


def _path(ladder: str, start: int, weeks: list[str]) -> list[int]:
    moves = {week: level for week, name, level, _ in _STEPS if name == ladder}
    path, level = [], start
    for week in weeks:
        level = moves.get(week, level)
        path.append(level)
    return path


def _steps() -> list[dict[str, Any]]:
    now = {"diplomacy": 3, "force": 0}
    names = {"diplomacy": DIPLOMACY, "force": FORCE}
    rows = []
    for number, (week, ladder, level, note) in enumerate(_STEPS, start=1):
        day = (date.fromisoformat(week) - timedelta(days=number % 6)).isoformat()
        extra = [_event(900 + number, day, "A second report of the same day")] if number % 7 == 0 else []
        events = [] if note.startswith("Quiet") else [_event(number, day, note), *extra]
        rows.append(
            {
                "week": week,
                "ladder": ladder,
                "from": names[ladder][now[ladder]],
                "to": names[ladder][level],
                "events": events,
            }
        )
        now[ladder] = level
    return rows


def _counts() -> list[dict[str, Any]]:
    levels = {"diplomacy": DIPLOMACY, "force": FORCE}
    counts: dict[str, dict[str, Any]] = {name: {"ladder": name, "up": 0, "down": 0} for name in levels}
    for step in _steps():
        order = levels[step["ladder"]]
        counts[step["ladder"]]["up" if order.index(step["to"]) > order.index(step["from"]) else "down"] += 1
    return list(counts.values())


def _history() -> dict[str, Any]:
    weeks = _weeks()
    blockade = [("2026-04-17" <= week <= "2026-06-12") or week >= "2026-07-17" for week in weeks]
    return {
        "weeks": weeks,
        "ladders": [
            {"ladder": "diplomacy", "levels": DIPLOMACY, "level_index": _path("diplomacy", 3, weeks)},
            {"ladder": "force", "levels": FORCE, "level_index": _path("force", 0, weeks)},
        ],
        "marks": [
            {"mark": "blockade", "label": "Blockade in force", "on": blockade},
            {"mark": "snapback", "label": "UN sanctions re-imposed", "on": [week >= "2025-10-03" for week in weeks]},
        ],
        "steps": _steps(),
        "counts": _counts(),
        "rugs": [
            {
                "signal": signal,
                "label": label,
                "side": side,
                "dates": [
                    week
                    for number, week in enumerate(weeks)
                    if (number * number * 37 + number * every) % 1009 < 1009 / every
                ],
            }
            for signal, label, side, every in _RUGS
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
                _event(363, "2026-10-05", _STEPS[-2][3], signal="walkout", side="iran"),
                _event(361, "2026-10-04", HOSTILE_NOTE, signal="rejection", side="iran"),
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
        "history": _history(),
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
