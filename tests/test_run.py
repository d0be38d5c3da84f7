"""A run as a whole: what it publishes, and what it leaves behind when it cannot, or is killed."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import h5py
import pytest
from pandas.testing import assert_frame_equal

from forecast.case import Case, load_case
from forecast.errors import BusyError, EngineError, ForecastError, LedgerError, OutputError, PosteriorError, RungError
from forecast.inference import Fit, SavedPosterior
from forecast.inference.latents import Correction
from forecast.inference.schema import ATTRIBUTE
from forecast.ledger import Forecast, append, open_ledger, read_entries, verify
from forecast.ledger.chain import GENESIS
from forecast.ledger.issue import forecasts_of
from forecast.models import RUNGS, get_rung
from forecast.outlook import build_outlook
from forecast.run import (
    FILES,
    Run,
    _saved_correction,
    finish,
    load_definition,
    output_folder,
    posterior_metadata,
    publish,
    refit_from_file,
    run_case,
)
from tests.conftest import PRICES, TinyCase
from tests.evaluation.records import issued, record, settled
from tests.runs import WHEN, exact_fit, files_in, without_times

ROOT = Path(__file__).resolve().parent.parent


def full_disk(*_arguments: object, **_options: object) -> None:
    """Fail as a write to a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_issue(out: Path, *, stop: BaseException | None = None) -> None:
    """Write four new files, or be stopped half-way."""
    with output_folder(out) as scratch:
        for name in FILES:
            (scratch / name).write_text(f"new {name}")
            if stop is not None and name == FILES[1]:
                raise stop


@pytest.fixture(scope="module")
def fitted(us_iran: Case) -> Fit:
    return exact_fit(us_iran, draws=250)


