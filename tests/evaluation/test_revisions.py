import numpy as np
import pandas as pd
import pytest

from forecast.errors import ScoreError
from forecast.evaluation.revisions import check_revisions
from tests.evaluation.given import checked, stream


def bayesian(rng: np.random.Generator, steps: int = 12) -> tuple[np.ndarray, float]:
    """Beliefs about a coin's side after noisy signals, and the side: exactly Bayes."""
    prior = rng.uniform(0.1, 0.6)
    truth = float(rng.random() < prior)
    signals = rng.normal((2 * truth - 1) * 0.3, 1.0, steps)
    logit = np.log(prior / (1 - prior)) + np.concatenate([[0.0], np.cumsum(2 * 0.3 * signals)])
    return 1 / (1 + np.exp(-logit)), truth


def over_reacting(beliefs: np.ndarray) -> np.ndarray:
    """Counts every signal two and a half times."""
    logit = np.log(beliefs / (1 - beliefs))
    return np.asarray(1 / (1 + np.exp(-(logit[0] + 2.5 * (logit - logit[0])))))


def many(n: int, *, distort: bool = False, settle: bool = True, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(n):
        beliefs, truth = bayesian(rng)
        shown = over_reacting(beliefs) if distort else beliefs
        outcome = truth if settle else None
        parts.append(stream(shown.tolist(), outcome, name=f"q{k}", cluster=f"event:{k}"))
    return checked(*parts)


def test_bayesian_streams_move_as_much_as_they_grow_certain() -> None:
    found = check_revisions(many(300), forecaster="R1")
    assert found.ratio == pytest.approx(1, abs=0.08)
    assert found.lower < 1 < found.upper
    assert found.excess_lower < 0 < found.excess_upper
    assert (found.clusters, len(found.streams)) == (300, 300)


def test_streams_that_over_react_move_more() -> None:
    found = check_revisions(many(300, distort=True), forecaster="R1")
    assert found.lower > 1
    assert found.excess_lower > 0


def test_streams_that_hardly_move_until_the_outcome_move_as_much_in_the_end() -> None:
    """Saying the base rate throughout is no martingale's fault: the last step pays for all."""
    rng = np.random.default_rng(3)
    parts = [stream([0.3, 0.3, 0.3], float(rng.random() < 0.3), name=f"q{k}", cluster=f"event:{k}") for k in range(400)]
    assert check_revisions(checked(*parts), forecaster="R1").ratio == pytest.approx(1, abs=0.12)


def test_by_hand() -> None:
    """0.2, 0.5, 0.4, then it happened: 0.09 + 0.01 + 0.36 against 0.16."""
    found = check_revisions(checked(stream([0.2, 0.5, 0.4], 1)), forecaster="R1")
    (line,) = found.streams.to_dict("records")
    assert line["movement"] == pytest.approx(0.46)
    assert line["reduction"] == pytest.approx(0.16)
    assert line["ratio"] == found.ratio == pytest.approx(0.46 / 0.16)
    assert line["revisions"] == 3
    assert found.excess == pytest.approx(0.30)
    assert np.isnan([found.lower, found.excess_lower]).all()  # one cluster says nothing of the spread


def test_open_streams_are_held_to_what_they_have_resolved_so_far() -> None:
    found = check_revisions(many(400, settle=False), forecaster="R1")
    assert not found.streams["settled"].any()
    assert found.excess == pytest.approx(0, abs=0.01)
    assert found.ratio == pytest.approx(1, abs=0.15)
    assert found.clusters == 1  # nothing has settled them apart


def test_a_question_that_starts_again_after_its_event_is_another_stream() -> None:
    before = stream([0.2, 0.4], 1, cluster="event:june", settled=pd.Timestamp("2024-02-01").date())
    after = stream([0.1, 0.1], 0, cluster="quiet:x").assign(origin=lambda r: r["origin"] + pd.Timedelta(weeks=8))
    found = check_revisions(checked(before, after), forecaster="R1")
    assert found.streams["movement"].tolist() == pytest.approx([0.04 + 0.36, 0.01])


def test_doubt_that_grew_has_no_ratio_but_an_excess() -> None:
    found = check_revisions(checked(stream([0.1, 0.4], None), stream([0.1, 0.5], None, name="b")), forecaster="R1")
    assert np.isnan(found.ratio)
    assert found.excess == pytest.approx((0.09 + 0.15 + 0.16 + 0.16) / 2)


def test_nothing_to_revise_is_refused() -> None:
    rows = checked(stream([0.3], None))
    with pytest.raises(ScoreError, match="no revision"):
        check_revisions(rows, forecaster="R1")
    with pytest.raises(ScoreError, match="R9"):
        check_revisions(rows, forecaster="R9")
