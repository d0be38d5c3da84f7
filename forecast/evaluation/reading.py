"""What a part of the track record shows and does not show, in sentences: few events allow few claims."""

from collections.abc import Mapping
from typing import Any

from forecast.evaluation.own_past import OWN_PAST
from forecast.evaluation.resampling import LEAST_CLUSTERS

MEANING = {
    "published": (
        "Published: recorded in the ledger within a week of its as-of time, before its question closed, and before "
        "anything asked with it had been settled in public. Nobody could know the outcome."
    ),
    "reconstructed": (
        "Reconstructed: made afterwards by a backtest from what was public at each as-of time. The model, its priors "
        "and the coding rules were written by people who knew how it went on, so a good score here is a check of the "
        "model and no evidence of foresight."
    ),
}


def readings(part: Mapping[str, Any], *, reference: str) -> list[str]:
    """Say what a part shows.

    Parameters
    ----------
    part
        A part of the document, of :func:`forecast.evaluation.record.track_record`.
    reference
        Forecaster that skill is taken against.
    """
    counts = part["counts"]
    if not counts["forecasts"]:
        return ["No forecasts yet."]
    scored = counts["settled"] - counts["early"]
    early = (
        f"{counts['early']} forecasts are settled by an event before their deadline and are scored once the data reach "
        "far enough to decide them either way: questions of the same age without an event are still open, and events "
        "alone would be scored."
    )
    waiting = [early] if counts["early"] else []
    if counts.get("unrecorded"):
        waiting.append(
            f"The outcomes of {counts['unrecorded']} forecasts are what the data decide and are not in the ledger yet; "
            "`forecast resolve` enters them."
        )
    if not scored:
        return [
            f"None of {counts['forecasts']} forecasts can be scored yet: nothing is shown about skill or calibration.",
            *waiting,
        ]
    lines = [
        (
            f"{scored} of {counts['forecasts']} forecasts are scored, settled by {events(part['clusters'])}. "
            "Questions that one event settles are one piece of evidence, not many."
        ),
        *waiting,
    ]
    if part["clusters"] < LEAST_CLUSTERS:
        return [
            *lines,
            (
                f"With fewer than {LEAST_CLUSTERS} events no claim of skill or calibration is made: the numbers below "
                "are a record, not evidence, and their intervals are too narrow."
            ),
        ]
    return [*lines, *_tempo(part), *_skills(part, reference), *_thin(part), *_calibrations(part), *_revisions(part)]


def events(clusters: int) -> str:
    """Say how many clusters there are."""
    return "one event or quiet year" if clusters == 1 else f"{clusters} events and quiet years"


def _skills(part: Mapping[str, Any], reference: str) -> list[str]:
    rows = [(row, "rps", "what comes first, RPS") for row in part["ordered"]["overall"]]
    rows += [(row, "log", "all questions, log score") for row in part["overall"]]
    lines = [
        _skill(row, row[f"{score}_skill"], score, what, reference)
        for row, score, what in rows
        if row["forecaster"] != reference and row[f"{score}_skill"] is not None
    ]
    return lines or [f"No forecaster shares questions with the base rate {reference}, so no skill is shown."]


def _skill(row: Mapping[str, Any], value: float, score: str, what: str, reference: str) -> str:
    head = f"{row['forecaster']} against the base rate {reference} ({what}): skill {value:+.2f}"
    lower, upper = row[f"{score}_skill_lower"], row[f"{score}_skill_upper"]
    if row["skill_clusters"] < LEAST_CLUSTERS or lower is None or upper is None:
        return f"{head}; too few events for an interval to rest on, so neither skill nor its lack is shown."
    return f"{head}, 90 % interval {lower:+.2f} to {upper:+.2f}: {_verdict(lower, upper)}."


def _verdict(lower: float, upper: float) -> str:
    """Say what an interval of an advantage shows."""
    return "no difference is shown" if lower <= 0 <= upper else "better" if lower > 0 else "worse"


def _thin(part: Mapping[str, Any]) -> list[str]:
    """Name the questions about which nothing is shown by themselves."""
    most: dict[str, int] = {}
    for row in part["scores"]:
        most[row["question"]] = max(most.get(row["question"], 0), row["clusters"])
    thin = [question.replace("_", " ") for question, clusters in most.items() if clusters < LEAST_CLUSTERS]
    if not thin:
        return []
    return [f"By themselves nothing is shown (fewer than {LEAST_CLUSTERS} events at any lead): {', '.join(thin)}."]


def _tempo(part: Mapping[str, Any]) -> list[str]:
    """Hold every forecaster against the dyad's own tempo, which a base rate of other negotiations does not know."""
    lines = []
    for row in part["comparisons"]:
        if OWN_PAST not in (row["a"], row["b"]) or row["score"] != "log":
            continue
        sign = 1 if row["b"] == OWN_PAST else -1
        other = row["a"] if row["b"] == OWN_PAST else row["b"]
        head = f"{other} less the case's own past (log score on {row['n']} forecasts): {sign * row['mean']:+.3f}"
        ends = sorted(sign * row[end] for end in ("lower", "upper") if row[end] is not None)
        if row["clusters"] < LEAST_CLUSTERS or len(ends) < 2:
            lines.append(f"{head}; too few events for an interval to rest on.")
            continue
        lower, upper = ends
        lines.append(f"{head}, 90 % interval {lower:+.3f} to {upper:+.3f}: {_verdict(-upper, -lower)}.")
    return lines


def _calibrations(part: Mapping[str, Any]) -> list[str]:
    lines = []
    for row in part["calibration"]:
        if row["clusters"] < LEAST_CLUSTERS:
            continue
        found, check = row["log"], row["check"]
        shown = "more than" if found["p_value"] < 0.05 else "no more than"
        lines.append(
            f"{row['forecaster']}: miscalibration {found['mcb']:.3f} by the log score, {shown} a calibrated "
            f"forecaster may show on these questions (up to {found['null_upper']:.3f}, p = {found['p_value']:.2f}); "
            f"slope {check['slope']:.2f} ({check['slope_lower']:.2f} to {check['slope_upper']:.2f}), 1 is calibrated."
        )
    return lines


def _revisions(part: Mapping[str, Any]) -> list[str]:
    lines = []
    for row in part["revisions"]:
        lower, upper = row["ratio_lower"], row["ratio_upper"]
        if row["clusters"] < LEAST_CLUSTERS or lower is None or upper is None:
            continue
        verdict = "moves too much" if lower > 1 else "moves too little" if upper < 1 else "neither is shown"
        lines.append(
            f"{row['forecaster']}: movement over the fall of uncertainty {row['ratio']:.2f} ({lower:.2f} to "
            f"{upper:.2f}), 1 if beliefs move as much as they should: {verdict}."
        )
    return lines
