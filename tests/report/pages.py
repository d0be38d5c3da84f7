"""A reader of pages that knows nothing of how the report is made: structure, text and addresses by `html.parser`."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input", "source", "wbr", "area", "base", "col", "embed", "track", "param"}


@dataclass(slots=True)
class Element:
    """One element: its attributes, the text within, and the sections around it."""

    tag: str
    attributes: dict[str, str]
    section: str
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())


class Page(HTMLParser):
    """All elements of a page in document order; raises where a tag is closed that is not open."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(source)
        self.close()
        assert not self._open, [element.tag for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        around = self._open[-1].section if self._open else ""
        element = Element(tag, attributes, attributes["id"] if tag == "section" else around)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)

    def all(self, tag: str, *, section: str | None = None, kind: str | None = None) -> list[Element]:
        return [
            element
            for element in self.elements
            if element.tag == tag
            and section in (None, element.section)
            and (kind is None or kind in element.attributes.get("class", "").split())
        ]
