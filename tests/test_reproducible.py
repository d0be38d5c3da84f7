"""The same command gives the same numbers to the last bit: in a process that compiles and in one that need not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forecast.inference import Settings, fit
from forecast.models import get_rung, load_priors
from tests.models.given import real_history
from tests.runs import files_in, without_times

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
COMMAND = ("run", "us-iran", "--rung", "R0", "--as-of", "2026-04-14", "--seed", "11")


def fresh_run(out: Path, cache: Path) -> dict[str, Any]:
    """Run the command in a new process that compiles into ``cache``."""
    # Fast-math asked for: the command must turn it off, or compiled and cached code would differ.
    flags = {"PYTENSOR_FLAGS": f"base_compiledir={cache},numba__fastmath=True"}
    whole = [sys.executable, "-m", "forecast", *COMMAND, "--out", str(out)]
    done = subprocess.run(whole, env=os.environ | flags, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads((out / "outlook.json").read_text())
    return document


def test_a_cold_and_a_warm_process_agree_to_the_last_bit(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cold = fresh_run(tmp_path / "cold", cache)
    compiled = files_in(cache).keys()
    assert compiled  # otherwise both runs would have been warm
    warm = fresh_run(tmp_path / "warm", cache)
    assert files_in(cache).keys() == compiled  # otherwise both would have been cold
    assert warm["manifest"]["draw_digest"] == cold["manifest"]["draw_digest"]
    assert without_times(warm) == without_times(cold)


def leverage_digest() -> str:
    """Digest of a short posterior of R6: too few draws to publish, but enough to differ if anything did."""
    settings = Settings(draws=100, tune=100, chains=2)
    return fit(get_rung("R6"), real_history(), priors=load_priors(), settings=settings).draw_digest()


def test_leverage_agrees_with_a_process_that_finds_it_compiled() -> None:
    """On a fresh machine (CI is one) this process has compiled R6 anew; the other one never needs to."""
    told = leverage_digest()
    script = "from tests.test_reproducible import leverage_digest; print(leverage_digest())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == told
