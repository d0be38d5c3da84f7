"""Small backtests that several tests ask for."""

import socket
from dataclasses import replace
from datetime import date
from typing import Any

from forecast.evaluation.plan import Request, plan
from forecast.inference import Settings
from tests.conftest import TinyCase

FRIDAYS = (date(2020, 10, 2), date(2020, 10, 30), date(2020, 11, 27))
FEW = Settings(draws=100, tune=100, chains=2)


def request_of(tiny: TinyCase, **changes: Any) -> Request:
    return replace(Request(str(tiny.folder), FRIDAYS, ("R0",), FEW), **changes)


def keys(request: Request) -> dict[tuple[str, date], str]:
    return {(p.task.rung, p.origin): p.key for p in plan(request)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
