"""The track record: one plain document of how forecasts turned out, published and reconstructed kept apart.

``forecast-record/1``. Every number that the page and the command print is in it. Scores are of ``table.py`` and
``summary.py``; here they are put together: by forecaster, question and lead, each with the skill against the base rate
on the questions that both answered.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from forecast import __version__
from forecast.evaluation.calibration import decompose, reliability, two_parameter_check
from forecast.evaluation.comparison import biggest_misses, pair, paired_difference
from forecast.evaluation.due import Reach, due, stopped
from forecast.evaluation.hierarchical import SCALES, hierarchical_difference
from forecast.evaluation.outcomes import FIRST
from forecast.evaluation.passage import crps_curve
from forecast.evaluation.published import STATES, Published
from forecast.evaluation.reading import MEANING, readings
from forecast.evaluation.reconstructed import Tables, scorable
from forecast.evaluation.resampling import INTERVAL, bootstrap_means, design_effect, interval
from forecast.evaluation.revisions import STREAM, check_revisions
from forecast.evaluation.scores import FLOOR, skill
from forecast.evaluation.summary import ordered_rows, ordered_table, score_table
from forecast.evaluation.table import KEY, add_clusters, check_table, cluster_ids, common_questions, score_rows
from forecast.outlook.outlook import OUTCOMES

SCHEMA = "forecast-record/1"
REFERENCE = "R0"
RACES = ("escalation_before_deal", "neither", "deal_before_escalation")
"""What comes first, worst to best, as the questions of a ledger have it."""
MISSES = 10
SHORT_MISSES = 3
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a part is computed from.

    Attributes
    ----------
    table
        Forecasts of yes or no joined to outcomes and to what settled them, open ones with them. What could not have
        been decided either way by now is open here (:func:`forecast.evaluation.due.due`).
    revised
        The same for the check of revisions, where beliefs may be stopped at an event, but not at its absence: what has
        been settled early keeps its outcome.
    ordered
        The same of what comes first, decided rows alone, with ``category``.
    outcomes
        The categories, worst to best.
    early
        Forecasts that are settled and not scored yet.
    """

    table: pd.DataFrame
    revised: pd.DataFrame
    ordered: pd.DataFrame
    outcomes: tuple[str, ...]
    early: int


def track_record(
    *,
    case: Mapping[str, Any],
    published: Published | None = None,
    reconstructed: Tables | None = None,
    events: Mapping[str, str] | None = None,
    ledger: Mapping[str, Any] | None = None,
    made_at: datetime,
    reach: Reach | None = None,
    hierarchical: bool = False,
) -> dict[str, Any]:
    """Put the track record of a case together.

    Parameters
    ----------
    case
        Its ``id`` and ``title``, and ``questions``: labels by id.
    published, reconstructed
        What the ledger and what a backtest has; None if there is none.
    events
        What happened, by the id of the observation, to tell what settled a question.
    ledger
        Its length and head.
    made_at
        Now.
    reach
        How far the data decide, and so what is scored; default: to now. A backtest's own outcomes may reach less far.
    hierarchical
        Also compare forecasters by the hierarchical model, which samples for some seconds a pair.

    Returns
    -------
    dict
        JSON-ready, schema ``forecast-record/1``. What cannot be computed is null. A row that breaks a rule of the
        scored table is a ScoreError.
    """
    notes, reach = events or {}, reach or Reach(made_at)
    parts: dict[str, Any] = {"published": None, "reconstructed": None}
    if published is not None:
        parts["published"] = _published_part(published, notes, reach, hierarchical=hierarchical)
    if reconstructed is not None:
        part = _part("reconstructed", _of_backtest(reconstructed, reach), notes, hierarchical=hierarchical)
        parts["reconstructed"] = part | {"passages": _passages(reconstructed.curves)}
    document = {
        "schema": SCHEMA,
        "case": dict(case),
        "made_at": made_at,
        "model_version": __version__,
        "ledger": ledger,
        "reference": REFERENCE,
        "floor": FLOOR,
        "interval": INTERVAL,
        "meaning": MEANING,
        **parts,
    }
    shown: dict[str, Any] = plain(document)
    for label in parts:
        if shown[label] is not None:
            shown[label]["reading"] = readings(shown[label], reference=REFERENCE)
    return shown


def short_record(published: Published, *, known_at: datetime, reach: Reach | None = None) -> dict[str, Any]:
    """Sum up the published forecasts for a report: counts, the headline scores, the biggest misses and what they show.

    Parameters
    ----------
    published
        What the ledger had at ``known_at``.
    known_at
        The report's as-of time.
    reach
        How far the data decide; default: to ``known_at``.
    """
    part = plain(_published_part(published, {}, reach or Reach(known_at), hierarchical=False))
    kept = {name: part[name] for name in ("counts", "clusters", "overall")}
    kept |= {"ordered": {name: part["ordered"][name] for name in ("outcomes", "overall")}}
    kept |= {"misses": part["misses"][:SHORT_MISSES], "reading": readings(part, reference=REFERENCE)}
    return {"known_at": _stamp(known_at), "reference": REFERENCE, "interval": INTERVAL, **kept}


