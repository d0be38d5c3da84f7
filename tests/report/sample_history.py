"""The made-up history of the sample document: steps of both ladders with their events, marks, and rows of events."""

from datetime import date, timedelta
from typing import Any

AS_OF = date(2026, 10, 9)
FIRST_WEEK = date(2018, 1, 12)
HOSTILE_NOTE = 'Trump: "last & final" offer <b>or else</b> | *deadline* [see](javascript:alert(1)) `now` \\ $5m_x_'

DIPLOMACY = ["none", "talks", "limited_deal", "comprehensive_deal"]
FORCE = ["calm", "coercion", "conflict"]

STEPS: list[tuple[str, str, int, str]] = [
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


def event_row(number: int, day: str, note: str, *, signal: str = "talks_round", side: str = "both") -> dict[str, Any]:
    return {
        "id": f"E{number:04d}",
        "date": day,
        "published": day if number % 3 else (date.fromisoformat(day) + timedelta(days=1)).isoformat(),
        "signal": signal,
        "side": side,
        "note": note,
        "source": _SOURCES[number % len(_SOURCES)],
    }


def _weeks() -> list[str]:
    count = (AS_OF - FIRST_WEEK).days // 7 + 1
    return [(FIRST_WEEK + timedelta(weeks=number)).isoformat() for number in range(count)]


def _path(ladder: str, start: int, weeks: list[str]) -> list[int]:
    moves = {week: level for week, name, level, _ in STEPS if name == ladder}
    path, level = [], start
    for week in weeks:
        level = moves.get(week, level)
        path.append(level)
    return path


def _steps() -> list[dict[str, Any]]:
    now = {"diplomacy": 3, "force": 0}
    names = {"diplomacy": DIPLOMACY, "force": FORCE}
    rows = []
    for number, (week, ladder, level, note) in enumerate(STEPS, start=1):
        day = (date.fromisoformat(week) - timedelta(days=number % 6)).isoformat()
        extra = [event_row(900 + number, day, "A second report of the same day")] if number % 7 == 0 else []
        events = [] if note.startswith("Quiet") else [event_row(number, day, note), *extra]
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


def sample_history() -> dict[str, Any]:
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
