"""What may enter, and how questions are settled: by whom, when, and what happens when two disagree."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from forecast.errors import LedgerError
from forecast.ledger import Forecast, Ledger, append, read_entries
from forecast.ledger.resolution import Finding, asked, is_disputed, only, resolutions, settle
from tests.ledger.conftest import BY, NOW, ORIGIN, forecast, resolution

CASE = "freedonia-sylvania"
SIGNED = date(2026, 6, 17)
JULY = datetime(2026, 7, 20, tzinfo=UTC)
OVER = datetime(2026, 7, 15, 0, 0, 0, tzinfo=UTC)


def finding(**changes: Any) -> Finding:
    """A signature in June."""
    values: dict[str, Any] = {
        "outcome": "yes",
        "decided_on": SIGNED,
        "public_at": datetime(2026, 6, 17, 20, tzinfo=UTC),
        "reason": "Both sides signed.",
        "settled_by": ("E17",),
    }
    return Finding(**{**values, **changes})


# --- forecasts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probability": 1.01}, "probability"),
        ({"probability": -0.01}, "probability"),
        ({"probability": float("nan")}, "probability"),
        ({"mcse": -0.1}, "mcse"),
        ({"quantiles": {"0.05": 1.2}}, "quantiles"),
        ({"quantiles": {"0.05": 0.5, "0.95": 0.1}}, "must not fall"),
        ({"quantiles": {"median": 0.5}}, "levels must be numbers between 0 and 1"),
        ({"quantiles": {"1.0": 0.5}}, "levels must be numbers between 0 and 1"),
        ({"origin": datetime(2026, 8, 1, tzinfo=UTC)}, "is not after the origin"),
        ({"origin": "2026-04-14T12:00:00"}, "timezone"),
        ({"label": "backtest"}, "label"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_forecast_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        forecast(**changes)


def test_times_are_kept_in_utc() -> None:
    tehran = datetime.fromisoformat("2026-04-15T03:29:59+03:30")
    assert forecast(origin=tehran) == forecast(origin=ORIGIN)


def test_a_forecast_of_a_closed_question_is_refused(ledger: Ledger) -> None:
    short = forecast(by=date(2026, 4, 16), deadline=datetime(2026, 4, 16, 23, 59, 59, tzinfo=UTC))
    closing = short.deadline
    with pytest.raises(LedgerError, match=r"pact by 2026-04-16 .*: the question closed at 2026-04-16T23:59:59Z"):
        append(ledger, [forecast(), short], now=closing)
    assert read_entries(ledger) == []
    assert append(ledger, [short], now=closing - timedelta(seconds=1)).added == 1


def test_a_forecast_published_long_after_its_as_of_time_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="more than 7 days after its as-of time; it can only be a reconstructed one"):
        append(ledger, [forecast()], now=ORIGIN + timedelta(days=7, seconds=1))
    reconstructed = forecast(label="reconstructed")
    assert append(ledger, [reconstructed], now=ORIGIN + timedelta(days=700)).added == 1


def test_a_forecast_of_a_settled_question_is_refused(ledger: Ledger) -> None:
    at_once = {"decided_on": date(2026, 4, 15), "public_at": NOW}
    append(ledger, [forecast()], now=NOW)
    settle(ledger, CASE, lambda _: finding(**at_once), who="data", now=NOW)
    with pytest.raises(LedgerError, match="already settled as yes; the question is closed"):
        append(ledger, [forecast(rung="R1")], now=NOW + timedelta(hours=1))


# --- resolutions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "changes", "said"),
    [
        ("deal", {"question": "treaty"}, "no such forecast in the ledger"),
        ("deal", {"wording": "sha256:other"}, "no such forecast in the ledger"),
        ("deal", {"public_at": JULY + timedelta(seconds=1)}, "which is yet to come"),
        ("deal", {"public_at": datetime(2026, 6, 15, tzinfo=UTC)}, "yet decided on 2026-06-17"),
        ("deal", {"decided_on": date(2026, 4, 13)}, "before the forecast's as-of time"),
        ("deal", {"outcome": "no"}, "cannot be settled as no before the deadline 2026-07-14T23:59:59Z"),
        ("neither", {}, "cannot be settled as yes before the deadline"),
        ("deal", {"decided_on": date(2026, 7, 15), "public_at": JULY}, "after the deadline, so it cannot be yes"),
    ],
)
def test_a_resolution_at_odds_with_its_dates_is_refused(
    ledger: Ledger, event: str, changes: dict[str, Any], said: str
) -> None:
    append(ledger, [forecast(event=event)], now=NOW)
    with pytest.raises(LedgerError, match=said):
        append(ledger, [resolution(**changes)], now=JULY)
    assert len(read_entries(ledger)) == 1


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        ("deal", {}),
        ("deal", {"outcome": "no", "decided_on": BY, "public_at": OVER}),
        ("deal", {"outcome": "void", "decided_on": date(2026, 5, 1), "public_at": NOW}),
        ("neither", {"outcome": "no"}),
        ("neither", {"decided_on": BY, "public_at": OVER}),
        ("deal_before_escalation", {"outcome": "no"}),
        ("deal_lasting", {"decided_on": date(2026, 7, 18), "public_at": JULY}),
    ],
)
def test_a_resolution_in_keeping_with_its_dates_is_taken(ledger: Ledger, event: str, changes: dict[str, Any]) -> None:
    append(ledger, [forecast(event=event)], now=NOW)
    assert append(ledger, [resolution(**changes)], now=JULY).added == 1
    ((found,),) = resolutions(ledger).values()
    assert found == resolution(**changes)


def test_the_data_settle_every_origin_that_they_decide_and_do_so_once(ledger: Ledger) -> None:
    later = datetime(2026, 6, 20, 23, 59, 59, tzinfo=UTC)
    append(ledger, [forecast(), forecast(rung="R1"), forecast(question="war", event="escalation")], now=NOW)
    append(ledger, [forecast(origin=later)], now=later)

    def decide(asked_for: Forecast) -> Finding | None:
        return finding() if asked_for.question == "pact" and asked_for.origin.date() < SIGNED else None

    added = settle(ledger, CASE, decide, who="data", now=JULY)
    assert [(r.question, r.origin, r.outcome, r.settled_by) for r in added] == [("pact", ORIGIN, "yes", ("E17",))]
    assert settle(ledger, CASE, decide, who="data", now=JULY) == []
    assert len(asked(ledger, CASE)) == 3
    assert len(resolutions(ledger)) == 1


def test_both_of_two_resolutions_that_disagree_are_kept(ledger: Ledger) -> None:
    append(ledger, [forecast()], now=NOW)
    settle(ledger, CASE, lambda _: finding(), who="data", now=JULY)
    contrary = finding(outcome="no", decided_on=BY, public_at=OVER, reason="Never in force.", settled_by=())
    settle(ledger, CASE, lambda _: contrary, who="Ada", now=JULY)
    ((first, second),) = resolutions(ledger).values()
    assert (first.who, first.outcome, second.who, second.outcome) == ("data", "yes", "Ada", "no")
    assert is_disputed((first, second))
    assert not is_disputed((first, first))


def test_what_a_person_finds_goes_to_the_origins_before_it(ledger: Ledger) -> None:
    origins = [ORIGIN, ORIGIN + timedelta(weeks=1), datetime(2026, 6, 17, 23, 59, 59, tzinfo=UTC)]
    for origin in origins:
        append(ledger, [forecast(origin=origin)], now=origin)
    decide = only(finding(), ledger, CASE, question="pact", by=BY)
    assert [r.origin for r in settle(ledger, CASE, decide, who="Ada", now=JULY)] == origins[:2]
    one = only(finding(reason="Again."), ledger, CASE, question="pact", by=BY, origin=origins[1])
    assert settle(ledger, CASE, one, who="Bo", now=JULY)[0].origin == origins[1]
    with pytest.raises(LedgerError, match="no forecast of freedonia-sylvania pact by 2026-08-01"):
        only(finding(), ledger, CASE, question="pact", by=date(2026, 8, 1))
