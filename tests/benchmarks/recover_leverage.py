"""Does R6 find what made its data? Simulated histories of known leverage, fitted one after the other.

    python tests/benchmarks/recover_leverage.py coverage 50 study.jsonl
    python tests/benchmarks/recover_leverage.py planted 8 study.jsonl
    python tests/benchmarks/recover_leverage.py spell 8 study.jsonl
    python tests/benchmarks/recover_leverage.py show study.jsonl

``coverage`` draws all parameters from their priors and notes where the truth lies in its posterior; ``planted`` gives
both sides misperception of scale 1, or none, and compares R6 with R5; ``spell`` lets one side, by turns, over-rate
itself by 2 for half a year and both hardly misjudge anything before and after. Results are appended by history, so that
a study that was stopped goes on where it was. Takes a minute and more a history.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from forecast.errors import EngineError
from forecast.inference import Settings, fit
from forecast.models import History, get_rung, load_priors
from forecast.models.leverage import layout_of
from tests.inference.leverage_recovery import Spell, like, pinned_leverage, simulate_leverage, true_deal_rank
from tests.inference.recovery import LEVELS, covered
from tests.models.given import real_history

QUICK = {"draws": 250, "tune": 150, "chains": 2}
EVERY = 52  # weeks between the weeks whose gap is looked at: neighbours say the same
PLANTED = 1.0
SPELL_SIZE, SPELL_WEEKS, OTHERWISE = 2.0, 26, 0.3
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
            row = {KIND: what, "history": k, **STUDIES[what](k)}
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
    states = layout_of(real.case, "R6").states
    row: dict[str, Any] = {}
    for planted in (PLANTED, 0.0):
        rng = np.random.default_rng([2026, 7, k, int(planted)])
        _, leverage, made = simulate_leverage(real, priors, rng, misperception=planted)
        truth = dict(zip(states, leverage.shifted.T, strict=True)) | {"gap": leverage.gap}
        for name, posterior in posteriors(made, real, seed=k).items():
            if isinstance(posterior, EngineError):
                row[f"{name} {planted:g}"] = {"failed": str(posterior)}
                continue
            mean = posterior.mean(("chain", "draw"))
            paths = {latent: mean["leverage"].sel(latent=latent).values for latent in map(str, mean["latent"].values)}
            errors = (paths | {"gap": mean["gap"].values}).items()
            found = {f"error of {latent}": root_mean_square(path - truth[latent]) for latent, path in errors}
            for latent in (n for n in paths if n.startswith("misperception")):
                if planted:
                    found[f"correlation of {latent}"] = float(np.corrcoef(paths[latent], truth[latent])[0, 1])
                found[f"scale of {latent}"] = float(mean["scale"].sel(state=latent))
            row[f"{name} {planted:g}"] = found
    return row


def spelling(k: int) -> dict[str, Any]:
    """What R6 and R5 make of half a year in which one side over-rates itself."""
    real, priors = real_history(), load_priors()
    layout, rng = layout_of(real.case, "R6"), np.random.default_rng([2026, 8, k])
    names = [name for name in layout.states if name.startswith("misperception")]
    latent = names[k % len(names)]
    first = int(rng.integers(EVERY, real.weeks.n_weeks - EVERY))
    spell = Spell(latent, range(first, first + SPELL_WEEKS), SPELL_SIZE)
    _, leverage, made = simulate_leverage(real, priors, rng, misperception=OTHERWISE, spell=spell)
    truth = dict(zip(layout.states, leverage.shifted.T, strict=True))
    during = np.isin(np.arange(real.weeks.n_weeks), spell.weeks)
    true = latent.replace("misperception", "true")
    row: dict[str, Any] = {}
    for name, posterior in posteriors(made, real, seed=k).items():
        found = f"{name}, {latent}"
        if isinstance(posterior, EngineError):
            row[found] = {"failed": str(posterior)}
            continue
        of_true = posterior["leverage"].sel(latent=true).mean(("chain", "draw")).values
        of_gap = posterior["gap"].mean(("chain", "draw")).values
        row[found] = {
            "true leverage less truth, during": float((of_true - truth[true])[during].mean()),
            "gap less truth, during": float((of_gap - leverage.gap)[during].mean()),
            "error of gap, during": root_mean_square((of_gap - leverage.gap)[during]),
        }
        if name == "R6":
            path = posterior["leverage"].sel(latent=latent)
            mean, above = path.mean(("chain", "draw")).values, (path > 0).mean(("chain", "draw")).values
            row[found] |= {
                "misperception, during": float(mean[during].mean()),
                "misperception, before and after": float(mean[~during].mean()),
                "above zero, during": float(above[during].mean()),
                "above zero, before and after": float(above[~during].mean()),
            }
    with_misperception, without = (row[f"{name}, {latent}"] for name in ("R6", "R5"))
    if "failed" not in with_misperception.keys() | without.keys():
        error = "error of gap, during"
        with_misperception[f"{error}, less that of R5"] = with_misperception[error] - without[error]
    return row


def posteriors(made: History, real: History, *, seed: int) -> dict[str, xr.Dataset | EngineError]:
    """Posteriors of R6 and R5 given a made history; an engine that refuses it is a finding."""
    found: dict[str, xr.Dataset | EngineError] = {}
    for name in ("R6", "R5"):
        rung = pinned_leverage(get_rung(name), real)
        try:
            found[name] = fit(rung, made, priors=load_priors(), settings=Settings(seed=seed, **QUICK)).posterior
        except EngineError as error:
            found[name] = error
    return found


def root_mean_square(errors: np.ndarray) -> float:
    """Size of errors."""
    return float(np.sqrt(np.mean(errors**2)))


STUDIES = {"coverage": covering, "planted": planting, "spell": spelling}


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
    for study in ("planted", "spell"):
        rows_of = [row for row in rows if row[KIND] == study]
        for model in sorted({key for row in rows_of for key in row} - {KIND, "history"}):
            fitted = [row[model] for row in rows_of if model in row]
            of = [found for found in fitted if "failed" not in found]
            lines.append(f"{study}, {model}: {len(of)} histories, {len(fitted) - len(of)} failed")
            lines += [_over(key, [f[key] for f in of]) for key in of[0]] if of else []
    return "\n".join(lines)


def _over(key: str, found: list[float]) -> str:
    """Mean over histories, with its standard error."""
    error = np.std(found, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.nan
    return f"    {key:<36}{np.mean(found):7.3f} (s.e. {error:.3f})"


if __name__ == "__main__":
    sys.exit(main())
