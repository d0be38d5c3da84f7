"""Read-only access to a venue: one client, GET and nothing else.

Refusals for the moment (429, 502 to 504), time-outs and bodies cut short are tried again, after the pause that the
venue asks for or after a growing, jittered one. Whatever still goes wrong becomes a :class:`VenueError` that names the
venue, the address and what came.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import quote

import httpx
from httpx_retries import Retry, RetryTransport
from pydantic import BaseModel, ValidationError

from forecast import __version__
from forecast.errors import VenueError
from forecast.markets.venue import Raw

Keep = Callable[[Raw], None]
Params = Mapping[str, str | int | bool]

_AGENT = f"leverage-gap/{__version__} (read-only)"  # Polymarket answers 403 to Python's default agent
_MOST_PAGES = 2000
_CLOCK_SECONDS = 600.0  # a clock that is further off than this would put a wrong time on everything read
_REFUSALS = {404: "not found: unknown, or no longer kept there", 401: "needs a valid token", 403: "refused"}


class _TooLong(Exception):  # noqa: N818 - never reaches a user: it leaves the retry loop with what was asked
    """The venue asks for a longer pause than we have patience for."""


class _Patient(Retry):
    """Retries that give up when the venue asks for a long pause, rather than coming back before it is over."""

    patience = 60.0

    def parse_retry_after(self, retry_after: str) -> float:
        """Return the seconds asked for, whether the header holds seconds or a date."""
        seconds = super().parse_retry_after(retry_after)
        if seconds > self.patience:
            message = f"asks to wait {seconds:.0f} s before the next request; try again then"
            raise _TooLong(message)
        return seconds


class Client:
    """A read-only client of one venue.

    Parameters
    ----------
    venue
        Its name, for messages.
    per_second
        Most requests a second.
    headers
        What to send besides the name of the program.
    timeout
        Seconds to wait for a connection, and for each piece of an answer.
    tries
        How often to try again.
    pause
        Half the length of the first pause [seconds], which then doubles; jitter takes up to all of it away.
    keep
        Called with the bytes of every answer before they are read.
    """

    def __init__(
        self,
        venue: str,
        *,
        per_second: float,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        tries: int = 2,
        pause: float = 0.5,
        keep: Keep | None = None,
    ) -> None:
        self.venue = venue
        self._gap = 1 / per_second
        self._next = 0.0
        self._keep = keep
        retry = _Patient(
            total=tries,
            backoff_factor=pause,
            max_backoff_wait=_Patient.patience,
            validate_response=_read_whole,  # a body cut short is tried again as well
        )
        transport = RetryTransport(httpx.HTTPTransport(), retry)
        sent = {"User-Agent": _AGENT, "Accept": "application/json", **(headers or {})}
        self._client = httpx.Client(transport=transport, timeout=timeout, headers=sent, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str, params: Params | None = None) -> Raw:
        """Ask once, with retries, and return the bytes.

        Raises
        ------
        VenueError
            Nothing came, or it came too late, or with a status other than 200, or the two clocks disagree.
        """
        self._wait()
        asked = url
        try:
            asked = str(httpx.URL(url, params=dict(params))) if params else url
            response = self._client.get(asked)
        except httpx.TimeoutException:
            raise VenueError(self.venue, asked, "no answer in time; it may be down or slow") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, _TooLong) as error:
            came = str(error) or type(error).__name__
            raise VenueError(self.venue, asked, came) from None
        raw = Raw.of(asked, datetime.now(UTC), response.status_code, response.content)
        if self._keep is not None:
            self._keep(raw)
        if response.status_code != httpx.codes.OK:
            raise VenueError(self.venue, asked, _refusal(response), status=response.status_code)
        self._compare_clocks(raw, response.headers)
        return raw

    def json(self, url: str, params: Params | None = None) -> tuple[Any, Raw]:
        """Ask, and return the JSON that came (its fractions as decimals) with its bytes.

        Raises
        ------
        VenueError
            As for :meth:`get`; or what came is not JSON.
        """
        raw = self.get(url, params)
        return parse_json(raw, self.venue), raw

    def pages(
        self, url: str, params: Params, following: Callable[[Any, Params], Params | None]
    ) -> Iterator[tuple[Any, Raw]]:
        """Yield every page of a listing.

        Parameters
        ----------
        url, params
            The first page.
        following
            The parameters of the page after the one given (with the parameters it was asked with), None at the end.

        Raises
        ------
        VenueError
            A page cannot be had, or the venue sends in circles: a cursor that was used before, or the same page again.
        """
        asked: set[frozenset[tuple[str, str | int | bool]]] = set()
        last = ""
        step: Params | None = params
        while step is not None:
            if frozenset(step.items()) in asked or len(asked) >= _MOST_PAGES:
                raise VenueError(self.venue, url, f"the listing goes in circles or has no end, at {dict(step)}")
            asked.add(frozenset(step.items()))
            page, raw = self.json(url, step)
            step = following(page, step)
            if step is not None and raw.sha256 == last:
                raise VenueError(self.venue, raw.url, "the same page came twice: the venue ignores its own cursor")
            last = raw.sha256
            yield page, raw

    def _wait(self) -> None:
        now = time.monotonic()
        if now < self._next:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._gap

    def _compare_clocks(self, raw: Raw, headers: httpx.Headers) -> None:
        """Refuse to go on when this machine's clock is off: what is read would get a wrong time."""
        try:
            theirs = parsedate_to_datetime(headers.get("Date", ""))
            age = float(headers.get("Age", 0))
        except ValueError:
            return  # no usable clock to compare with
        off = (raw.fetched_at - theirs.astimezone(UTC)).total_seconds() - age
        if abs(off) > _CLOCK_SECONDS:
            came = (
                f"its clock and this machine's differ by {off:.0f} s, so nothing read now could be dated; set the clock"
            )
            raise VenueError(self.venue, raw.url, came)


