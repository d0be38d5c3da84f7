import os
import subprocess
import sys

import pytest

SHOW = """
import os
import forecast
import pytensor
print(pytensor.config.numba__fastmath, pytensor.config.floatX, os.environ["PYTENSOR_FLAGS"])
"""


def run(code: str, flags: str | None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that knows no flags but these."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTENSOR_FLAGS"}
    if flags is not None:
        environment["PYTENSOR_FLAGS"] = flags
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (None, "False float64 numba__fastmath=False"),
        ("numba__fastmath=True,floatX=float32", "False float32 floatX=float32,numba__fastmath=False"),
    ],
)
def test_to_import_the_package_turns_fast_math_off_and_keeps_other_flags(flags: str | None, expected: str) -> None:
    done = run(SHOW, flags)
    assert done.stdout.strip() == expected, done.stderr


def test_pytensor_imported_too_early_with_fast_math_on_is_an_error_that_says_how_to_mend_it() -> None:
    early = "import pytensor\npytensor.config.numba__fastmath = True\n"
    done = run(f"{early}from forecast.inference.runtime import prepare_pytensor\nprepare_pytensor()\n", None)
    assert done.returncode != 0
    assert "ForecastError" in done.stderr
    assert "import forecast first" in done.stderr.splitlines()[-1]
