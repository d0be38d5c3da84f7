import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from forecast.errors import VenueError
from forecast.markets.http import Client, Params, segment
from forecast.markets.venue import Raw


@pytest.fixture
def kept() -> list[Raw]:
    return []


@pytest.fixture
def client(kept: list[Raw]) -> Iterator[Client]:
    with Client("bazaar", per_second=1000, timeout=0.5, tries=2, pause=0.01, keep=kept.append) as made:
        yield made


def answers(*responses: Response) -> tuple[Callable[[Request], Response], list[float]]:
    """Return a handler that gives one response after another, and when it was asked."""
    times: list[float] = []

    def handler(_: Request) -> Response:
        times.append(time.monotonic())
        return responses[min(len(times), len(responses)) - 1]

    return handler, times


def json_of(text: str, **headers: str) -> Response:
    return Response(text, content_type="application/json", headers=headers)


def test_bytes_are_kept_with_their_hash_before_they_are_read(
    client: Client, kept: list[Raw], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/p").respond_with_handler(answers(json_of('{"price": 0.145}'))[0])
    before = datetime.now(UTC)
    data, raw = client.json(httpserver.url_for("/p"), {"q": "iran deal"})
    assert str(data["price"]) == "0.145"  # a decimal, not the nearest binary fraction
    assert kept == [raw]
    assert raw.body == b'{"price": 0.145}'
    assert raw.sha256 == hashlib.sha256(b'{"price": 0.145}').hexdigest()
    assert before <= raw.fetched_at <= datetime.now(UTC)
    assert raw.url.endswith(("/p?q=iran+deal", "/p?q=iran%20deal"))
    assert "leverage-gap" in httpserver.log[0][0].headers["User-Agent"]


def test_only_get_is_ever_sent(client: Client, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/p").respond_with_handler(answers(json_of("{}"))[0])
    client.json(httpserver.url_for("/p"))
    assert {request.method for request, _ in httpserver.log} == {"GET"}
    assert not [name for name in vars(Client) if name in {"post", "put", "delete", "patch", "request"}]


def test_retry_after_in_seconds_is_honoured(client: Client, httpserver: HTTPServer) -> None:
    handler, times = answers(Response(status=429, headers={"Retry-After": "1"}), json_of('{"ok": 1}'))
    httpserver.expect_request("/p").respond_with_handler(handler)
    assert client.json(httpserver.url_for("/p"))[0] == {"ok": 1}
    assert 1.0 <= times[1] - times[0] < 2.0


def test_retry_after_as_a_date_is_honoured(client: Client, httpserver: HTTPServer) -> None:
    def later(request: Request) -> Response:
        times.append(time.monotonic())
        if len(times) > 1:
            return json_of('{"ok": 1}')
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        return Response(status=503, headers={"Retry-After": format_datetime(at, usegmt=True)})

    times: list[float] = []
    httpserver.expect_request("/p").respond_with_handler(later)
    assert client.json(httpserver.url_for("/p"))[0] == {"ok": 1}
    assert 0.9 <= times[1] - times[0] < 3.0  # whole seconds: between one and two from now


def test_a_long_retry_after_is_not_waited_for_and_not_undercut(client: Client, httpserver: HTTPServer) -> None:
    handler, times = answers(Response(status=429, headers={"Retry-After": "3600"}))
    httpserver.expect_request("/p").respond_with_handler(handler)
    with pytest.raises(VenueError, match=r"bazaar: .*/p: asks to wait 3600 s"):
        client.get(httpserver.url_for("/p"))
    assert len(times) == 1


def test_without_retry_after_it_backs_off_and_then_gives_up(
    client: Client, kept: list[Raw], httpserver: HTTPServer
) -> None:
    handler, times = answers(Response('{"error": {"code": "too_many_requests"}}', status=429))
    httpserver.expect_request("/p").respond_with_handler(handler)
    with pytest.raises(VenueError, match=r"status 429, .*too_many_requests") as caught:
        client.get(httpserver.url_for("/p"))
    assert len(times) == 3  # once, and two tries more
    assert caught.value.status == 429
    assert kept[0].status == 429  # what was refused is kept too


def test_a_slow_venue_is_named(client: Client, httpserver: HTTPServer) -> None:
    def slow(_: Request) -> Response:
        time.sleep(1.2)
        return json_of("{}")

    httpserver.expect_request("/p").respond_with_handler(slow)
    hasty = Client("bazaar", per_second=1000, timeout=0.2, tries=1, pause=0.01)
    with hasty, pytest.raises(VenueError, match=r"bazaar: .*/p: no answer in time"):
        hasty.get(httpserver.url_for("/p"))
    assert len(httpserver.log) <= 2


def test_a_venue_that_is_down_is_named(client: Client) -> None:
    with pytest.raises(VenueError, match=r"bazaar: http://127.0.0.1:9/p: .*refused"):
        client.get("http://127.0.0.1:9/p")


def test_an_id_cannot_leave_its_place_in_the_address() -> None:
    assert segment("../secrets?all=1#x y") == "..%2Fsecrets%3Fall%3D1%23x%20y"
    assert segment("KXVALLEY-27") == "KXVALLEY-27"


def test_words_that_are_no_text_are_one_line(client: Client) -> None:
    assert segment("\udcff") == "%FF"
    with pytest.raises(VenueError, match=r"bazaar: http://bazaar/p: .*surrogates"):
        client.get("http://bazaar/p", {"q": "\udcff"})


def test_an_address_that_is_none_is_named(client: Client) -> None:
    with pytest.raises(VenueError, match=r"bazaar: http://bazaar:stall/p: Invalid port"):
        client.get("http://bazaar:stall/p", {"q": "x"})


@pytest.mark.parametrize(
    ("body", "came"),
    [
        ("<!DOCTYPE html><html><body>Maintenance</body></html>", "an HTML page instead of JSON"),
        ('{"markets": [{"id": "1"', r"instead of JSON \(23 bytes\): cut short"),
        ("", r"instead of JSON \(0 bytes\)"),
        ("not json at all", "'not json at all' instead of JSON"),
    ],
)
def test_what_is_not_json_is_said_to_be_so(client: Client, httpserver: HTTPServer, body: str, came: str) -> None:
    httpserver.expect_request("/p").respond_with_handler(answers(json_of(body))[0])
    with pytest.raises(VenueError, match=came):
        client.json(httpserver.url_for("/p"))


def test_a_body_shorter_than_announced_is_asked_for_again(client: Client, httpserver: HTTPServer) -> None:
    def short(_: Request) -> Response:
        times.append(1)
        if len(times) == 1:
            response = Response(iter([b'{"a": 1']), content_type="application/json")
            response.headers["Content-Length"] = "100"
            return response
        return json_of('{"a": 1}')

    times: list[int] = []
    httpserver.expect_request("/p").respond_with_handler(short)
    assert client.json(httpserver.url_for("/p"))[0] == {"a": 1}
    assert len(times) == 2


@pytest.mark.parametrize(("status", "came"), [(404, "not found"), (401, "token"), (422, "UNPROCESSABLE")])
def test_other_refusals_are_not_tried_again(client: Client, httpserver: HTTPServer, status: int, came: str) -> None:
    handler, times = answers(Response('{"error": "no such thing"}', status=status))
    httpserver.expect_request("/p").respond_with_handler(handler)
    with pytest.raises(VenueError, match=rf"status {status}, .*{came}.*no such thing") as caught:
        client.get(httpserver.url_for("/p"))
    assert (len(times), caught.value.status, caught.value.exit_code) == (1, status, 1)


@pytest.mark.parametrize(("hours", "age", "good"), [(0, 0, True), (3, 0, False), (-3, 0, False), (3, 3 * 3600, True)])
def test_a_clock_that_is_off_stops_the_reading(
    client: Client, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, *, hours: int, age: int, good: bool
) -> None:
    class Off(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Off":
            return cls.fromtimestamp(time.time() + hours * 3600, tz)

    monkeypatch.setattr("forecast.markets.http.datetime", Off)
    httpserver.expect_request("/p").respond_with_handler(answers(json_of("{}", Age=str(age)))[0])
    if good:
        client.get(httpserver.url_for("/p"))  # a cache that says how old its answer is has no wrong clock
    else:
        with pytest.raises(VenueError, match=rf"differ by {'-' * (hours < 0)}10[78]\d\d s.*set the clock"):
            client.get(httpserver.url_for("/p"))


def test_requests_keep_their_distance(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/p").respond_with_handler(answers(json_of("{}"))[0])
    with Client("bazaar", per_second=10) as paced:
        # From before the first request: a slow machine delays what the server sees, but never shortens this.
        before = time.monotonic()
        for _ in range(3):
            paced.get(httpserver.url_for("/p"))
        assert time.monotonic() - before >= 0.2


def next_page(page: Any, asked: Params) -> Params | None:
    return {**asked, "cursor": page["next"]} if page["next"] else None


def listing(httpserver: HTTPServer, pages: dict[str, str]) -> str:
    """Play a listing: body by cursor."""
    httpserver.expect_request("/l").respond_with_handler(lambda r: json_of(pages[r.args.get("cursor", "")]))
    return httpserver.url_for("/l")


def test_a_listing_is_read_to_its_end_through_an_empty_page(client: Client, httpserver: HTTPServer) -> None:
    url = listing(
        httpserver,
        {
            "": '{"rows": [1, 2], "next": "b"}',
            "b": '{"rows": [], "next": "c"}',
            "c": '{"rows": [3], "next": ""}',
        },
    )
    rows = [row for page, _ in client.pages(url, {"limit": 2}, next_page) for row in page["rows"]]
    assert rows == [1, 2, 3]


def test_a_cursor_that_comes_back_is_not_followed_for_ever(client: Client, httpserver: HTTPServer) -> None:
    url = listing(
        httpserver,
        {
            "": '{"rows": [1], "next": "b"}',
            "b": '{"rows": [2], "next": "c"}',
            "c": '{"rows": [3], "next": "b"}',
        },
    )
    with pytest.raises(VenueError, match=r"goes in circles.*'cursor': 'b'"):
        list(client.pages(url, {"limit": 2}, next_page))
    assert len(httpserver.log) == 3


def test_a_venue_that_ignores_its_cursor_is_found_out(client: Client, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/l").respond_with_handler(lambda _: json_of('{"rows": [1, 2], "next": "x"}'))

    def onwards(page: Any, asked: Params) -> Params | None:
        return {**asked, "offset": int(asked["offset"]) + len(page["rows"])}

    with pytest.raises(VenueError, match="the same page came twice"):
        list(client.pages(httpserver.url_for("/l"), {"offset": 0}, onwards))
    assert len(httpserver.log) == 2