@pytest.fixture(scope="module")
def first_run(fitted: Fit, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finish(fitted, by=(), out=tmp_path_factory.mktemp("first"), command="forecast run")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with a previous issue."""
    folder = tmp_path / "out"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(f"previous {name}")
    return folder


# --- a run that ends well --------------------------------------------------------------------------------------------


def test_a_run_publishes_every_file_and_nothing_else(first_run: Run) -> None:
    folder = first_run.files["outlook.json"].parent
    assert set(files_in(folder)) == set(FILES) == set(first_run.files)
    assert json.loads(first_run.files["outlook.json"].read_text()) == first_run.document
    assert first_run.outlook.gate in {"pass", "review"}


def test_a_second_run_replaces_the_issue_with_the_same_numbers(fitted: Fit, first_run: Run, out: Path) -> None:
    second = finish(fitted, by=(), out=out, command="forecast run")
    assert set(files_in(out)) == set(FILES)
    assert without_times(second.document) == without_times(first_run.document)


def test_the_lock_is_given_back(out: Path) -> None:
    for _ in range(2):
        write_issue(out)
    assert files_in(out) == {name: f"new {name}".encode() for name in FILES}


def test_a_missing_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    write_issue(tmp_path / "a" / "b")
    assert set(files_in(tmp_path / "a" / "b")) == set(FILES)


def test_another_case_runs_from_end_to_end(tiny_case: TinyCase, tmp_path: Path) -> None:
    """Cases are data: the questions of this one have ids of their own."""
    tiny = exact_fit(load_case(tiny_case.folder), draws=250)
    run = finish(tiny, by=(), out=tmp_path / "out", command="forecast run")
    assert set(files_in(tmp_path / "out")) == set(FILES)
    assert {row["event"] for row in run.document["probabilities"]} == {"pact", "war"}
    assert {curve["event"] for curve in run.document["timing"]["curves"]} == {"pact", "war"}


def test_a_case_without_a_single_event_runs_too(tiny_case: TinyCase, tmp_path: Path) -> None:
    run = finish(exact_fit(tiny_case.write(PRICES), draws=250), by=(), out=tmp_path / "out", command="forecast run")
    assert set(files_in(tmp_path / "out")) == set(FILES)
    assert run.document["state"]["diplomacy"]["level"] == "none"


# --- the ledger ------------------------------------------------------------------------------------------------------


def test_a_run_enters_its_forecasts_once(fitted: Fit, tmp_path: Path) -> None:
    """A second run of the same issue, into another folder, adds nothing; a further date adds its forecasts only."""
    db = f"sqlite:///{tmp_path}/workspace.db"
    first = finish(fitted, by=(), out=tmp_path / "a", command="forecast run", db=db)
    entries = read_entries(open_ledger(db))
    rows = first.document["probabilities"]
    assert first.entered is not None
    assert first.entered.added == len(entries) == len(rows) == 32
    assert first.document["issue"]["ledger"] == {"length": 0, "head": GENESIS}
    for entry, row in zip(entries, rows, strict=True):
        record = entry.record
        assert isinstance(record, Forecast)
        assert (record.question, str(record.by), record.horizon_weeks) == (
            row["event"],
            row["by"],
            row["horizon_weeks"],
        )
        assert (record.probability, record.mcse) == (row["mean"], row["mcse"])
        assert record.quantiles == {"0.05": row["lower"], "0.95": row["upper"]}
        assert record.manifest["draw_digest"] == fitted.draw_digest()
        assert record.label == "reconstructed"  # made long after its as-of time
    second = finish(fitted, by=(), out=tmp_path / "b", command="another command", db=db)
    assert second.entered is not None
    assert (second.entered.added, second.entered.known) == (0, 32)
    assert second.document["issue"]["ledger"] == {"length": 32, "head": entries[-1].hash}
    dates = (date(2026, 5, 12), date(2026, 12, 31))  # the first is also the first horizon's
    third = finish(fitted, by=dates, out=tmp_path / "c", command="forecast run", db=db)
    assert third.entered is not None
    assert (third.entered.added, third.entered.known) == (8, 32)
    assert verify(open_ledger(db), noted=second.document["issue"]["ledger"]["head"]).problems == ()


def test_a_run_soon_after_its_as_of_time_is_published(fitted: Fit, first_run: Run) -> None:
    soon = [f.label for f in forecasts_of(first_run.document, now=datetime(2026, 4, 20, tzinfo=UTC))]
    assert set(soon) == {"published"}
    late = [f.label for f in forecasts_of(first_run.document, now=datetime(2026, 4, 22, tzinfo=UTC))]
    assert set(late) == {"reconstructed"}


def test_a_report_has_the_record_as_of_its_day(fitted: Fit, tmp_path: Path) -> None:
    """A forecast of the year before is on it, settled or open as it was that day; one issued later is not."""
    db = f"sqlite:///{tmp_path}/workspace.db"
    known, later = issued(0, 0.3, case="us-iran"), issued(17, 0.4, case="us-iran")  # January 2025, April 2026
    record(open_ledger(db), known, later, settled(known, "no"))
    shown = finish(fitted, by=(), out=tmp_path / "a", command="forecast run", db=db).document["track_record"]
    assert (shown["counts"]["forecasts"], shown["counts"]["settled"]) == (1, 1)
    assert shown["known_at"].startswith(WHEN)
    assert later.issued_at > fitted.history.vintage.instant > settled(known, "no").public_at


def test_a_ledger_that_fails_keeps_the_previous_issue(fitted: Fit, first_run: Run, out: Path, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where the ledger's folder would be")
    before = files_in(out)
    with pytest.raises(OutputError, match="cannot write here"):
        publish(fitted, first_run.document, out, open_ledger(f"sqlite:///{tmp_path}/blocked/workspace.db"))
    assert files_in(out) == before


@pytest.mark.parametrize("name", FILES)
def test_files_that_cannot_be_replaced_keep_the_forecasts_out_of_the_ledger(
    fitted: Fit, first_run: Run, tmp_path: Path, name: str
) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    ledger = open_ledger(f"sqlite:///{tmp_path}/workspace.db")
    with pytest.raises(OutputError, match="untouched"):
        publish(fitted, first_run.document, tmp_path / "out", ledger)
    assert read_entries(ledger) == []


def test_a_run_killed_between_ledger_and_files_is_made_good_by_the_next(
    fitted: Fit, first_run: Run, out: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/workspace.db"
    before = files_in(out)
    script = "import sys; from tests.test_run import publish_and_die; publish_and_die(*sys.argv[1:])"
    command = [sys.executable, "-c", script, str(out), url, str(first_run.files["outlook.json"])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = files_in(out)
    assert {name: left[name] for name in FILES} == before
    assert len(read_entries(open_ledger(url))) == 32
    healed = publish(fitted, first_run.document, out, open_ledger(url))
    assert (healed.added, healed.known, healed.head.length) == (0, 32, 32)
    assert files_in(out).keys() == set(FILES)
    assert json.loads((out / "outlook.json").read_text()) == first_run.document


def publish_and_die(out: str, url: str, document: str) -> None:
    """Publish, and be killed when the forecasts are in the ledger and no file has been moved."""

    def append_and_die(*arguments: Any, **options: Any) -> None:
        append(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    fitted = exact_fit(load_case("us-iran"), draws=250)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecast.run.append", append_and_die)
        publish(fitted, json.loads(Path(document).read_text()), Path(out), open_ledger(url))


def test_a_ledger_that_cannot_be_used_stops_a_run_before_it_samples(
    us_iran: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecast.run.fit_case", lambda *_, **__: pytest.fail("the run went on to sample"))
    (tmp_path / "notes.txt").write_text("no database at all, " * 100)
    with pytest.raises(LedgerError, match="not a database"):
        run_case(us_iran, out=tmp_path / "out", command="test", db=f"sqlite:///{tmp_path}/notes.txt")


@pytest.mark.parametrize("place", ["report/deeper", "x" * 300], ids=["below a file", "too long a name"])
def test_a_place_that_cannot_be_written_to_is_known_before_the_fit(
    us_iran: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr("forecast.run.fit_case", lambda *_, **__: pytest.fail("the run went on to sample"))
    (tmp_path / "report").write_text("a file")
    with pytest.raises(OutputError, match=f"{place}: cannot write here .*--out"):
        run_case(us_iran, out=tmp_path / place, command="test", db=f"sqlite:///{tmp_path}/workspace.db")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("data/contracts.csv", "venue,id\n", "the columns must be"),
        ("data/quotes.csv", "venue,contract\n", "the columns must be"),
        ("markets.toml", "[[mappings]]\nid = 3\n", "field 'mappings.3.id'"),
    ],
)
def test_market_tables_with_a_mistake_stop_a_run_before_it_samples(
    tiny_case: TinyCase, monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    monkeypatch.setattr("forecast.run.fit_case", lambda *_, **__: pytest.fail("the run went on to sample"))
    case = tiny_case.write()
    (case.folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ForecastError, match=message):
        run_case(case, out=case.folder / "out", command="test")


# --- a run that must not publish -------------------------------------------------------------------------------------


def test_a_failed_gate_leaves_the_previous_issue(fitted: Fit, out: Path) -> None:
    diverging = fitted.sample_stats.assign(diverging=~fitted.sample_stats["diverging"])
    before = files_in(out)
    run = finish(replace(fitted, sample_stats=diverging), by=(), out=out, command="forecast run")
    assert run.outlook.gate == "fail"
    assert run.files == {}
    assert files_in(out) == before


@pytest.mark.parametrize(
    "error", [ForecastError("refused"), KeyboardInterrupt(), RuntimeError("a defect"), MemoryError()]
)
def test_whatever_stops_a_run_leaves_the_previous_issue(out: Path, error: BaseException) -> None:
    before = files_in(out)
    with pytest.raises(type(error)):
        write_issue(out, stop=error)
    assert files_in(out) == before


def test_a_second_run_is_refused_and_leaves_the_first_alone(out: Path) -> None:
    with output_folder(out) as scratch:
        (scratch / "report.md").write_text("first")
        with pytest.raises(BusyError, match="another run is writing here"):
            write_issue(out)
    assert files_in(out)["report.md"] == b"first"


# --- a disk that is full ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["pathlib.Path.write_text", "forecast.run.save_posterior", "tempfile.mkdtemp"])
def test_a_full_disk_leaves_the_previous_issue(
    fitted: Fit, first_run: Run, out: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = files_in(out)
    monkeypatch.setattr(step, full_disk)
    with pytest.raises(OutputError, match=r"out: writing failed \(No space left on device\); .* untouched"):
        publish(fitted, first_run.document, out, open_ledger())
    monkeypatch.undo()
    assert files_in(out) == before


@pytest.mark.parametrize("kilobytes", [100, 450])
def test_a_disk_that_fills_up_leaves_the_previous_issue(out: Path, kilobytes: int) -> None:
    """The system itself refuses to write: first within the report, then within the posterior, which HDF5 writes."""
    before = files_in(out)
    script = "import sys; from tests.test_run import publish_on_a_small_disk; publish_on_a_small_disk(*sys.argv[1:])"
    command = [sys.executable, "-c", script, str(out), str(kilobytes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("File too large") == 1
    assert files_in(out) == before


def publish_on_a_small_disk(out: str, kilobytes: str) -> None:
    """Publish where no file may grow beyond some size; in a process of its own, which such a failure can crash."""
    fitted = exact_fit(load_case("us-iran"), draws=1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecast.report.render_html", lambda _: "page")
        patch.setattr("forecast.report.render_markdown", lambda _: 200_000 * "x")
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000 * int(kilobytes), hard))
        try:
            publish(fitted, {}, Path(out), open_ledger())
        except OutputError as error:
            print(error)  # noqa: T201 - the parent reads it


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_replaced_keeps_all_others_as_they_were(out: Path, name: str) -> None:
    (out / name).unlink()
    (out / name).mkdir()
    before = files_in(out)
    with pytest.raises(OutputError, match="untouched"):
        write_issue(out)
    assert files_in(out) == before


# --- a run that is killed --------------------------------------------------------------------------------------------

HALF_A_RUN = """
import sys, time
from pathlib import Path
from forecast.run import output_folder
with output_folder(Path(sys.argv[1])) as scratch:
    for name in ("outlook.json", "report.html"):
        (scratch / name).write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


@contextmanager
def half_a_run(out: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the folder, some of its files written."""
    command = [sys.executable, "-c", HALF_A_RUN, str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            yield process
        finally:
            process.kill()


def test_a_killed_run_leaves_the_previous_issue_and_the_next_one_cleans_up(out: Path) -> None:
    before = files_in(out)
    with half_a_run(out) as process:
        with pytest.raises(BusyError):
            write_issue(out)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    left = files_in(out)
    assert {name: left[name] for name in FILES} == before
    assert len(left) == len(FILES) + 2  # the test means something only if the killed run had begun
    write_issue(out)
    assert set(files_in(out)) == set(FILES)


# --- a posterior put back on its data --------------------------------------------------------------------------------


def test_a_saved_run_gives_the_same_answers(us_iran: Case, first_run: Run) -> None:
    again = refit_from_file(us_iran, first_run.files["posterior.nc"])
    assert again.draw_digest() == first_run.outlook.fit.draw_digest()
    assert_frame_equal(build_outlook(again).table(), first_run.outlook.table())


def test_a_saved_leverage_posterior_keeps_what_its_gate_judges(first_run: Run) -> None:
    fitted = replace(first_run.outlook.fit, correction=Correction(0.6, applied=True, efficiency=0.7, log_weight_sd=0.4))
    metadata = {**json.loads(json.dumps(posterior_metadata(fitted))), "rung": "R6"}
    saved = SavedPosterior(fitted.posterior, fitted.sample_stats, metadata)
    assert _saved_correction(Path("posterior.nc"), saved) == fitted.correction
    for wrong in (None, {}, "none", {**metadata["correction"], "khat": "high"}):
        with pytest.raises(PosteriorError, match=r"posterior\.nc: does not say how its latent paths were corrected"):
            _saved_correction(Path("posterior.nc"), replace(saved, metadata={**metadata, "correction": wrong}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, None) for name in ("case", "as_of", "data_digest", "prior_digest", "seed", "draws", "tune", "chains")),
        ("case", 5),
        ("as_of", 5),
        ("as_of", "soon"),
        ("prior_digest", ["sha256"]),
        ("seed", "x"),
        ("seed", -1),
        ("seed", 1.0),
        ("chains", True),
        ("draws", 0),
    ],
)
def test_a_posterior_that_does_not_say_what_it_was_fitted_to_is_refused_by_field(
    us_iran: Case, first_run: Run, tmp_path: Path, field: str, value: object
) -> None:
    path = tmp_path / "posterior.nc"
    path.write_bytes(first_run.files["posterior.nc"].read_bytes())
    with h5py.File(path, "r+") as file:
        told = json.loads(file.attrs[ATTRIBUTE])
        del told[field]
        file.attrs[ATTRIBUTE] = json.dumps(told if value is None else {**told, field: value})
    for case in (None, us_iran):
        with pytest.raises(PosteriorError, match=rf"posterior\.nc, field '{field}' of its metadata: .*`forecast fit`"):
            refit_from_file(case, path)


def test_a_saved_run_is_refused_once_its_data_have_changed(us_iran: Case, first_run: Run, tmp_path: Path) -> None:
    case = us_iran.model_copy(update={"folder": tmp_path})
    (tmp_path / "data").mkdir()
    for path in (us_iran.folder / "data").glob("*.csv"):
        text = path.read_text()
        (tmp_path / "data" / path.name).write_text(text.replace("Islamabad", "Karachi"))
    with pytest.raises(PosteriorError, match="data digest has changed since"):
        refit_from_file(case, first_run.files["posterior.nc"])


def test_a_saved_run_is_refused_once_its_priors_have_changed(us_iran: Case, first_run: Run, tmp_path: Path) -> None:
    for path in (ROOT / "priors").glob("*.toml"):
        (tmp_path / path.name).write_text(path.read_text().replace("mu = -3.0", "mu = -3.1"))
    with pytest.raises(PosteriorError, match="prior digest has changed since"):
        refit_from_file(us_iran, first_run.files["posterior.nc"], priors_folder=tmp_path)


# --- report definitions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "reports").glob("*.toml")), ids=lambda path: path.name)
def test_shipped_report_definitions_can_run(path: Path) -> None:
    definition = load_definition(path)
    assert load_case(definition.case).id == definition.case
    assert get_rung(definition.rung).name in RUNGS


def test_a_leverage_rung_that_fails_gives_way_and_the_document_says_so(
    monkeypatch: pytest.MonkeyPatch, us_iran: Case, tmp_path: Path
) -> None:
    """R6 has no starting point, R5 too few items, R4 a hopeless correction; what is published says all three."""
    asked: list[str] = []
    exact = exact_fit(us_iran, draws=500)
    hopeless = Correction(khat=1.3, applied=False, efficiency=0.1, log_weight_sd=9.0)

    def fake_fit(case: Case, *, rung: str, **_options: Any) -> Fit:
        asked.append(rung)
        if rung == "R6":
            message = "R6: the search for the latents' mode does not converge"
            raise EngineError(message)
        if rung == "R5":
            message = "R5 cannot identify the leverage of side 'us'"
            raise RungError(message)
        return replace(exact, correction=hopeless) if rung == "R4" else exact

    monkeypatch.setattr("forecast.run.fit_case", fake_fit)
    said: list[str] = []
    run = run_case(us_iran, rung="R6", out=tmp_path / "out", command="test", say=said.append)
    assert asked == ["R6", "R5", "R4", "R3"]
    fallbacks = run.document["issue"]["fallbacks"]
    assert [f["rung"] for f in fallbacks] == ["R6", "R5", "R4"]
    assert "does not converge" in fallbacks[0]["reason"]
    assert "side 'us'" in fallbacks[1]["reason"]
    assert "k-hat" in fallbacks[2]["reason"]
    assert sum("gives way" in line for line in said) == 3
    assert "R6 gave way" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(RungError, match="no rung 'R9'"):
        run_case(us_iran, rung="R9", out=tmp_path / "out", command="test")
