"""Bad input at the command line: one clear line for whatever a user can get wrong, and nothing left behind.

Most commands run in this process; a traceback would fail the test by itself.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest

from forecast.cli import main
from forecast.run import FILES
from tests.cli.conftest import BUSY, INPUT, OUTPUT, R0, ROOT, Refused, names, said
from tests.conftest import ACTS, PRICES, Row, TinyCase
from tests.runs import files_in

MARCH: Row = {"signal": "crown", "event_time": "2020-03-06", "value": "117"}

# --- cases -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("run",), ("fit",), ("case", "show"), ("data", "check")], ids=" ".join)
def test_an_unknown_case_is_refused(refused: Refused, tmp_path: Path, command: tuple[str, ...]) -> None:
    line = refused(*command, "us-iraq")
    assert names(line, "'us-iraq'", "us-iran", "path of a case folder")
    assert "case.toml: missing" in refused(*command, tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "parts"),
    [
        ("case.toml", "id =", "id", ["case.toml", "not valid TOML", "line 2"]),
        ("case.toml", "media_weeks", "media_week", ["media_weeks", "required", "mend the case's TOML files"]),
        ("case.toml", "title =", 'colour = "red"\ntitle =', ["colour", "not permitted"]),
        ("signals.toml", "unit = ", "units = ", ["signals.0.unit", "required"]),
        ("coding.toml", '"coercion"', '"coertion"', ["'coertion' is not on the force ladder"]),
        ("coding.toml", '"parley"', '"parly"', ["undeclared signal 'parly'"]),
        ("questions.toml", '"deal"', '"peace"', ["questions.0.event", "deal_lasting"]),
        ("questions.toml", "[4, 8]", "[8, 4]", ["horizons (8, 4)", "increasing"]),
    ],
)
def test_a_malformed_case_is_refused(
    refused: Refused, tiny_case: TinyCase, file: str, old: str, new: str, parts: list[str]
) -> None:
    path = tiny_case.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    line = refused("run", tiny_case.folder, "--out", tiny_case.folder / "out")
    assert names(line, str(tiny_case.folder), *parts)


@pytest.mark.parametrize("file", ["case.toml", "data/acts.csv"])
def test_a_file_that_cannot_be_read_is_named(refused: Refused, tiny_case: TinyCase, file: str) -> None:
    path = tiny_case.folder / file
    path.unlink()
    assert names(refused("data", "check", tiny_case.folder), str(path), "missing")
    path.mkdir()
    assert names(refused("data", "check", tiny_case.folder), str(path), "cannot be read", "directory")
    path.rmdir()
    path.write_bytes(b"\xff\xfe\x00")
    assert names(refused("data", "check", tiny_case.folder), str(path), "not ")


# --- rows ------------------------------------------------------------------------------------------------------------

BAD_ROWS: dict[str, tuple[tuple[Row, ...], list[str]]] = {
    "no publication time": (
        ({**MARCH, "published_at": ""},),
        ["prices.csv, row 2, field 'published_at'", "missing", "every row needs this time"],
    ),
    "publication time without zone": (
        ({**MARCH, "published_at": "2020-03-06T12:00:00"},),
        ["prices.csv, row 2, field 'published_at'", "'2020-03-06T12:00:00'", "zone, like 2026-04-14T23:59:59Z"],
    ),
    "event time without zone": (
        ({**MARCH, "event_time": "2020-03-06T00:00"},),
        ["prices.csv, row 2, field 'event_time'", "'2020-03-06T00:00'", "zone"],
    ),
    "the same row twice": (
        (MARCH, MARCH),
        ["prices.csv, row 3, field 'signal'", "the same observation twice", "drop one (first at prices.csv, row 2)"],
    ),
    "the same id twice": (
        ({**MARCH, "id": "A"}, {**MARCH, "id": "A", "value": "118"}),
        ["prices.csv, row 3, field 'id'", "'A'", "raise the revision, or drop the row (first at prices.csv, row 2)"],
    ),
    "an unknown signal": (
        ({**MARCH, "signal": "krown", "side": "sylvania", "unit": "SYC/FRD"},),
        ["acts.csv, row 14, field 'signal'", "'krown'", "unknown signal", "declare it in signals.toml"],
    ),
    "an unknown side": (
        ({**MARCH, "side": "elbonia"},),
        ["prices.csv, row 2, field 'side'", "'elbonia'", "one of both, freedonia, herald, markets, sylvania"],
    ),
    "a value outside its range": (
        ({**MARCH, "value": "117000"},),
        ["prices.csv, row 2, field 'value'", "'117000.0'", "outside the range declared in signals.toml"],
    ),
    "a value that is no number": (
        ({**MARCH, "value": "1,17"},),
        ["prices.csv, row 2, field 'value'", "'1,17'", "not a number"],
    ),
    "another unit": (
        ({**MARCH, "unit": "USD"},),
        ["prices.csv, row 2, field 'unit'", "'USD'", "differs from the unit declared in signals.toml"],
    ),
}


@pytest.mark.parametrize("command", [("data", "check"), ("run",), ("case", "show", "--weeks")], ids=" ".join)
@pytest.mark.parametrize(("rows", "parts"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_named_by_file_row_and_field(
    refused: Refused, tiny_case: TinyCase, rows: tuple[Row, ...], parts: list[str], command: tuple[str, ...]
) -> None:
    tiny_case.write((*ACTS, *rows, *(row for row in PRICES if row["event_time"] != MARCH["event_time"])))
    assert names(refused(*command, tiny_case.folder), *parts)


def test_a_table_cut_short_is_refused(refused: Refused, tiny_case: TinyCase) -> None:
    path = tiny_case.folder / "data" / "acts.csv"
    text = path.read_text()
    path.write_text(text[: text.rindex("2021-03-29")])
    assert names(refused("data", "check", tiny_case.folder), "acts.csv, row 13")
    path.write_text(text.replace(",revision,", ",version,", 1))
    assert names(refused("data", "check", tiny_case.folder), str(path), "row 1", "lacks ['revision']", "['version']")


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("2017-12-31", ["as-of 2017-12-31", "us-iran starts on 2018-01-06", "first usable as-of is 2018-07-07"]),
        ("2999-01-01", ["as-of 2999-01-01", "future", "latest possible is today"]),
        ("2026-04-14T12:00", ["as-of 2026-04-14T12:00:00", "needs a zone", "2026-04-14T12:00:00Z"]),
        ("20260414", ["as-of 2026-04-14T00:00:00", "needs a zone", "or give a date alone"]),
        ("2026-02-30", ["as-of '2026-02-30'", "not a date like 2026-04-14"]),
        ("last Tuesday", ["as-of 'last Tuesday'", "nor a time like 2026-04-14T12:00Z"]),
        ("", ["as-of ''", "not a date like 2026-04-14"]),
        ("0001-01-01T00:00+14:00", ["as-of 0001-01-01"]),
        ("9999-12-31T23:00-14:00", ["as-of 9999-12-31"]),
    ],
)
@pytest.mark.parametrize("command", [("run",), ("fit",), ("case", "show", "--weeks")], ids=" ".join)
def test_an_unusable_as_of_is_refused(refused: Refused, command: tuple[str, ...], given: str, parts: list[str]) -> None:
    assert names(refused(*command, "us-iran", "--as-of", given), *parts)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["us-iran", "--rung", "R9"], ["no rung 'R9'", "one of R0, R1, R3"]),
        (["us-iran", "--by", "2026-10-09"], ["--by 2026-10-09", "after the as-of day 2026-10-09"]),
        (["us-iran", "--by", "2029-01-01"], ["--by 2029-01-01", "at most 104 weeks"]),
        (["us-iran", "--draws", "10"], ["draws=10", "at least 100 draws"]),
        (["us-iran", "--seed", "-1"], ["seed=-1", "seed from 0"]),
        (["us-iran", "--seed", str(2**64)], [f"seed={2**64}", "seed from 0"]),
        (["us-iran", "--priors", "nowhere"], ["nowhere: no prior files (*.toml) here"]),
        ([], ["run: give either a case or --report FILE", "forecast cases"]),
        (["us-iran", "--report", "weekly.toml"], ["run: give either a case or --report FILE"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_an_unusable_option_is_refused_before_anything_is_sampled(
    refused: Refused, options: list[str], parts: list[str]
) -> None:
    assert names(refused("run", *options), *parts)


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (["run", "us-iran", "--by", "2026-13-01"], ["--by", "'2026-13-01' is not a date like 2026-12-31"]),
        (["run", "us-iran", "--seed", "one"], ["--seed", "'one'"]),
        (["run", "us-iran", "--asof", "2026-04-14"], ["--asof"]),
        (["forecast", "us-iran"], ["'forecast'", "'run'", "'outlook'"]),
        ([], ["COMMAND"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_a_mistyped_command_is_answered_with_its_usage(
    capsys: pytest.CaptureFixture[str], command: list[str], parts: list[str]
) -> None:
    with pytest.raises(SystemExit, match=f"^{INPUT}$"):
        main(command)
    shown = capsys.readouterr()
    *usage, line = shown.err.splitlines()
    assert usage[0].startswith("usage: forecast")
    assert names(line, "error: ", *parts)
    assert shown.out == ""


def test_an_option_that_would_do_nothing_is_refused(refused: Refused) -> None:
    assert names(refused("case", "show", "us-iran", "--as-of", "2026-04-14"), "--as-of", "--weeks")


# --- priors and report definitions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("sigma = 0.8", "sgima = 0.8", ["force.toml, field 'coerce", "sgima", "'mu'", "'sigma'"]),
        ('family = "Normal"', 'family = "Norml"', ["force.toml, field 'coerce'", "'Norml'", "'Normal'"]),
        ("rationale =", "rational =", ["force.toml, field 'coerce.rationale'", "required"]),
        ("mu = -3.0", 'mu = "low"', ["force.toml, field 'coerce.parameters.mu'", "number"]),
        ("[coerce]", "[coerce", ["force.toml", "not valid TOML"]),
        ("[coerce]", "[open]", ["force.toml, field 'open'", "also in diplomacy.toml"]),
    ],
)
@pytest.mark.parametrize("command", [("priors", "check"), ("priors", "show"), ("run", "us-iran")], ids=" ".join)
def test_a_typo_in_a_prior_file_is_named(
    refused: Refused, tmp_path: Path, command: tuple[str, ...], old: str, new: str, parts: list[str]
) -> None:
    for path in (ROOT / "priors").glob("*.toml"):
        (tmp_path / path.name).write_text(path.read_text())
    path = tmp_path / "force.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert names(refused(*command, "--priors", tmp_path), str(tmp_path), *parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('case = "us-iran"\nrnug = "R0"', ["field 'rnug'", "not permitted"]),
        ('rung = "R0"', ["field 'case'", "required"]),
        ('case = "us-iran"\nby = ["soon"]', ["field 'by.0'", "date"]),
        ('case = "us-iran', ["not valid TOML"]),
        ("seed = " + "1" * 5000, ["not valid TOML"]),
        ("seed = " + "[" * 100_000, ["nested too deeply"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_typo_in_a_report_definition_is_named(refused: Refused, tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "weekly.toml"
    assert names(refused("run", "--report", path), str(path), "cannot be read", "No such file")
    path.write_text(text)
    assert names(refused("run", "--report", path), str(path), *parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('case = "us-iraq"', ["no case 'us-iraq'"]),
        ('case = "us-iran"\nrung = "R9"', ["no rung 'R9'"]),
        ('case = "us-iran"\nby = [2020-01-01]', ["2020-01-01", "must lie after the as-of day"]),
    ],
)
def test_a_report_definition_is_held_to_the_same_rules(
    refused: Refused, tmp_path: Path, text: str, parts: list[str]
) -> None:
    path = tmp_path / "weekly.toml"
    path.write_text(text)
    assert names(refused("run", "--report", path), *parts)


# --- posterior files -------------------------------------------------------------------------------------------------


def test_a_missing_or_foreign_posterior_is_refused(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "posterior.nc"
    assert names(refused("outlook", path), str(path), "no such posterior file", "forecast fit")
    for content in (b"", b"not a posterior"):
        path.write_bytes(content)
        assert names(refused("outlook", path), str(path), "not a posterior file", "forecast fit")
    assert names(refused("outlook", tmp_path), str(tmp_path), "not a posterior file", "forecast fit")


@pytest.mark.parametrize("metadata", ["3", "[]", "{", "{}", '{"schema": "forecast-posterior/99", "rung": "R0"}', 3])
def test_a_posterior_of_another_make_is_refused(refused: Refused, tmp_path: Path, metadata: object) -> None:
    path = tmp_path / "posterior.nc"
    with h5py.File(path, "w") as file:
        file.attrs["forecast"] = metadata
        file.create_group("posterior")
        file.create_group("sample_stats")
    assert names(refused("outlook", path), str(path))


@pytest.mark.usefixtures("exact")
def test_a_posterior_cut_short_is_refused(refused: Refused, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "posterior.nc"
    said(capsys, "fit", "us-iran", *R0, "--out", path)
    whole = path.read_bytes()
    for kept in (0.99, 0.5, 0.01):
        path.write_bytes(whole[: int(kept * len(whole))])
        assert names(refused("outlook", path), str(path), "damaged", "forecast fit")


# --- places that cannot be written to --------------------------------------------------------------------------------


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_an_output_folder_that_is_a_file_is_refused(refused: Refused, tmp_path: Path, below: str) -> None:
    (tmp_path / "out").write_text("a file")
    folder = tmp_path / "out" / below
    line = refused("run", "us-iran", *R0, "--out", folder, code=OUTPUT)
    assert names(line, str(folder), "cannot write here", "--out")


@pytest.mark.usefixtures("exact")
def test_a_run_that_cannot_say_what_it_published_has_published_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["run", "us-iran", *R0, "--out", str(tmp_path / "out")]) == OUTPUT
    line = capsys.readouterr().err.splitlines()[-1]
    assert names(line, "standard output", "No space left", "wrote to files or a ledger is there", "send the output")
    assert set(FILES) <= set(files_in(tmp_path / "out"))


@pytest.mark.parametrize("out", ["file/posterior.nc", "nowhere/posterior.nc", "folder"])
def test_a_posterior_file_that_cannot_be_written_is_refused_before_the_fit(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.setattr("forecast.run.fit_case", lambda *_, **__: pytest.fail("it was fitted first"))
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder").mkdir()
    line = refused("fit", "us-iran", *R0, "--out", tmp_path / out, code=OUTPUT)
    assert names(line, str(tmp_path / out.split("/", maxsplit=1)[0]), "--out")


def test_a_picture_that_cannot_be_written_is_refused(refused: Refused, tmp_path: Path) -> None:
    picture = tmp_path / "nowhere" / "priors.svg"
    assert names(refused("priors", "check", "--picture", picture, code=OUTPUT), str(picture), "--picture")


HOLD = """
import fcntl, sys
with open(sys.argv[1], "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def lock_held_elsewhere(folder: Path) -> Iterator[None]:
    """Have another process hold the lock of an output folder, as a run that is writing does."""
    command = [sys.executable, "-c", HOLD, str(folder / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


@pytest.mark.usefixtures("exact")
def test_a_folder_that_another_run_is_writing_to_is_refused(
    refused: Refused, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with lock_held_elsewhere(out):
        line = refused("run", "us-iran", *R0, "--out", out, code=BUSY)
    assert names(line, str(out), "another run is writing here", "wait", "--out")
    said(capsys, "run", "us-iran", *R0, "--out", out)
