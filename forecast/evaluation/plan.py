"""What a backtest has to compute: origins, tasks, and for each a key made of all that determines its numbers."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from forecast.case import Case, load_case
from forecast.errors import AsOfError
from forecast.evaluation.task import Ingredients, Task, history_at
from forecast.inference import Settings
from forecast.models import get_rung, load_priors, sizes_of
from forecast.observations import as_of

DEFAULT_RUNGS = ("R0", "R1", "R3")
_SPACING = re.compile(r"([1-9]\d{0,3})([wd])")


@dataclass(frozen=True, slots=True)
class Request:
    """A backtest as it is asked for.

    Attributes
    ----------
    case
        A shipped case or the path of a case folder.
    origins
        As-of days, earliest first.
    rungs
        Names of rungs.
    settings
        How to sample; every task gets a seed of its own made from the seed here.
    priors
        Folder of prior files; None for the shipped ones.
    """

    case: str
    origins: tuple[date, ...]
    rungs: tuple[str, ...] = DEFAULT_RUNGS
    settings: Settings = field(default_factory=Settings)
    priors: Path | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A task with the key under which its result is kept, and what the worker must have made it of."""

    key: str
    origin: date
    task: Task
    made_of: Ingredients


def spacing(text: str) -> timedelta:
    """Read ``4w`` or ``10d``; AsOfError if it is neither."""
    found = _SPACING.fullmatch(text)
    if found is None:
        message = f"spacing {text!r}: give a number of weeks or days, like 4w or 10d"
        raise AsOfError(message)
    number = int(found[1])
    return timedelta(weeks=number) if found[2] == "w" else timedelta(days=number)


def origins_between(case: Case, first: date, last: date, every: timedelta) -> tuple[date, ...]:
    """Return the as-of days from ``first`` in steps of ``every`` up to ``last``.

    Raises
    ------
    AsOfError
        ``last`` lies before ``first``, or beyond what the case is coded to, where nothing could be decided.
    """
    if last < first:
        message = f"origins from {first} to {last}: the last lies before the first"
        raise AsOfError(message)
    if last > case.coded_until:
        message = f"origins to {last}: {case.id} is coded to {case.coded_until}, and beyond it nothing can be decided"
        raise AsOfError(message)
    return tuple(first + k * every for k in range((last - first) // every + 1))


def plan(request: Request) -> Iterator[Planned]:
    """Return the tasks of a backtest, rung by rung, each origin's data looked at as of that origin only.

    The first and the last origin are looked at now, so that a bad date fails at once, the others as tasks are taken.

    Raises
    ------
    ForecastError
        The case, the priors, a rung or an origin is not usable.
    """
    case, priors = load_case(request.case), load_priors(request.priors)
    rungs = [get_rung(name) for name in request.rungs]
    blank = _blank_task(request)
    as_of(case, request.origins[0])
    longest = history_at(replace(blank, as_of=str(request.origins[-1])))
    room = sizes_of(longest)
    longest = replace(longest, room=room)
    shapes = {rung.name: repr(rung.shape(longest)) for rung in rungs}
    made_of = cache(lambda origin: Ingredients.of(as_of(case, origin), priors))

    def planned(rung: str, origin: date) -> Planned:
        seed = task_seed(request.settings.seed, origin, rung)
        task = replace(blank, as_of=str(origin), rung=rung, seed=seed, room=room)
        own = {k: v for k, v in task.plain().items() if k not in ("case", "priors", "room")}
        key = _digest({**asdict(made_of(origin)), **own, "shape": shapes[rung]})
        return Planned(key, origin, task, made_of(origin))

    return (planned(rung, origin) for rung in shapes for origin in request.origins)


def task_seed(seed: int, origin: date, rung: str) -> int:
    """Return the seed of one task: below 2**63, and as good as independent of those of the others."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{origin}/{rung}".encode()).digest()[:8], "big") >> 1


def _blank_task(request: Request) -> Task:
    """Return a task without origin, rung and room; paths are made whole, as a worker has another working folder."""
    s = request.settings
    case = str(Path(request.case).resolve()) if Path(request.case).is_dir() else request.case
    priors = str(request.priors.resolve()) if request.priors else None
    return Task(case, "", "", s.seed, s.draws, s.tune, s.chains, priors, {})


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