# --- what the parts are made from -------------------------------------------------------------------------------------


def _of_ledger(table: pd.DataFrame, reach: Reach) -> Evidence:
    """Take the published forecasts that are open or settled; a dispute or a void is neither."""
    kept = table[table["state"].isin(["open", "settled"])].reset_index(drop=True)
    scored = due(kept, reach)
    settled = scored[scored["outcome"].notna()]
    raced = settled[settled["event"].isin(RACES)].assign(category=settled["event"])
    raced = raced.drop_duplicates(["forecaster", "case", "category", "origin", "by"])
    if len(raced):
        outcomes = raced.groupby(["forecaster", "case", "origin", "by"])["outcome"]
        raced = raced[(outcomes.transform("size") == len(RACES)) & (outcomes.transform("sum") == 1)]
    return Evidence(scored, stopped(kept, scored), raced, RACES, _early(kept, scored))


def _of_backtest(tables: Tables, reach: Reach) -> Evidence:
    """Take the forecasts whose fit did not fail; open ones count for revisions alone."""
    reach = reach.within(tables.decided_as_of)
    table = add_clusters(tables.forecasts[tables.forecasts["gate"].ne("fail")])
    scored = due(table, reach)
    raced = add_clusters(scorable(due(tables.categories.assign(question=FIRST), reach)))
    return Evidence(scored, stopped(table, scored), raced, OUTCOMES, _early(table, scored))


def _early(table: pd.DataFrame, scored: pd.DataFrame) -> int:
    return int(table["outcome"].notna().sum() - scored["outcome"].notna().sum())


# --- a part -----------------------------------------------------------------------------------------------------------


def _published_part(
    published: Published, notes: Mapping[str, str], reach: Reach, *, hierarchical: bool
) -> dict[str, Any]:
    part = _part("published", _of_ledger(published.table, reach), notes, hierarchical=hierarchical)
    part |= {"counts": part["counts"] | _counts(published)}
    return part | {"reissues": published.reissues, "disputes": _disputes(published, reach)}


def _part(label: str, evidence: Evidence, notes: Mapping[str, str], *, hierarchical: bool) -> dict[str, Any]:
    table = evidence.table
    settled = table[table["outcome"].notna()]
    rows = score_rows(table) if len(settled) else settled
    return {
        "label": label,
        "counts": {"forecasts": len(table), "settled": len(settled) + evidence.early, "early": evidence.early},
        "origins": [table["origin"].min(), table["origin"].max()] if len(table) else None,
        "forecasters": sorted(set(table["forecaster"])),
        "questions": sorted(set(table["question"])),
        "clusters": len(np.unique(cluster_ids(rows))) if len(rows) else 0,
        "overall": _scores(table, (), None),
        "scores": _scores(table, ("question", "band"), None),
        "ordered": {
            "outcomes": list(evidence.outcomes),
            "overall": _scores(evidence.ordered, (), evidence.outcomes),
            "scores": _scores(evidence.ordered, ("band",), evidence.outcomes),
        },
        "calibration": [_calibration(str(name), own) for name, own in rows.groupby("forecaster")] if len(rows) else [],
        "revisions": _revisions(evidence.revised),
        "comparisons": _comparisons(table, evidence, hierarchical=hierarchical),
        "misses": _misses(table, notes) if len(rows) else [],
    }


def _scores(table: pd.DataFrame, group: tuple[str, ...], outcomes: tuple[str, ...] | None) -> list[dict[str, Any]]:
    """Score each forecaster on all it answered, with the skill on what it and the reference both did."""
    asked = table[table["outcome"].notna()]
    if outcomes is not None:
        asked = asked.assign(question=asked["category"])
    found = []
    for name in sorted(set(asked["forecaster"])):
        lines = _lines(asked[asked["forecaster"] == name], group, outcomes, None)
        both = common_questions(_typed(asked[asked["forecaster"].isin([name, REFERENCE])]))
        skills = {}
        if name != REFERENCE and both["forecaster"].nunique() == 2:
            paired = _lines(both, group, outcomes, REFERENCE)
            skills = {tuple(r[g] for g in group): r for r in paired if r["forecaster"] == name}
        for line in lines:
            shared = skills.get(tuple(line[g] for g in group))
            found.append(line | _skill(shared, ("rps", "log") if outcomes else ("brier", "log")))
    order = {name: k for k, name in enumerate(sorted(set(asked["forecaster"])))}
    return sorted(found, key=lambda r: [*(_place(r[g]) for g in group), order[r["forecaster"]]])


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    return check_table(table) if len(table) else table


