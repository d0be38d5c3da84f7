from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from forecast.errors import VenueError
from forecast.markets.metaculus import Metaculus, contract_of, points_of, quote_of
from forecast.markets.venue import known_points
from forecast.markets.venues import DEFAULT, VENUES, open_venue
from tests.markets.venues import NOW, plays, plays_by, raw_of, renamed

REVEAL = datetime(2026, 10, 1, tzinfo=UTC)


def row(at: datetime, center: float, until: datetime | None = None) -> dict[str, Any]:
    return {
        "start_time": at.timestamp(),
        "end_time": until and until.timestamp(),
        "forecast_values": None,
        "centers": [center],
    }


def post(**question: Any) -> dict[str, Any]:
    history = [row(REVEAL - timedelta(days=2), 0.3), row(REVEAL + timedelta(days=2), 0.2)]
    return {
        "id": 34282,
        "question": {
            "id": 33779,  # not the post's number
            "title": "A pact over the valley before 2027?",
            "type": "binary",
            "status": "open",
            "resolution_criteria": "Resolves Yes if, before January 1, 2027, a pact is signed.",
            "fine_print": "Oral ones do not count.",
            "options": None,
            "open_time": "2026-09-01T01:00:00Z",
            "cp_reveal_time": REVEAL.isoformat(),
            "scheduled_close_time": "2026-12-31T00:00:00Z",
            "scheduled_resolve_time": "2027-01-01T00:00:00Z",
            "actual_resolve_time": None,
            "resolution": None,
            "aggregations": {"recency_weighted": {"history": history, "latest": None}, "unweighted": {"history": []}},
            **question,
        },
    }


@pytest.fixture
def venue(httpserver: HTTPServer) -> Metaculus:
    return Metaculus(accept_terms=True, token="secret", base=httpserver.url_for(""))  # noqa: S106 - made up


def test_it_is_off_unless_terms_are_accepted_and_a_token_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METACULUS_TOKEN", "secret")
    assert "metaculus" not in DEFAULT
    with pytest.raises(VenueError, match="accept them first"):
        open_venue("metaculus")
    assert open_venue("metaculus", accept_terms=True).name == "metaculus"
    monkeypatch.delenv("METACULUS_TOKEN")
    with pytest.raises(VenueError, match="environment variable METACULUS_TOKEN"):
        open_venue("metaculus", accept_terms=True)


def test_venues_open_by_their_names() -> None:
    assert [open_venue(name).name for name in DEFAULT] == list(DEFAULT)
    assert set(DEFAULT) < set(VENUES)
    with pytest.raises(VenueError, match="no such venue; there are polymarket"):
        open_venue("betfair")


def test_the_token_is_sent_and_never_told(venue: Metaculus, httpserver: HTTPServer) -> None:
    plays(httpserver, "/posts/34282/", {"detail": "Invalid token."}, status=401)
    with pytest.raises(VenueError, match="needs a valid token") as caught:
        venue.contract("34282")
    assert httpserver.log[0][0].headers["Authorization"] == "Token secret"
    assert "secret" not in str(caught.value)


def test_the_post_is_the_contract_and_the_question_its_key() -> None:
    contract = contract_of(post(), raw_of(post()), "34282")
    assert (contract.id, contract.key) == ("34282", "33779")
    assert contract.deadline == datetime(2027, 1, 1, tzinfo=UTC)
    assert contract.rules.endswith("Oral ones do not count.")


def test_the_median_is_shown_and_is_no_order() -> None:
    quote = quote_of(post(), raw_of(post()), "34282")
    assert (quote.bid, quote.ask, float(quote.shown or 0)) == (None, None, 0.2)
    assert quote.time == REVEAL + timedelta(days=2)


