"""One task of a backtest: forecast as of one origin with one rung, from plain arguments to plain results.

It runs in a worker process, perhaps on another machine, so it finds its own data and hands back what JSON can hold.
This module is what a worker imports first: with it come the flags that must precede PyTensor.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast import __version__
from forecast.errors import EngineError, RungError

if TYPE_CHECKING:
    from forecast.case import Case
    from forecast.models import History, Priors
    from forecast.observations import Vintage
    from forecast.outlook import Outlook


_UNSEEN = {"folder", "coded_until", "title", "summary", "limits", "observations", "episodes", "breakdowns"}
_PACKAGE = Path(__file__).resolve().parent.parent
_NUMERIC = ("case", "observations", "models", "inference", "outlook", "evaluation/task.py")
_LIBRARIES = ("pymc", "pytensor", "nutpie", "numba", "numpy", "scipy", "pandas", "xarray", "arviz-stats")


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is told.

    Attributes
    ----------
    case
        A shipped case or the path of a case folder, as the worker finds it.
    as_of
        The origin, a date.
    rung, seed, draws, tune, chains
        How to fit.
    priors
        Path of a folder of prior files; None for the shipped ones.
    room
        Least sizes of arrays, so that all origins share one compiled model.
    """

    case: str
    as_of: str
    rung: str
    seed: int
    draws: int
    tune: int
    chains: int
    priors: str | None
    room: dict[str, int]

    def plain(self) -> dict[str, Any]:
        """Return the arguments of :func:`forecast_origin`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ingredients:
    """Digests of what a forecast was made of, so that a worker that has something else is found out."""

    code: str
    definition: str
    priors: str
    data: str
    coded_until: str

    @classmethod
    def of(cls, vintage: "Vintage", priors: "Priors") -> "Ingredients":
        """Describe what this process would make a forecast of."""
        until = str(vintage.coded_until)
        return cls(code(), _definition(vintage.case), priors.digest(), vintage.digest(), until)


def forecast_origin(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fit one rung to what was known at one origin and answer the case's questions.

    A rung that the data of that day cannot carry, or that the engine cannot follow, is a result and not an exception:
    it would fail again. Chains run one after the other and linear algebra in one thread, since the workers are what
    runs side by side; no number depends on it.

    Returns
    -------
    dict
        ``status``: ``done`` with ``gate``, ``checks``, ``rows``, ``curves`` and ``draw_digest``, or ``failed`` with
        ``error``; ``made_of``, what went in; ``seconds``.
    """
    from threadpoolctl import threadpool_limits

    from forecast.models import load_priors

    task = Task(**arguments)
    started = time.perf_counter()
    with threadpool_limits(1):
        history = history_at(task)
        priors = load_priors(Path(task.priors) if task.priors else None)
        try:
            found = _forecast(task, history, priors)
        except (RungError, EngineError) as error:
            found = {"status": "failed", "error": str(error)}
        made_of = Ingredients.of(history.vintage, priors)
    return found | {"made_of": asdict(made_of), "seconds": round(time.perf_counter() - started, 2)}


def _forecast(task: Task, history: "History", priors: "Priors") -> dict[str, Any]:
    from forecast.inference import Settings, fit
    from forecast.models import get_rung
    from forecast.outlook import build_outlook

    settings = Settings(seed=task.seed, draws=task.draws, tune=task.tune, chains=task.chains)
    fitted = fit(get_rung(task.rung), history, priors=priors, settings=settings, cores=1)
    outlook = build_outlook(fitted)
    return {
        "status": "done",
        "gate": outlook.gate,
        "checks": {c.name: {"value": c.value, "status": c.status, "where": c.where} for c in outlook.checks},
        "rows": _rows(outlook),
        "curves": _curves(outlook),
        "case": history.case.id,
        "seed": task.seed,
        "draw_digest": fitted.draw_digest(),
    }


def history_at(task: Task) -> "History":
    """Return the coded history of a task's origin, with a plan as long as the case's questions need."""
    from forecast.case import load_case
    from forecast.models import build_history
    from forecast.observations import as_of
    from forecast.outlook import plan_weeks_for

    case = load_case(task.case)
    vintage = as_of(case, task.as_of)
    lasting = max((q.lasting_weeks or 0 for q in case.questions), default=0)
    return build_history(vintage, plan_weeks=plan_weeks_for(case.horizons, lasting, vintage.day), room=task.room)


def _rows(outlook: "Outlook") -> list[dict[str, Any]]:
    """Every question at every horizon, then what comes first by each horizon, category by category."""
    from forecast.evaluation.outcomes import FIRST
    from forecast.models import horizon_day

    answers = [(a.question.id, "", a.horizon_weeks, a.by, a.probability) for a in outlook.answers]
    for weeks in outlook.fit.history.case.horizons:
        by = horizon_day(outlook.origin, weeks)
        answers += [(FIRST, name, weeks, by, p) for name, p in outlook.outcomes(weeks).items()]
    return [
        {
            "question": question,
            "category": category,
            "horizon_weeks": weeks,
            "by": str(by),
            "probability": p.mean,
            "mcse": p.mcse,
            "lower": p.lower,
            "upper": p.upper,
        }
        for question, category, weeks, by, p in answers
    ]


def _curves(outlook: "Outlook") -> dict[str, list[float]]:
    """Probability of each question by each week from 0 on; absence (``neither``) has no passage and no curve."""
    from forecast.outlook.paths import occurred_by

    case = outlook.fit.history.case
    return {
        q.id: [float(occurred_by(q, outlook.passages[q.id], week).mean()) for week in range(max(case.horizons) + 1)]
        for q in case.questions
        if q.event != "neither"
    }


def _definition(case: "Case") -> str:
    """SHA-256 of the case's rules and questions; its tables, its prose and how far it is coded are not in it."""
    stated = case.model_dump(mode="json", exclude=_UNSEEN)
    return f"sha256:{hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()}"


@cache
def code() -> str:
    """SHA-256 of everything but data and priors that the numbers depend on: our sources and the libraries' versions."""
    state = hashlib.sha256(json.dumps([__version__, *(version(name) for name in _LIBRARIES)]).encode())
    for part in _NUMERIC:
        files = [_PACKAGE / part] if part.endswith(".py") else sorted((_PACKAGE / part).rglob("*.py"))
        for path in files:
            state.update(path.read_bytes())
    return f"sha256:{state.hexdigest()}"
