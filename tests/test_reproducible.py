"""The same command gives the same numbers to the last bit: in a process that compiles and in one that need not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.test_run import files_in, without_times

pytestmark = pytest.mark.slow

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
