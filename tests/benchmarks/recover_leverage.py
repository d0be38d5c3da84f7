"""Does R6 find what made its data? Simulated histories of known leverage, fitted one after the other.

    python tests/benchmarks/recover_leverage.py coverage 50 study.jsonl
    python tests/benchmarks/recover_leverage.py planted 8 study.jsonl
    python tests/benchmarks/recover_leverage.py show study.jsonl

``coverage`` draws all parameters from their priors and notes where the truth lies in its posterior; ``planted`` gives
both sides misperception of scale 1, or none, and compares R6 with R5. Results are appended by history, so that a study
that was stopped goes on where it was. Takes a minute and more a history.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from forecast.errors import EngineError
from forecast.inference import Settings, fit
from forecast.models import get_rung, load_priors
from forecast.models.leverage import layout_of
from tests.inference.leverage_recovery import like, pinned_leverage, simulate_leverage, true_deal_rank
from tests.inference.recovery import LEVELS, covered
from tests.models.given import real_history

QUICK = {"draws": 250, "tune": 150, "chains": 2}
EVERY = 52  # weeks between the weeks whose gap is looked at: neighbours say the same
PLANTED = 1.0
KIND = "kind"


def main() -> int:
    """Run or show a study."""
    what, *rest = sys.argv[1:]
    file = Path(rest[-1])
    if what == "show":
        print(shown([json.loads(line) for line in file.read_text().splitlines()]))
        return 0
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for k in range(int(rest[0])):
        if (what, k) not in {(row[KIND], row["history"]) for row in done}:
            row = {KIND: what, "history": k, **(covering(k) if what == "coverage" else planting(k))}
            with file.open("a") as out:
                out.write(json.dumps(row) + "\n")
            print(row, flush=True)
    return 0


def covering(k: int) -> dict[str, Any]:
    """Ranks of the truth in the posterior of one history, by group."""
    real, priors = real_history(), load_priors()
    truth, leverage, made = simulate_leverage(real, priors, np.random.default_rng([2026, 6, k]))
    rung = pinned_leverage(get_rung("R6"), real)
    try:
        posterior = fit(rung, made, priors=priors, settings=Settings(seed=k, **QUICK)).posterior
    except EngineError as error:
        return {"failed": str(error)}
    true = like(posterior, truth, leverage, layout_of(real.case, "R6"))
    weeks = [*range(0, made.weeks.n_weeks, EVERY), made.weeks.n_weeks - 1]
    misperceived = [k for k, name in enumerate(posterior["latent"].values) if name.startswith("misperception")]
    below = {
        name: (posterior[name].values < true[name]).mean(axis=(0, 1))
        for name in ("gap", "leverage", "gap_effect", "loading_believed", "loading_true", "misperception_sd", "base")
    }
    ranks = {name: np.ravel(below[name]) for name in ("gap_effect", "loading_believed", "loading_true", "base")}
    ranks |= {"misperception_sd": below["misperception_sd"], "gap": below["gap"][weeks]}
    ranks["misperception"] = below["leverage"][weeks][:, misperceived].ravel()
    ranks["deal by 13 weeks"], true_probability, mean = (
        np.atleast_1d(v) for v in true_deal_rank(posterior, true, made)
    )
    return {
        "ranks": {name: np.round(of, 4).tolist() for name, of in ranks.items()},
        "deal": [float(true_probability[0]), float(mean[0])],
    }


def planting(k: int) -> dict[str, Any]:
    """Errors of R6 and R5 about histories with misperception and without."""
    real, priors = real_history(), load_priors()
    row: dict[str, Any] = {}
    for planted in (PLANTED, 0.0):
        rng = np.random.default_rng([2026, 7, k, int(planted)])
        _, leverage, made = simulate_leverage(real, priors, rng, misperception=planted)
        for name in ("R6", "R5"):
            try:
                fitted = fit(
                    pinned_leverage(get_rung(name), real), made, priors=priors, settings=Settings(seed=k, **QUICK)
                )
            except EngineError as error:
                row[f"{name} {planted:g}"] = {"failed": str(error)}
                continue
            mean = fitted.posterior.mean(("chain", "draw"))
            layout = layout_of(real.case, "R6")
            truth = dict(zip(layout.states, leverage.shifted.T, strict=True))
            found = {
                f"error of {latent}": float(
                    np.sqrt(np.mean((mean["leverage"].sel(latent=latent).values - truth[latent]) ** 2))
                )
                for latent in map(str, mean["latent"].values)
            }
            found["error of gap"] = float(np.sqrt(np.mean((mean["gap"].values - leverage.gap) ** 2)))
            if name == "R6":
                for k_side, latent in enumerate(n for n in layout.states if n.startswith("misperception")):
                    path = mean["leverage"].sel(latent=latent).values
                    if planted:
                        found[f"correlation of {latent}"] = float(np.corrcoef(path, truth[latent])[0, 1])
                    found[f"scale of {latent}"] = float(mean["misperception_sd"].values[k_side])
            row[f"{name} {planted:g}"] = found
    return row


def shown(rows: list[dict[str, Any]]) -> str:
    """The tables of a study, for a reader."""
    lines = []
    covers = [row for row in rows if row[KIND] == "coverage"]
    good = [row for row in covers if "ranks" in row]
    lines.append(f"{len(good)} histories covered, {len(covers) - len(good)} failed")
    for name in good[0]["ranks"] if good else ():
        rank = np.concatenate([row["ranks"][name] for row in good])
        shares = "  ".join(f"{covered(rank, level).mean():6.1%}" for level in LEVELS)
        lines.append(f"{name:<20}{rank.size:>6}  {shares}  mean rank {rank.mean():.3f}")
    planted = [row for row in rows if row[KIND] == "planted"]
    for model in sorted({key for row in planted for key in row} - {KIND, "history"}):
        of = [row[model] for row in planted if "failed" not in row[model]]
        lines.append(f"{model}: {len(of)} histories, {len(planted) - len(of)} failed")
        lines += [f"    {key:<36}{np.mean([f[key] for f in of]):7.3f}" for key in of[0]] if of else []
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