def parse_json(raw: Raw, venue: str) -> Any:
    """Return the JSON of an answer, its fractions as decimals; VenueError if it is not JSON."""
    try:
        return json.loads(raw.body, parse_float=Decimal)
    except (ValueError, UnicodeDecodeError):
        start = raw.body[:60].decode(errors="replace").strip()
        what = "an HTML page" if start.lower().startswith(("<!doctype", "<html")) else f"{start!r}"
        came = f"{what} instead of JSON ({len(raw.body)} bytes): cut short, or the address has moved"
        raise VenueError(venue, raw.url, came) from None


def parse[Model: BaseModel](model: type[Model], data: object, *, venue: str, url: str) -> Model:
    """Return a model of what came; VenueError naming the first field that is missing, renamed or of another kind."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first, *rest = error.errors()
        field = ".".join(str(part) for part in first["loc"]) or "the answer as a whole"
        more = f" (and {len(rest)} more)" if rest else ""
        came = f"field {field!r}: {first['msg'].removeprefix('Value error, ')}{more}; the venue may have renamed it"
        raise VenueError(venue, url, came) from None


def segment(text: str) -> str:
    """Return a user's id as one piece of an address, whatever it holds."""
    return quote(text, safe="", errors="surrogateescape")


def listed(page: object, name: str, *, venue: str, url: str) -> list[Any]:
    """Return the list that a page holds under a name; VenueError if there is none."""
    if not isinstance(page, dict) or not isinstance(page.get(name), list):
        raise VenueError(venue, url, f"field {name!r}: no list there; the venue may have renamed it")
    return list(page[name])


def _read_whole(response: httpx.Response) -> None:
    response.read()


def _refusal(response: httpx.Response) -> str:
    reason = _REFUSALS.get(response.status_code, response.reason_phrase)
    said = " ".join(response.text.split())[:120]
    return f"status {response.status_code}, {reason}" + (f": {said}" if said and not said.startswith("<") else "")
