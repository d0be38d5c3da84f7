"""``outlook.json``: the one document that holds every number shown; the report is rendered from it alone.

Three fields tell of the run itself (``issue.run_at``, ``issue.ledger`` and ``manifest.timings_s``); everything else is
a function of data, priors, settings and code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from forecast import __version__
from forecast.case import LADDERS, LEVELS, Case
from forecast.models.moves import CALM, CONFLICT, DRIVEN
from forecast.outlook import describe
from forecast.outlook.leverage import leverage_section
from forecast.outlook.outlook import OUTCOME_LABELS, Answer, Outlook
from forecast.outlook.paths import NEVER, first_step_up, occurred_by
from forecast.outlook.probabilities import INTERVAL, summarise
from forecast.outlook.words import fraction, percent, word

SCHEMA = "forecast-outlook/1"
HEADLINE_WEEKS = 13
OUTCOME_WEEKS = 26
DOTS = 50
_CURVES = ("deal", "deal_limited", "deal_comprehensive", "escalation")
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_DRIVEN_LABELS = {
    "deal": "a deal",
    "open": "talks opening",
    "collapse": "collapse of talks",
    "up": "a step up in force",
    "down": "a step down in force",
}


@dataclass(frozen=True, slots=True)
class Fallback:
    """A rung that gave way to the one below, and why."""

    rung: str
    reason: str


def to_document(
    outlook: Outlook,
    *,
    run_manifest: Mapping[str, Any],
    run_at: datetime,
    next_run: str | None = None,
    fallbacks: tuple[Fallback, ...] = (),
    ledger: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write an outlook as plain data.

    Parameters
    ----------
    outlook
        Answers and paths.
    run_manifest
        From :func:`forecast.inference.manifest`.
    run_at
        When the run was made.
    next_run
        When the next one is due, in words.
    fallbacks
        Rungs that were asked for first and could not be published.
    ledger
        Length and head of the ledger before this issue enters it.

    Returns
    -------
    dict
        JSON-ready, schema ``forecast-outlook/1``; probabilities between 0 and 1, rounded to six decimals.
    """
    history = outlook.fit.history
    timings = {**run_manifest["timings_s"], "simulate": round(outlook.seconds, 1)}
    document = {
        "schema": SCHEMA,
        "case": {
            "id": history.case.id,
            "title": history.case.title,
            "sides": [{"id": s.id, "label": s.label, "role": s.role} for s in history.case.sides],
        },
        "issue": _issue(outlook, run_at, next_run)
        | {"fallbacks": [{"rung": f.rung, "reason": f.reason} for f in fallbacks], "ledger": ledger},
        "state": describe.state(history),
        "headlines": _headlines(outlook),
        "outcomes": _outcomes(outlook),
        "probabilities": [_probability_row(a) for a in outlook.answers],
        **_questions(history.case),
        "timing": _timing(outlook),
        "first_passage": [_first_passage(outlook, q.id, q.label) for q in history.case.questions if q.event in _CURVES],
        "occupancy": _occupancy(outlook),
        "history": describe.coded_history(history),
        "signals": describe.signal_ages(history),
        "drivers": _drivers(outlook),
        "leverage": leverage_section(outlook.fit),
        "health": _health(outlook),
        "assumptions": _assumptions(outlook),
        "limits": [*history.case.limits, *_model_limits(outlook)],
        "manifest": {**run_manifest, "timings_s": timings, "paths_per_draw": outlook.paths.diplomacy.shape[2]},
    }
    return rounded(document)


def _issue(outlook: Outlook, run_at: datetime, next_run: str | None) -> dict[str, Any]:
    history, rung = outlook.fit.history, outlook.fit.rung
    return {
        "as_of": history.vintage.instant.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "coded_until": str(history.origin.day),
        "last_published": history.vintage.last_published.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "run_at": run_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "next_run": next_run,
        "rung": rung.name,
        "rung_title": rung.title,
        "model_version": __version__,
        "gate": outlook.gate,
        "lead_weeks": (history.origin.as_of - history.origin.day).days / 7,
        "staleness": describe.staleness(history),
        "evidence": describe.evidence(history),
    }


def _at(answer: Answer, outlook: Outlook, wanted: int) -> bool:
    """Whether an answer is at the wanted horizon, or at the one nearest to it that the case asks for."""
    nearest = min(outlook.fit.history.case.horizons, key=lambda w: abs(w - wanted))
    return answer.horizon_weeks == nearest


