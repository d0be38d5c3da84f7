import shutil
from pathlib import Path

import pytest

from forecast.case import available_cases, load_case
from forecast.case.loader import SHIPPED
from forecast.errors import CaseError
from tests.conftest import TinyCase

FILES = ("case.toml", "signals.toml", "coding.toml", "questions.toml")


def test_the_shipped_case_is_found_by_its_id() -> None:
    assert "us-iran" in available_cases()
    case = load_case("us-iran")
    assert case.id == "us-iran"
    assert case.folder == SHIPPED / "us_iran"
    assert {(s.id, s.role) for s in case.sides} == {("us", "coercer"), ("iran", "target")}


def test_every_shipped_case_loads_and_is_named_as_its_folder() -> None:
    for name in available_cases():
        assert load_case(name).id == name


def test_any_folder_of_the_same_make_is_a_case(tiny_case: TinyCase, monkeypatch: pytest.MonkeyPatch) -> None:
    by_path, by_text = load_case(tiny_case.folder), load_case(str(tiny_case.folder))
    assert by_path == by_text
    assert by_path.id == "freedonia-sylvania"
    assert [s.id for s in by_path.sides] == ["freedonia", "sylvania"]
    monkeypatch.chdir(tiny_case.folder.parent)
    assert load_case(tiny_case.folder.name).folder == tiny_case.folder  # absolute, wherever it was named from


def test_a_copy_of_the_shipped_case_is_the_same_case(tmp_path: Path) -> None:
    copied = shutil.copytree(SHIPPED / "us_iran", tmp_path / "copy")
    assert load_case(copied).model_dump(exclude={"folder"}) == load_case("us-iran").model_dump(exclude={"folder"})


@pytest.mark.parametrize("name", ["freedonia", "us_iran/", "no/such/folder", Path("us-iran"), "us_iran", "x" * 400])
def test_an_unknown_case_is_refused_with_the_known_ones(
    name: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaseError, match=r"no case .*us-iran"):
        load_case(name)


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(tiny_case: TinyCase, file: str) -> None:
    (tiny_case.folder / file).unlink()
    with pytest.raises(CaseError, match=f"{file}: missing"):
        load_case(tiny_case.folder)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "content",
    [
        b"id = \n",
        b"[[sides]\n",
        b'title = "\xff\xfe"\n',
        b"id,label\nus,United States\n",
        b"id = " + b"1" * 5000 + b"\n",
    ],
    ids=["no value", "open bracket", "binary", "table", "long number"],
)
def test_what_is_no_toml_is_refused(tiny_case: TinyCase, file: str, content: bytes) -> None:
    (tiny_case.folder / file).write_bytes(content)
    with pytest.raises(CaseError, match=f"{file}: not valid TOML"):
        load_case(tiny_case.folder)


@pytest.mark.parametrize("file", FILES)
def test_brackets_without_end_are_refused(tiny_case: TinyCase, file: str) -> None:
    (tiny_case.folder / file).write_text("id = " + "[" * 100_000 + "]" * 100_000 + "\n")
    with pytest.raises(CaseError, match=f"{file}: nested too deeply"):
        load_case(tiny_case.folder)


def test_a_file_may_begin_with_the_mark_that_some_editors_put_there(tiny_case: TinyCase) -> None:
    before = load_case(tiny_case.folder)
    for file in FILES:
        path = tiny_case.folder / file
        path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_case(tiny_case.folder) == before


def test_a_key_stands_in_one_file_only(tiny_case: TinyCase) -> None:
    path = tiny_case.folder / "questions.toml"
    path.write_text('title = "Another title"\n' + path.read_text())
    with pytest.raises(CaseError, match=r"questions\.toml, field 'title': declared in two files"):
        load_case(tiny_case.folder)


def test_the_folder_is_not_for_the_case_to_say(tiny_case: TinyCase) -> None:
    path = tiny_case.folder / "case.toml"
    path.write_text('folder = "elsewhere"\n' + path.read_text())
    with pytest.raises(CaseError, match="'folder'"):
        load_case(tiny_case.folder)


def test_a_message_is_one_line_with_the_place_and_the_number_of_others(tiny_case: TinyCase) -> None:
    path = tiny_case.folder / "case.toml"
    path.write_text("colour = 1\nshape = 2\n" + path.read_text().replace("media_weeks = 12", "media_weeks = 0"))
    with pytest.raises(CaseError) as caught:
        load_case(tiny_case.folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tiny_case.folder) in message
    assert "(and 2 more)" in message
