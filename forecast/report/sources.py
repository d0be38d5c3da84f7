"""Sources of an event, split into text and web addresses.

A source is free text. It may hold several sources separated by ``;`` with blanks around it, and addresses amid text.
Only http and https addresses become links: anything else (``javascript:``, a bare host) stays text.
"""

import re
from dataclasses import dataclass

_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_HOST = re.compile(r"https?://(?:www\.)?([^/\s?#]+)", re.IGNORECASE)
_TRAILING = ".,;:)"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a source: its text and, for a link, the address behind it."""

    text: str
    address: str | None = None


def split_sources(source: str) -> list[list[Part]]:
    """Split a source field into its sources, each a list of pieces in reading order."""
    return [_parts(item.strip()) for item in source.split(" ; ") if item.strip()]


def _parts(item: str) -> list[Part]:
    parts: list[Part] = []
    rest = 0
    for found in _ADDRESS.finditer(item):
        address = found.group().rstrip(_TRAILING)
        host = _HOST.match(address)
        if host is None:
            continue
        parts.append(Part(item[rest : found.start()]))
        parts.append(Part(host.group(1), address))
        rest = found.start() + len(address)
    parts.append(Part(item[rest:]))
    return [part for part in parts if part.text]