def _headlines(outlook: Outlook) -> list[dict[str, Any]]:
    asked = (a for a in outlook.answers if a.question.headline and _at(a, outlook, HEADLINE_WEEKS))
    return [_headline(answer, outlook) for answer in asked]


def _may_return(outlook: Outlook) -> bool:
    """Whether an escalation may be no more than a return to the level held: there is something to ease from."""
    return outlook.fit.rung.levels_move_on and outlook.origin.force != CALM


def _of_which(answer: Answer, outlook: Outlook) -> str:
    """How much of an escalation's probability goes beyond the level that is held, which a reader takes it to mean."""
    held = outlook.origin.force
    if answer.question.event != "escalation" or not _may_return(outlook):
        return ""
    if held == CONFLICT:
        return " Conflict is held already: what counts is a new step up after an easing."
    came = occurred_by(answer.question, first_step_up(outlook.paths.force, CONFLICT), answer.weeks)
    p = summarise(outlook.paths, came).mean
    return (
        f" A step up to conflict by then has {percent(p)} ({fraction(p)}; {word(p)[0]}); the rest is a return to "
        "coercion, the level held, after an easing."
    )


def _headline(answer: Answer, outlook: Outlook) -> dict[str, Any]:
    p = answer.probability
    name, span = word(p.mean)
    by = f"{answer.by.day} {answer.by:%B %Y}"
    text = (
        f"{answer.question.label} by {by}: {percent(p.mean)} ({fraction(p.mean)}; {name}, which stands for {span}). "
        f"The number itself is uncertain: {percent(INTERVAL)} of the posterior lies between {percent(p.lower)} and "
        f"{percent(p.upper)}.{_of_which(answer, outlook)}"
    )
    return {
        "event": answer.question.id,
        "label": answer.question.label,
        "definition": answer.question.definition,
        "horizon_weeks": answer.horizon_weeks,
        "by": str(answer.by),
        "probability": p.mean,
        "mcse": p.mcse,
        "lower": p.lower,
        "upper": p.upper,
        "interval": INTERVAL,
        "percent": percent(p.mean),
        "fraction": fraction(p.mean),
        "word": name,
        "word_range": span,
        "sentence": text,
    }


def _probability_row(answer: Answer) -> dict[str, Any]:
    p = answer.probability
    return {
        "event": answer.question.id,
        "label": answer.question.label,
        "definition": answer.question.definition,
        "horizon_weeks": answer.horizon_weeks,
        "by": str(answer.by),
        "mean": p.mean,
        "mcse": p.mcse,
        "lower": p.lower,
        "upper": p.upper,
        "interval": INTERVAL,
        "r_hat": p.r_hat,
        "ess": p.ess,
        "display": percent(p.mean),
    }


def _questions(case: Case) -> dict[str, Any]:
    """By what each question is known in the ledger, and how all will be settled."""
    asked = [{"id": q.id, "event": q.event, "wording": case.wording(q)} for q in case.questions]
    return {"questions": asked, "resolution": case.resolution.model_dump()}


def _outcomes(outlook: Outlook) -> dict[str, Any]:
    weeks = min(outlook.fit.history.case.horizons, key=lambda w: abs(w - OUTCOME_WEEKS))
    found = outlook.outcomes(weeks)
    dots = share_dots([p.mean for p in found.values()], DOTS)
    return {
        "horizon_weeks": weeks,
        "by": str(outlook.origin.as_of + timedelta(weeks=weeks)),
        "categories": [
            {"key": k, "label": OUTCOME_LABELS[k], "probability": p.mean, "mcse": p.mcse, "dots": n}
            for (k, p), n in zip(found.items(), dots, strict=True)
        ],
        "note": "What comes first; a deal and an escalation in the same week count as escalation." + _returns(outlook),
    }


def _returns(outlook: Outlook) -> str:
    if not _may_return(outlook):
        return ""
    return f" So does a return to {LEVELS['force'][outlook.origin.force]}, the level held, after an easing."


def share_dots(shares: list[float], dots: int) -> list[int]:
    """Share out dots by largest remainder, so that they add up exactly."""
    exact = np.array(shares) * dots
    whole = np.floor(exact).astype(int)
    for k in np.argsort(whole - exact, kind="stable")[: dots - int(whole.sum())]:
        whole[k] += 1
    return [int(n) for n in whole]