def _lines(
    table: pd.DataFrame, group: tuple[str, ...], outcomes: tuple[str, ...] | None, reference: str | None
) -> list[dict[str, Any]]:
    if outcomes is None:
        scored = score_table(table, group=group, reference=reference)
    else:
        scored = ordered_table(table, outcomes=outcomes, group=group, reference=reference)
    return [{str(k): v for k, v in row.items() if k != "label"} for row in scored.to_dict(orient="records")]


def _skill(shared: Mapping[str, Any] | None, scores: tuple[str, ...]) -> dict[str, Any]:
    ends = ("", "_lower", "_upper")
    found = {f"{s}_skill{end}": shared[f"{s}_skill{end}"] if shared else None for s in scores for end in ends}
    return found | {"skill_n": shared["n"] if shared else 0, "skill_clusters": shared["clusters"] if shared else 0}


def _place(value: str) -> tuple[int, str]:
    """Order bands by their lead and questions by name."""
    head = value.partition("-")[0].rstrip("+")
    return (int(head), "") if head.isdigit() else (0, value)


def _calibration(name: str, own: pd.DataFrame) -> dict[str, Any]:
    p, y = own["probability"].to_numpy(float), own["outcome"].to_numpy(float)
    clusters = cluster_ids(own)
    effect = design_effect(own["log"], clusters)
    return {
        "forecaster": name,
        "n": effect.n,
        "clusters": effect.clusters,
        "n_eff": effect.n_eff,
        "brier": asdict(decompose(p, y, clusters=clusters)),
        "log": asdict(decompose(p, y, score="log", clusters=clusters)),
        "curve": reliability(p, y, clusters=clusters).to_dict(orient="records"),
        "check": asdict(two_parameter_check(p, y, worth=effect.n_eff / effect.n)),
    }


