"""Mean scores by forecaster, kind of question and lead, with what they are worth: n, clusters, n_eff, intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecast.errors import ScoreError
from forecast.evaluation.resampling import SEED, bootstrap_means, design_effect, interval
from forecast.evaluation.scores import FLOOR, brier_categories, log_score_categories, rps, skill
from forecast.evaluation.table import (
    QUESTION,
    band_of,
    check_same_questions,
    check_table,
    cluster_ids,
    score_rows,
)
from forecast.outlook.outlook import OUTCOMES

PRIMARY = "log"
GROUPS = ("question", "band")


def score_table(
    table: pd.DataFrame,
    *,
    group: Sequence[str] = GROUPS,
    reference: str | None = None,
    floor: float = FLOOR,
    seed: int = SEED,
) -> pd.DataFrame:
    """Score the settled questions of a table.

    Parameters
    ----------
    table
        Forecasts joined to outcomes, all published or all reconstructed.
    group
        What to keep apart beside the forecaster: ``question``, ``band``, ``case``, or nothing.
    reference
        The forecaster to take skill against, pre-registered.
    floor
        Of the log score.
    seed
        Of the bootstrap; each row draws from it anew, so that no row depends on which others there are.

    Returns
    -------
    pandas.DataFrame
        One row a forecaster and group: ``n`` settled questions from ``forecasts`` forecasts, in ``clusters``, worth
        ``n_eff`` independent ones (by the log score); ``base_rate`` and ``mean_probability``; ``brier`` and ``log``
        with the 90 % cluster-bootstrap bounds ``*_lower`` and ``*_upper``; ``clipped`` forecasts; and, with a
        reference, ``*_skill`` with bounds.

    Raises
    ------
    ScoreError
        The table breaks a rule, nothing is settled, forecasters answered unequal questions, or the reference is not
        among them.
    """
    rows = score_rows(table, floor=floor)
    return _summary(rows, scores=("brier", PRIMARY), group=group, reference=reference, seed=seed)


def ordered_rows(table: pd.DataFrame, *, outcomes: Sequence[str] = OUTCOMES, floor: float = FLOOR) -> pd.DataFrame:
    """Put exclusive outcomes together as one forecast over ordered outcomes, and score it.

    Parameters
    ----------
    table
        Forecasts joined to outcomes, with the outcome that a row is about as its ``question``.
    outcomes
        Worst to best; by default what comes first. The exclusive questions ``escalation_before_deal``, ``neither`` and
        ``deal_before_escalation`` can be put together as well.
    floor
        Of the log score.

    Returns
    -------
    pandas.DataFrame
        One row a forecaster, case, origin and deadline: ``rps``, ``log``, ``brier`` (0 to 2), ``clipped``, and which
        outcome came true; ``question`` is ``ordered``.

    Raises
    ------
    ScoreError
        A forecast lacks one of the outcomes, the probabilities do not sum to one, or not exactly one came true.
    """
    rows = check_table(table)
    rows = rows[rows["outcome"].notna() & rows["question"].isin(list(outcomes))]
    index = ["label", "forecaster", "case", "origin", "by"]
    columns = {
        (what, q): rows[rows["question"] == q].set_index(index)[what]
        for what in ("probability", "outcome")
        for q in outcomes
    }
    wide = pd.concat(columns, axis=1).sort_index()
    p, y = wide["probability"].to_numpy(float), wide["outcome"].to_numpy(float)
    torn = np.flatnonzero(np.isnan(p).any(axis=1) | (np.nansum(y, axis=1) != 1))
    if len(torn) or wide.empty:
        row = wide.index.to_frame(index=False).iloc[torn[0]] if len(torn) else None
        where = (
            "table" if row is None else f"{row['forecaster']} as of {row['origin']:%Y-%m-%d} by {row['by']:%Y-%m-%d}"
        )
        message = f"{where}: needs all of {list(outcomes)}, settled, exactly one of them YES"
        raise ScoreError(message)
    outcome = [outcomes[k] for k in y.argmax(axis=1)]
    log = log_score_categories(p, outcome, categories=outcomes, floor=floor)
    true = rows[rows["outcome"] == 1].set_index(index)  # what came true carries the cluster: they all share its event
    found = wide.index.to_frame(index=False).assign(
        question="ordered",
        outcome=outcome,
        horizon_weeks=true["horizon_weeks"].reindex(wide.index).to_numpy(),
        cluster=true["cluster"].reindex(wide.index).to_numpy(),
        rps=rps(p, outcome, categories=outcomes),
        brier=brier_categories(p, outcome, categories=outcomes),
        log=log.values,
        clipped=log.clipped,
    )
    return found.assign(band=band_of(found["horizon_weeks"]))


def ordered_table(
    table: pd.DataFrame,
    *,
    outcomes: Sequence[str] = OUTCOMES,
    group: Sequence[str] = ("band",),
    reference: str | None = None,
    floor: float = FLOOR,
    seed: int = SEED,
) -> pd.DataFrame:
    """Score the ordered outcomes of a table, as :func:`score_table` does binary questions; ``rps`` is the headline."""
    rows = ordered_rows(table, outcomes=outcomes, floor=floor)
    return _summary(rows, scores=("rps", PRIMARY, "brier"), group=group, reference=reference, seed=seed)


def _summary(
    rows: pd.DataFrame, *, scores: Sequence[str], group: Sequence[str], reference: str | None, seed: int
) -> pd.DataFrame:
    if rows.empty:
        message = "table: nothing is settled yet, so there is nothing to score"
        raise ScoreError(message)
    strange = [g for g in group if g not in rows.columns]
    if strange:
        message = f"group {strange[0]!r}: not a column; group by question, band or case"
        raise ScoreError(message)
    if reference is not None and reference not in set(rows["forecaster"]):
        message = f"reference {reference!r}: no forecasts of it here; there are {sorted(set(rows['forecaster']))}"
        raise ScoreError(message)
    check_same_questions(rows)
    found = []
    for keys, part in rows.groupby(list(group), observed=True) if group else [((), rows)]:
        means = {str(name): _by_question(own, scores) for name, own in part.groupby("forecaster")}
        for name, own in means.items():
            ref = means[reference] if reference is not None else None
            head = {"label": rows["label"].iloc[0], "forecaster": name, **dict(zip(group, keys, strict=True))}
            found.append({**head, **_line(own, ref, scores, seed)})
    order = [g for g in group if g != "band"]
    table = pd.DataFrame(found)
    if "band" in group:
        table["band"] = pd.Categorical(table["band"], categories=rows["band"].cat.categories, ordered=True)
        order.append("band")
    return table.sort_values([*order, "forecaster"], ignore_index=True)


def _by_question(rows: pd.DataFrame, scores: Sequence[str]) -> pd.DataFrame:
    """Average the forecasts of each settled question, so that questions count alike."""
    columns = {score: (score, "mean") for score in scores}
    columns |= {"forecasts": ("clipped", "size"), "clipped": ("clipped", "sum")}
    if "probability" in rows:
        columns |= {"probability": ("probability", "mean"), "outcome": ("outcome", "mean")}
    return rows.groupby(list(QUESTION), observed=True).agg(**columns).reset_index()


def _line(own: pd.DataFrame, reference: pd.DataFrame | None, scores: Sequence[str], seed: int) -> dict[str, float]:
    """Summarise one forecaster in one group."""
    clusters = cluster_ids(own)
    effect = design_effect(own[PRIMARY].to_numpy(), clusters)
    line: dict[str, float] = {
        "n": effect.n,
        "forecasts": int(own["forecasts"].sum()),
        "clusters": effect.clusters,
        "n_eff": effect.n_eff,
        "clipped": int(own["clipped"].sum()),
    }
    if "probability" in own:
        line |= {"base_rate": own["outcome"].mean(), "mean_probability": own["probability"].mean()}
    values = own[list(scores)].to_numpy(float)
    draws = bootstrap_means(values, clusters, seed=seed)
    for k, score in enumerate(scores):
        line[score] = float(values[:, k].mean())
        line[f"{score}_lower"], line[f"{score}_upper"] = interval(draws[:, k])
    if reference is not None:
        against = reference[list(scores)].to_numpy(float)
        drawn = bootstrap_means(against, clusters, seed=seed)  # the same seed draws the same clusters
        for k, score in enumerate(scores):
            line[f"{score}_skill"] = float(skill(values[:, k].mean(), against[:, k].mean()))
            line[f"{score}_skill_lower"], line[f"{score}_skill_upper"] = interval(skill(draws[:, k], drawn[:, k]))
    return line