def _timing(outlook: Outlook) -> dict[str, Any]:
    weeks = max(outlook.fit.history.case.horizons)
    ids = [q for q in outlook.fit.history.case.questions if q.event in _CURVES]
    curves = [{"event": q.id, "label": q.label, **_lists(outlook.curve(q.id, weeks))} for q in ids]
    days = [str(outlook.origin.as_of + timedelta(weeks=w)) for w in range(weeks + 1)]
    return {"weeks": list(range(weeks + 1)), "dates": days, "interval": INTERVAL, "curves": curves}


def _lists(columns: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    return {name: column.tolist() for name, column in columns.items()}


def _first_passage(outlook: Outlook, question_id: str, label: str) -> dict[str, Any]:
    horizon = max(outlook.fit.history.case.horizons)
    passage = np.sort(outlook.passages[question_id], axis=None)
    quantiles = []
    for q in _QUANTILES:
        week = int(passage[min(int(np.ceil(q * passage.size)), passage.size) - 1])
        quantiles.append({"q": q, "weeks": week if week <= horizon and week < NEVER else None})
    return {
        "event": question_id,
        "label": label,
        "quantiles": quantiles,
        "not_within": float((passage > horizon).mean()),
        "horizon_weeks": horizon,
    }


def _occupancy(outlook: Outlook) -> dict[str, Any] | None:
    if not outlook.fit.rung.levels_move_on:
        return None
    weeks = max(outlook.fit.history.case.horizons)
    days = [str(outlook.origin.as_of + timedelta(weeks=w)) for w in range(weeks + 1)]
    ladders = [
        {"ladder": n, "levels": list(LEVELS[n]), "mean": outlook.occupancy(n)[: weeks + 1].tolist()} for n in LADDERS
    ]
    return {"dates": days, "ladders": ladders}


def _drivers(outlook: Outlook) -> list[dict[str, Any]] | None:
    if "driver" not in outlook.fit.posterior.data_vars:
        return None
    labels = {c.id: c.label for c in outlook.fit.history.case.composites}
    draws = outlook.fit.flat_draws()["driver"]
    tails = [(1 - INTERVAL) / 2, 0.5, (1 + INTERVAL) / 2]
    rows = []
    for composite in draws["composite"].values:
        for group in DRIVEN:
            values = draws.sel(composite=composite, driven=group).values
            low, middle, high = np.quantile(values, tails)
            rows.append(
                {
                    "driver": labels[str(composite)],
                    "transition": _DRIVEN_LABELS[group],
                    "median": middle,
                    "lower": low,
                    "upper": high,
                    "p_positive": (values > 0).mean(),
                }
            )
    return sorted(rows, key=lambda r: -abs(r["p_positive"] - 0.5))[:12]


def _health(outlook: Outlook) -> dict[str, Any]:
    checks = [
        {
            "check": c.name,
            "label": c.label,
            "value": c.value,
            "review": c.review,
            "fail": c.fail,
            "better": c.better,
            "status": c.status,
            "where": c.where,
            "text": c.text,
        }
        for c in outlook.checks
    ]
    return {"gate": outlook.gate, "checks": checks}


def _assumptions(outlook: Outlook) -> list[dict[str, Any]]:
    blocks = outlook.fit.priors.blocks
    return [
        {
            "block": block,
            "name": name,
            "family": prior.family,
            "parameters": {k: (v if np.isfinite(v) else None) for k, v in prior.parameters.items()},
            "statement": prior.statement,
            "rationale": prior.rationale,
            "source": prior.source,
            "date": str(prior.date),
        }
        for block in outlook.fit.rung.blocks
        for name, prior in blocks[block].items()
    ]


def _model_limits(outlook: Outlook) -> list[str]:
    limits = []
    written = max(p.date for block in outlook.fit.priors.blocks.values() for p in block.values())
    if outlook.origin.as_of < written:
        limits.append(
            f"The model, its priors and the coding rules were written up to {written}, after the as-of day: no data of "
            "later days are used, but whoever wrote them knew how it went on."
        )
    if outlook.origin.as_of > outlook.origin.day:
        limits.append(describe.staleness(outlook.fit.history)["text"])
    if outlook.fit.rung.levels_move_on:
        limits.append(
            "Escalation is any step up the force ladder, also one back to a level that was held before an easing: it "
            "does not always leave things worse than they are now."
        )
    else:
        limits.append(
            "A base rate knows first passages only: how long a deal lasts, and what follows, is not in it, and deal "
            "and escalation are taken as independent."
        )
    return limits


def rounded(value: Any) -> Any:
    """Return plain Python numbers throughout, floats to six decimals."""
    if isinstance(value, Mapping):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    return round(float(value), 6) if isinstance(value, (float, np.floating)) else value
