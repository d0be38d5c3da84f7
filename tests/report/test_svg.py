import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from forecast.report.svg import NARROW, WIDE, Layout, blank, panel, picture


def _draw(layout: Layout) -> Figure:
    figure = blank(layout, 100)
    axes = panel(figure, left=20, top=10, width=200, height=50)
    axes.fill_between([0, 1], [0, 1], hatch="///")
    axes.plot([0, 1], [1, 0], "o", clip_on=True)
    axes.text(0, 0, '$5 <b>"&" id="x" href="#y"')
    return figure


def test_two_runs_give_the_same_bytes() -> None:
    assert picture("a", _draw, "text") == picture("a", _draw, "text")


def test_settings_outside_change_nothing_and_are_left_alone() -> None:
    expected = picture("a", _draw, "text")
    with mpl.rc_context({"lines.linewidth": 9, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert picture("a", _draw, "text") == expected
        assert mpl.rcParams["lines.linewidth"] == 9


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_the_picture_is_well_formed_scales_and_carries_no_date(layout: Layout) -> None:
    drawn = picture("a", _draw, "text")
    source = str(drawn.narrow if layout.narrow else drawn.wide)
    root = ET.fromstring(source)  # noqa: S314 -- our own
    assert root.get("viewBox") == f"0 0 {layout.width:.0f} 100"
    assert root.get("width") is None
    assert not re.search(r"metadata|<style|<!--|Matplotlib v|\d{4}-\d\d-\d\dT", source)


def test_references_point_to_ids_of_the_same_picture() -> None:
    drawn = picture("a", _draw, "text")
    wide, narrow = _ids(drawn.wide), _ids(drawn.narrow)
    for text, ids in ((drawn.wide, wide), (drawn.narrow, narrow)):
        used = set(re.findall(r'url\(#([^)]+)\)|<use xlink:href="#([^"]+)"', text))
        assert used
        assert {left or right for left, right in used} <= ids
    assert not wide & narrow


def _ids(source: str) -> set[str]:
    root = ET.fromstring(source)  # noqa: S314 -- our own
    return {element.attrib["id"] for element in root.iter() if "id" in element.attrib}


def test_labels_are_escaped_and_otherwise_untouched() -> None:
    root = ET.fromstring(str(picture("a", _draw, "text").wide))  # noqa: S314 -- our own
    assert '$5 <b>"&" id="x" href="#y"' in ["".join(element.itertext()).strip() for element in root.iter()]
