"""A backtest of 26 origins with one worker and with two: seconds, their ratio, and the cost of an origin.

    python tests/benchmarks/backtest.py [RUNG]

Compiled code comes from the usual cache, so run a backtest of the rung once before; both runs start from nothing else.
"""

import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from forecast.case import load_case
from forecast.evaluation.backtest import backtest
from forecast.evaluation.plan import Request, origins_between, spacing

FIRST, LAST, EVERY, ORIGINS = date(2024, 1, 5), date(2025, 12, 5), "4w", 26


def main() -> None:
    """Time both, print."""
    rung = sys.argv[1] if len(sys.argv) > 1 else "R1"
    origins = origins_between(load_case("us-iran"), FIRST, LAST, spacing(EVERY))
    assert len(origins) == ORIGINS
    request = Request(case="us-iran", origins=origins, rungs=(rung,))
    seconds, digests = [], []
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            done = backtest(request, out=Path(folder), workers=workers)
            seconds.append(time.perf_counter() - started)
        digests.append(done.forecasts["draw_digest"].tolist())
        median = done.summary["seconds_by_rung"][rung]["median"]
        print(f"{rung}, {workers} workers: {seconds[-1]:.0f} s, {median:.1f} s an origin (median)", flush=True)
    assert digests[0] == digests[1]
    print(f"two workers are {seconds[0] / seconds[1]:.2f} times as fast as one")


if __name__ == "__main__":
    main()
