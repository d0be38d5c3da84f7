"""Matplotlib figures as inline SVG: the same bytes every time, ids that no other chart on the page uses.

Text stays text, in the page's own font: it is smaller than outlines, can be searched and copied, and is laid out for
DejaVu Sans, which is wider than the fonts that readers have, so that nothing outgrows its place. One unit of the
picture is one CSS pixel at its natural size.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

_POINTS_PER_INCH = 72  # matplotlib's SVG unit is the point
_SPINE, _GRID, _TEXT = "#8a8a8a", "#e3e3e3", "#1a1a1a"
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}

_SETTINGS: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "text.parse_math": False,  # a label may hold a dollar sign
    "text.color": _TEXT,
    "axes.edgecolor": _SPINE,
    "axes.linewidth": 0.8,
    "axes.labelcolor": _TEXT,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _SPINE,
    "xtick.labelcolor": _TEXT,
    "xtick.major.size": 3,
    "xtick.major.width": 0.8,
    "ytick.labelcolor": _TEXT,
    "ytick.major.size": 0,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
}

_TAG = re.compile(r"<[^>]+>")
_REFERENCE = re.compile(r"""(\sid="|url\(#|href="#)""")
_SIZE = re.compile(r"""\s(?:width|height)="[^"]*pt\"""")
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Layout:
    """A width to draw for: `width` and `font` in CSS pixels."""

    name: str
    width: float
    font: float

    @property
    def narrow(self) -> bool:
        """Whether labels must go above what they label instead of beside it."""
        return self.width < 600


WIDE = Layout("wide", width=960, font=13)
NARROW = Layout("narrow", width=350, font=12)


@dataclass(frozen=True, slots=True)
class Picture:
    """One chart, drawn for wide and for narrow pages, with the sentence that replaces it."""

    wide: Markup
    narrow: Markup
    alternative: str


def picture(name: str, draw: Callable[[Layout], Figure], alternative: str) -> Picture:
    """Draw a chart for both widths.

    Parameters
    ----------
    name : str
        Short and unique on the page: it becomes part of every id.
    draw : callable
        Draws the figure for one layout.
    alternative : str
        Text alternative, with the numbers.
    """
    return Picture(_inline(name, draw, WIDE), _inline(name, draw, NARROW), alternative)


def blank(layout: Layout, height: float) -> Figure:
    """Make an empty figure of a layout's width and a height in pixels."""
    return Figure(figsize=(layout.width / _POINTS_PER_INCH, height / _POINTS_PER_INCH))


def panel(figure: Figure, *, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place given in pixels from the figure's upper left corner."""
    across, down = (_POINTS_PER_INCH * size for size in figure.get_size_inches())
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


@dataclass(frozen=True, slots=True)
class Around:
    """Room around each panel of a grid, in pixels; ``title`` is above it, ``foot`` below."""

    left: float
    right: float
    title: float
    foot: float


def grid(layout: Layout, number: int, *, columns: int, height: float, around: Around) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels of one height: side by side on a wide page, one below the other on a narrow one."""
    columns = 1 if layout.narrow else columns
    step, width = around.title + height + around.foot, layout.width / columns
    figure = blank(layout, step * -(-number // columns))
    return figure, [
        panel(
            figure,
            left=around.left + across * width,
            top=around.title + down * step,
            width=width - around.left - around.right,
            height=height,
        )
        for down, across in (divmod(k, columns) for k in range(number))
    ]


def _inline(name: str, draw: Callable[[Layout], Figure], layout: Layout) -> Markup:
    prefix = f"{name}-{layout.name}"
    with _settings(prefix, layout):
        buffer = io.StringIO()
        draw(layout).savefig(buffer, format="svg", metadata=_NO_METADATA)
    # Safe by construction: matplotlib escapes the labels that it writes.
    return Markup(_page_ready(buffer.getvalue(), prefix, layout))  # noqa: S704


@contextmanager
def _settings(salt: str, layout: Layout) -> Iterator[None]:
    with mpl.rc_context():
        mpl.rcdefaults()  # a matplotlibrc on this machine must not change the report
        mpl.rcParams.update({**_SETTINGS, "svg.hashsalt": salt, "font.size": layout.font})
        yield


def _page_ready(text: str, prefix: str, layout: Layout) -> str:
    body = _DROPPED.sub("", text[text.index("<svg") :])
    body = _TAG.sub(lambda tag: _REFERENCE.sub(rf"\1{prefix}-", tag.group()), body)
    head, rest = body.split(">", 1)
    return f'{_SIZE.sub("", head)} class="{layout.name}" focusable="false" aria-hidden="true">{rest.strip()}'
