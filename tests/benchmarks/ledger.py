"""What the ledger costs: appending 1,000 forecasts at once (wanted in 1 s), and verifying 100,000 (in 10 s).

python tests/benchmarks/ledger.py
"""

import tempfile
import time
from datetime import timedelta

from forecast.ledger import append, open_ledger, verify
from tests.evaluation.records import issued

APPENDED, VERIFIED = 1_000, 100_000


def main() -> None:
    """Time, print."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.db")
        first = issued(0, 0.5)
        for start in range(0, VERIFIED, APPENDED):
            origins = (first.origin + timedelta(minutes=start + k) for k in range(APPENDED))
            forecasts = [first.model_copy(update={"origin": o, "issued_at": o}) for o in origins]
            started = time.perf_counter()
            done = append(ledger, forecasts, now=forecasts[-1].issued_at + timedelta(minutes=1))
            seconds = time.perf_counter() - started
            assert done.added == APPENDED
            if start in (0, VERIFIED - APPENDED):
                print(f"append of {APPENDED} to {start}: {seconds:.2f} s", flush=True)
        started = time.perf_counter()
        found = verify(ledger)
        print(f"verify of {VERIFIED}: {time.perf_counter() - started:.1f} s, {len(found.problems)} problems")


if __name__ == "__main__":
    main()
