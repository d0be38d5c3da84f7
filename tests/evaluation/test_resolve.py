"""What the data decide, settled in a ledger: the spring of 2026 as the shipped case has it."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from forecast.case import Case, deadline
from forecast.evaluation.resolve import WHO, decided_by
from forecast.ledger import Forecast, Ledger, append, open_ledger
from forecast.ledger.resolution import settle
from forecast.observations import as_of

ORIGIN = datetime(2026, 4, 10, 23, 59, 59, tzinfo=UTC)


def asked(case: Case, question: str, by: str, *, wording: str | None = None, origin: datetime = ORIGIN) -> Forecast:
    of = next(q for q in case.questions if q.id == question)
    return Forecast(
        case=case.id,
        question=question,
        event=of.event,
        wording=wording or case.wording(of),
        horizon_weeks=None,
        by=date.fromisoformat(by),
        deadline=deadline(date.fromisoformat(by), "UTC"),
        origin=origin,
        issued_at=origin,
        model_version="0",
        rung="R0",
        probability=0.5,
        mcse=0.0,
        quantiles={},
        data_digest="none",
        prior_digest="none",
        label="reconstructed",
        manifest={},
    )


@pytest.fixture
def ledger(tmp_path: Path, us_iran: Case) -> Ledger:
    opened = open_ledger(f"sqlite:///{tmp_path}/workspace.db")
    questions = [
        ("deal", "2026-06-30"),
        ("deal_comprehensive", "2026-06-30"),
        ("deal", "2026-05-08"),
        ("deal", "2027-04-09"),
    ]
    forecasts = [asked(us_iran, question, by) for question, by in questions]
    append(opened, [*forecasts, asked(us_iran, "escalation", "2026-06-30", wording="another wording")])
    return opened


def test_the_memorandum_of_june_settles_a_deal_and_not_a_comprehensive_one(ledger: Ledger, us_iran: Case) -> None:
    added = settle(ledger, us_iran.id, decided_by(as_of(us_iran, "2026-09-30")), who=WHO)
    by_question = {(r.question, str(r.by)): r for r in added}
    deal = by_question["deal", "2026-06-30"]
    assert (deal.outcome, deal.who) == ("yes", "data")
    assert date(2026, 6, 14) <= deal.decided_on <= date(2026, 6, 20)
    assert deal.settled_by
    assert deal.settled_by[0] in deal.reason
    none_yet = by_question["deal_comprehensive", "2026-06-30"]
    assert (none_yet.outcome, none_yet.decided_on, none_yet.settled_by) == ("no", date(2026, 6, 30), ())
    assert by_question["deal", "2026-05-08"].outcome == "no"
    assert by_question["deal", "2027-04-09"].outcome == "yes"  # it came long before its date
    assert ("escalation", "2026-06-30") not in by_question  # worded otherwise since: for a person


@pytest.mark.parametrize(
    ("origin", "question", "by"),
    [
        ("2026-02-27T23:59:59Z", "escalation", "2026-03-27"),
        ("2026-02-28T00:00:00Z", "escalation", "2026-03-27"),  # the war began later that day
        ("2026-06-17T12:00:00Z", "deal", "2026-07-31"),  # the memorandum was signed that day
    ],
)
def test_what_comes_later_on_the_day_of_the_forecast_counts(us_iran: Case, origin: str, question: str, by: str) -> None:
    """A day that has only begun is neither coded nor forecast from, so its events are still to come."""
    forecast = asked(us_iran, question, by, origin=datetime.fromisoformat(origin))
    finding = decided_by(as_of(us_iran, "2026-09-30"))(forecast)
    assert finding is not None
    assert finding.outcome == "yes"


def test_what_is_not_yet_known_stays_open_and_nothing_is_settled_twice(ledger: Ledger, us_iran: Case) -> None:
    in_may = settle(ledger, us_iran.id, decided_by(as_of(us_iran, "2026-05-20")), who=WHO)
    assert [(r.question, str(r.by), r.outcome) for r in in_may] == [("deal", "2026-05-08", "no")]
    assert settle(ledger, us_iran.id, decided_by(as_of(us_iran, "2026-05-20")), who=WHO) == []
    before_asked = decided_by(as_of(us_iran, "2026-04-01"))
    assert settle(ledger, us_iran.id, before_asked, who=WHO) == []