def test_hidden_and_withheld_predictions_are_missing_with_the_reason() -> None:
    empty: dict[str, Any] = {"recency_weighted": {"history": [], "latest": None}}
    hidden = post(cp_reveal_time=(NOW + timedelta(days=3)).isoformat(), aggregations=empty)
    withheld = post(aggregations={})
    for data, why in (
        (hidden, "hidden until 2026-10-09 16:10 UTC"),
        (withheld, "no prediction is shown to this account"),
    ):
        quote = quote_of(data, raw_of(data), "34282")
        assert (quote.shown, quote.note) == (None, why)


def test_what_was_filled_in_for_the_hidden_time_is_known_only_from_the_reveal() -> None:
    """Look-ahead: after the reveal the history reaches back to days on which nobody saw it."""
    points = points_of(post(), raw_of(post()), "34282")
    assert [p.known_at for p in points] == [REVEAL, REVEAL + timedelta(days=2)]
    assert known_points(points, when=REVEAL - timedelta(days=1)) == []
    assert len(known_points(points, when=REVEAL)) == 1


def test_nothing_is_taken_from_before_its_reveal_even_if_it_is_sent() -> None:
    early = post(cp_reveal_time=(NOW + timedelta(days=1)).isoformat())
    assert points_of(early, raw_of(early), "34282") == []
    assert quote_of(early, raw_of(early), "34282").note.startswith("hidden until")


def test_options_and_groups_are_named_after_a_hash() -> None:
    rows = {"recency_weighted": {"history": [{**row(REVEAL, 0), "centers": [0.2, 0.5, 0.3]}]}}
    choice = post(type="multiple_choice", options=["Vienna", "Muscat", "Geneva"], aggregations=rows)
    assert float(quote_of(choice, raw_of(choice), "34282#Muscat").shown or 0) == 0.5
    with pytest.raises(VenueError, match=r"is multiple_choice: .*; its options are Vienna, Muscat, Geneva$"):
        contract_of(choice, raw_of(choice), "34282")
    group = {"id": 7, "group_of_questions": {"questions": [post()["question"], post(id=2, title="Other?")["question"]]}}
    assert contract_of(group, raw_of(group), "7#2").title == "Other?"
    with pytest.raises(VenueError, match="post 7 holds no question '': name one of a group as 7#question"):
        contract_of(group, raw_of(group), "7")
    with pytest.raises(VenueError, match="is numeric: only yes or no"):
        contract_of(post(type="numeric"), raw_of(post()), "34282")


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [("yes", "yes"), ("no", "no"), ("annulled", "void"), ("ambiguous", "void"), (None, None)],
)
def test_endings(ending: str | None, outcome: str | None) -> None:
    data = post(resolution=ending, actual_resolve_time="2026-12-30T00:00:00Z")
    resolution = contract_of(data, raw_of(data), "34282").resolution
    assert (resolution and resolution.outcome) == outcome


@pytest.mark.parametrize("field", ["cp_reveal_time", "resolution_criteria", "type", "resolution"])
def test_a_renamed_field_is_named(field: str) -> None:
    data = {"id": 34282, "question": renamed(post()["question"], field)}
    with pytest.raises(VenueError, match=rf"metaculus: .*field 'question\.{field}'"):
        quote_of(data, raw_of(data), "34282")


def test_search_follows_its_pages(venue: Metaculus, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue.client, "_gap", 0.0)

    def page(number: int, *, more: bool) -> dict[str, Any]:
        return {"next": "https://…" if more else None, "results": [{**post(), "id": number}]}

    pages = {"0": page(1, more=True), "100": page(2, more=True), "200": page(3, more=False)}
    plays_by(httpserver, "/posts/", "offset", pages)
    assert [c.id for c in venue.search("valley").contracts] == ["1", "2", "3"]


def test_history_is_cut_to_what_was_asked(venue: Metaculus, httpserver: HTTPServer) -> None:
    plays(httpserver, "/posts/34282/", post())
    contract = contract_of(post(), raw_of(post()), "34282")
    points = venue.history(contract, start=REVEAL, end=REVEAL + timedelta(days=7))
    assert [float(p.price or 0) for p in points] == [0.2]
