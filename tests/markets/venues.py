"""What the tests' venues answer: small, in the shapes of the real ones."""

import json
from datetime import UTC, datetime
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from forecast.markets.venue import Raw

NOW = datetime(2026, 10, 6, 16, 10, 53, tzinfo=UTC)


def raw_of(data: Any, at: datetime = NOW) -> Raw:
    return Raw.of("https://venue.example/x", at, 200, json.dumps(data).encode())


def plays(server: HTTPServer, path: str, answer: Any, *, status: int = 200) -> None:
    server.expect_request(path).respond_with_json(answer, status=status)


def plays_by(server: HTTPServer, path: str, name: str, pages: dict[str, Any]) -> None:
    """Answer by the value of one parameter."""

    def handler(request: Request) -> Response:
        return Response(json.dumps(pages[request.args.get(name, "")]), content_type="application/json")

    server.expect_request(path).respond_with_handler(handler)


def without(data: dict[str, Any], field: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != field}


def renamed(data: dict[str, Any], field: str) -> dict[str, Any]:
    return {f"{key}_v3" if key == field else key: value for key, value in data.items()}
