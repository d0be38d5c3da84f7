"""Metaculus: a community's forecasts, for users with a token who have accepted the terms of use.

Its terms forbid the use of its data to develop forecasting models, and any commercial use, without written permission:
so the reader must say that they have it, and nothing here runs by default. What is easily got wrong: the number in the
address is the post, not the question; predictions are hidden until they are revealed, and filled in afterwards for the
time before, when nobody saw them; accounts without access get empty answers with status 200.
"""

import os
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from forecast.errors import VenueError
from forecast.markets.deadline import read_deadline
from forecast.markets.fields import SHAPE, Price, Seconds, Stamp
from forecast.markets.http import Client, Keep, Params, listed, parse, segment
from forecast.markets.venue import Contract, Fees, Found, PricePoint, Quote, Raw, Resolution, found_in, resolution_of

TOKEN = "METACULUS_TOKEN"  # noqa: S105 - the name of the variable, not a token
_BASE = "https://www.metaculus.com/api"


class Row(BaseModel):
    """The community's prediction between two times."""

    model_config = SHAPE
    starts: Seconds = Field(alias="start_time")
    ends: Seconds | None = Field(alias="end_time")
    centers: tuple[Price, ...] | None


class Aggregation(BaseModel):
    """One way of adding up a community."""

    model_config = SHAPE
    history: tuple[Row, ...]


class Question(BaseModel):
    """A question inside a post."""

    model_config = SHAPE
    id: int
    title: str
    type: str
    status: str
    criteria: str = Field(alias="resolution_criteria")
    fine_print: str = ""
    options: tuple[str, ...] | None = None
    open_time: Stamp | None
    reveal: Stamp | None = Field(alias="cp_reveal_time")
    close_time: Stamp | None = Field(alias="scheduled_close_time")
    resolve_time: Stamp | None = Field(alias="scheduled_resolve_time")
    resolved_at: Stamp | None = Field(alias="actual_resolve_time")
    resolution: str | None
    aggregations: dict[str, Aggregation] = Field(default_factory=dict)


class Group(BaseModel):
    """The questions of a post that holds several."""

    model_config = SHAPE
    questions: tuple[Question, ...]


class Post(BaseModel):
    """A post: one question, or a group of them."""

    model_config = SHAPE
    id: int
    question: Question | None = None
    group: Group | None = Field(default=None, alias="group_of_questions")


class Metaculus:
    """Reader of metaculus.com. A contract is a post, ``post#question`` in a group, or ``post#option`` in a choice.

    Parameters
    ----------
    accept_terms
        That the user has read the terms of use and is allowed what they are about to do.
    token
        The user's own token; the environment's ``METACULUS_TOKEN`` if none is given. It is sent and never written down.
    base, keep
        As for the other venues.

    Raises
    ------
    VenueError
        The terms are not accepted, or there is no token.
    """

    name = "metaculus"

    def __init__(
        self, *, accept_terms: bool = False, token: str | None = None, base: str = _BASE, keep: Keep | None = None
    ) -> None:
        token = token or os.environ.get(TOKEN)
        if not accept_terms:
            came = "its terms forbid model development and commercial use without written permission; accept them first"
            raise VenueError(self.name, "https://www.metaculus.com/terms-of-use/", came)
        if not token:
            raise VenueError(self.name, base, f"needs your own token, in the environment variable {TOKEN}")
        self._base = base
        self.client = Client(self.name, per_second=0.3, headers={"Authorization": f"Token {token}"}, keep=keep)

    def search(self, text: str) -> Found:
        """Return the yes-or-no questions that the venue's search finds."""
        first: Params = {"search": text, "forecast_type": "binary", "with_cp": "true", "limit": 100, "offset": 0}
        rows = (
            (row, raw)
            for page, raw in self.client.pages(f"{self._base}/posts/", first, _next_offset)
            for row in listed(page, "results", venue=self.name, url=raw.url)
        )
        return found_in(rows, _searched)

    def contract(self, contract_id: str) -> Contract:
        """Return the contract of a post, of a question in its group, or of an option."""
        answer, raw = self._post(contract_id)
        return contract_of(answer, raw, contract_id)

    def quote(self, contract: Contract) -> Quote:
        """Return the community's median; missing, with the reason, while it is hidden or not shown to this account."""
        answer, raw = self._post(contract.id)
        return quote_of(answer, raw, contract.id)

    def history(self, contract: Contract, *, start: datetime, end: datetime) -> list[PricePoint]:
        """Return the community's medians; those of the hidden time are known only from the reveal."""
        answer, raw = self._post(contract.id)
        return [point for point in points_of(answer, raw, contract.id) if start <= point.time < end]

    def resolution(self, contract: Contract) -> Resolution | None:
        """Return how the question was resolved; annulled and ambiguous ones are void."""
        return self.contract(contract.id).resolution

    def _post(self, contract_id: str) -> tuple[object, Raw]:
        return self.client.json(f"{self._base}/posts/{segment(contract_id.split('#', maxsplit=1)[0])}/")