def _revisions(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Check the revisions of each forecaster that has made any; the outcome counts as the last one."""
    found = []
    for name, own in table.groupby("forecaster"):
        if not (own["outcome"].notna().any() or own.duplicated(list(STREAM)).any()):
            continue
        checked = check_revisions(own, forecaster=str(name))
        line = {"forecaster": name, "streams": len(checked.streams), "clusters": checked.clusters}
        line |= {"ratio": checked.ratio, "ratio_lower": checked.lower, "ratio_upper": checked.upper}
        line |= {name: getattr(checked, name) for name in ("excess", "excess_lower", "excess_upper")}
        found.append(line)
    return found


def _comparisons(table: pd.DataFrame, evidence: Evidence, *, hierarchical: bool) -> list[dict[str, Any]]:
    """Compare every two forecasters on what both answered, by the primary score and, of what comes first, by RPS."""
    settled = table[table["outcome"].notna()]
    found = []
    for b, a in combinations(sorted(set(settled["forecaster"])), 2):
        both = common_questions(_typed(settled[settled["forecaster"].isin([a, b])]))
        if both["forecaster"].nunique() == 2:
            found.append(_compared(score_rows(both), a, b, "log", hierarchical=hierarchical))
        first = evidence.ordered[evidence.ordered["forecaster"].isin([a, b])]
        raced = common_questions(_typed(first.assign(question=first["category"])))
        if len(raced) and raced["forecaster"].nunique() == 2:
            rows = ordered_rows(raced, outcomes=evidence.outcomes)
            found.append(_compared(rows, a, b, "rps", hierarchical=hierarchical))
    return found


def _compared(rows: pd.DataFrame, a: str, b: str, score: str, *, hierarchical: bool) -> dict[str, Any]:
    differences = pair(rows, a, b, score=score)
    plain = asdict(paired_difference(differences))
    sampled = None
    if hierarchical and plain["clusters"] > 1:
        sampled = asdict(hierarchical_difference(differences, scale=SCALES[score]))
    return {"a": a, "b": b, "score": score, **plain, "hierarchical": sampled}


def _misses(table: pd.DataFrame, notes: Mapping[str, str]) -> list[dict[str, Any]]:
    """List the worst forecasts first, one of a question and the event that settled it, with what that was."""
    worst = biggest_misses(table, n=len(table))
    key = ["forecaster", "case", "question", "cluster"]
    asked = worst.groupby(key)["forecasts"].transform("sum")
    worst = worst.assign(forecasts=asked).drop_duplicates(key).head(MISSES)
    told_by = [c for c in ("settled_by", "public_at", "who", "reason") if c in table.columns]
    facts_of = check_table(table)[["forecaster", *KEY, *told_by]]
    rows = worst.merge(facts_of, on=["forecaster", *KEY], how="left", validate="one_to_one")
    told = []
    for row in rows.to_dict(orient="records"):
        ids = [i for i in str(row.get("settled_by") or "").split(";") if i]
        facts = [{"id": i, "note": notes.get(i)} for i in ids]
        kept = {str(k): v for k, v in row.items() if k not in ("label", "case", "settled_by")}
        told.append({"who": None, "reason": None, **kept, "facts": facts})
    return told


def _passages(curves: pd.DataFrame) -> list[dict[str, Any]]:
    """CRPS in weeks of when each question's event first came, cut at the last week or at the end of what is coded."""
    kept = curves[curves["gate"].ne("fail") & (curves["watched_weeks"] > 0)]
    scored = []
    for (name, question), rows in kept.groupby(["forecaster", "question"]):
        wide = rows.pivot_table(index="origin", columns="week", values="probability")
        told = rows.groupby("origin")[["came_after_weeks", "watched_weeks"]].first()
        horizon = float(wide.columns.max())
        crps = crps_curve(wide, told["came_after_weeks"], horizon=horizon, censored=told["watched_weeks"])
        ends = wide.index + pd.to_timedelta(7 * np.minimum(told["came_after_weeks"], horizon), unit="D")
        came = told["came_after_weeks"] <= horizon
        clusters = [f"event:{d.date()}" if c else f"quiet:{d.year}" for d, c in zip(ends, came, strict=True)]
        own = pd.DataFrame({"origin": wide.index, "crps": crps, "cluster": clusters})
        scored.append((str(name), str(question), horizon, own))
    return [_passage(row, scored) for row in scored]


def _passage(row: tuple[str, str, float, pd.DataFrame], scored: list[Any]) -> dict[str, Any]:
    name, question, horizon, own = row
    effect = design_effect(own["crps"].to_numpy(), own["cluster"].to_numpy())
    lower, upper = interval(bootstrap_means(own["crps"].to_numpy(), own["cluster"].to_numpy()))
    against = [other for f, q, _, other in scored if (f, q) == (REFERENCE, question) and name != REFERENCE]
    found = None
    if against:
        both = own.merge(against[0], on="origin", suffixes=("", "_reference"))
        found = float(skill(both["crps"].mean(), both["crps_reference"].mean())) if len(both) else None
    return {
        "forecaster": name,
        "question": question,
        "horizon_weeks": horizon,
        "n": effect.n,
        "clusters": effect.clusters,
        "n_eff": effect.n_eff,
        "crps": own["crps"].mean(),
        "crps_lower": lower,
        "crps_upper": upper,
        "crps_skill": found,
    }


# --- what a ledger alone has ------------------------------------------------------------------------------------------


def _counts(published: Published) -> dict[str, Any]:
    states = published.table["state"].value_counts()
    counts = {state: int(states.get(state, 0)) for state in STATES}
    decided = counts["settled"] + counts["disputed"] + counts["void"]
    return {
        "forecasts": len(published.table),
        **counts,
        "void_rate": counts["void"] / decided if decided else None,
        "reissues": len(published.reissues),
        "late": published.late,
        "unrecorded": published.unrecorded,
    }


def _disputes(published: Published, reach: Reach) -> dict[str, Any]:
    """Score what is disputed under each resolution, and everything under the first and under the last of them."""
    rows = published.disputes
    listed = [
        {str(k): v for k, v in row.items() if k not in ("label", "case", "event", "state", "cluster", "deadline")}
        for row in rows.to_dict(orient="records")
    ]
    settled = published.table[published.table["state"] == "settled"]
    both = []
    for reading, chosen in (("first", "head"), ("last", "tail")):
        under = getattr(rows.groupby(["forecaster", *KEY], sort=False), chosen)(1) if len(rows) else rows
        whole = pd.concat([settled, under[under["outcome"].notna()]]) if len(under) else settled
        both += [{"reading": reading, **line} for line in _scores(due(whole, reach), (), None)] if len(rows) else []
    return {"rows": listed, "overall": both}


# --- plain values -----------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Plain Python values throughout: floats to six decimals, what is not a number or missing as None, times as ISO."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, str, np.bool_)) or value is None:
        return value if not isinstance(value, np.bool_) else bool(value)
    if isinstance(value, (int, np.integer)) and value is not pd.NaT:
        return int(value)
    if isinstance(value, (float, np.floating)):
        return round(float(value), _DECIMALS) if np.isfinite(value) else None
    return None if pd.isna(value) else _stamp(value)


def _stamp(value: Any) -> str:
    """Write a day as a day, and an instant in UTC to the second."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.date().isoformat()
        return pd.Timestamp(value).tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)