def _searched(row: object, raw: Raw) -> Contract | None:
    """Return the contract in a post that was found; None if it asks no question of its own."""
    post = parse(Post, row, venue=Metaculus.name, url=raw.url)
    return contract_of(row, raw, str(post.id)) if post.question is not None else None


def contract_of(post: object, raw: Raw, contract_id: str) -> Contract:
    """Return the contract in a post."""
    question, option = _question(post, raw, contract_id)
    rules = "\n\n".join(part for part in (question.criteria, question.fine_print) if part)
    title = question.title if option is None else f"{question.title} — {(question.options or ())[option]}"
    deadline = read_deadline(rules, title, zone="UTC")
    return Contract(
        venue=Metaculus.name,
        id=contract_id,
        title=title,
        rules=rules,
        outcomes=("Yes", "No"),
        deadline=deadline.at if deadline else None,
        deadline_text=deadline.text if deadline else "",
        closes_at=question.close_time,
        opened_at=question.open_time,
        resolution=_resolution(question, option),
        key=str(question.id),
        fees=Fees(),
        url=f"https://www.metaculus.com/questions/{contract_id.split('#', maxsplit=1)[0]}/",
        fetched_at=raw.fetched_at,
    )


def quote_of(post: object, raw: Raw, contract_id: str) -> Quote:
    """Return the community's current median, or why there is none."""
    question, _ = _question(post, raw, contract_id)
    points = points_of(post, raw, contract_id)
    note = "the community's median, not an order"
    if not points:
        hidden = question.reveal is not None and question.reveal > raw.fetched_at
        note = (
            f"hidden until {question.reveal:%Y-%m-%d %H:%M} UTC" if hidden else "no prediction is shown to this account"
        )
    return Quote(
        venue=Metaculus.name,
        contract_id=contract_id,
        fetched_at=raw.fetched_at,
        shown=points[-1].price if points else None,
        time=points[-1].time if points else None,
        note=note,
    )


def points_of(post: object, raw: Raw, contract_id: str) -> list[PricePoint]:
    """Return the community's medians, each known from its start or from the reveal, whichever came later."""
    question, option = _question(post, raw, contract_id)
    community = question.aggregations.get("recency_weighted")
    place, points = option or 0, []
    for row in community.history if community else ():
        known = row.starts if question.reveal is None else max(row.starts, question.reveal)
        if row.centers and place < len(row.centers) and known <= raw.fetched_at:
            points.append(PricePoint(row.starts, known, row.centers[place]))
    return points


def _question(post: object, raw: Raw, contract_id: str) -> tuple[Question, int | None]:
    """Return the question that an id names, and which of its options if it is a choice."""
    parsed = parse(Post, post, venue=Metaculus.name, url=raw.url)
    _, _, part = contract_id.partition("#")
    question = parsed.question
    if question is None and parsed.group is not None:
        question = {str(q.id): q for q in parsed.group.questions}.get(part)
        part = ""
    if question is None:
        came = f"post {parsed.id} holds no question {part!r}: name one of a group as {parsed.id}#question"
        raise VenueError(Metaculus.name, raw.url, came)
    if question.type == "binary" and not part:
        return question, None
    if question.type == "multiple_choice" and part in (question.options or ()):
        return question, (question.options or ()).index(part)
    came = f"question {question.id} is {question.type}: only yes or no, or an option as {parsed.id}#option, can be read"
    if question.options:
        came += f"; its options are {', '.join(question.options)}"
    raise VenueError(Metaculus.name, raw.url, came)


def _resolution(question: Question, option: int | None) -> Resolution | None:
    ending = question.resolution
    if ending is None:
        return None
    if ending in {"annulled", "ambiguous"}:
        return Resolution("void", None, question.resolved_at)
    happened = ending == "yes" if option is None else ending == (question.options or ())[option]
    return resolution_of(Decimal(happened), question.resolved_at)


def _next_offset(page: Any, asked: Params) -> Params | None:
    more = isinstance(page, dict) and page.get("next")
    return {**asked, "offset": int(asked["offset"]) + int(asked["limit"])} if more else None
