"""One run, end to end: vintage, fit, outlook, gate, files, ledger. The command line and the scheduler both call it.

Files are written to a hidden folder beside their place, under a lock. When all are whole the forecasts enter the
ledger, and then the files are moved into place. A run that is killed leaves the previous issue as it was; killed
between ledger and files, it is made good by the next one, because the ledger takes the same forecast once.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from forecast.case import Case, load_case
from forecast.errors import CaseError, EngineError, OutputError, PosteriorError, RungError, at
from forecast.files import check_place, locked, read_toml
from forecast.inference import Fit, SavedPosterior, Settings, fit, load_posterior, manifest, save_posterior
from forecast.inference.latents import Correction
from forecast.inference.sampling import LEAST_CHAINS, LEAST_DRAWS, SEEDS
from forecast.ledger import Appended, Ledger, append, head_of, open_ledger
from forecast.ledger.issue import forecasts_of
from forecast.models import DEFAULT_RUNG, build_history, get_rung, load_priors
from forecast.observations import Vintage, as_of, parse_instant
from forecast.outlook import Fallback, Outlook, build_outlook, plan_weeks_for, to_document

FILES = ("report.html", "report.md", "outlook.json", "posterior.nc")
Say = Callable[[str], None]


class ReportDefinition(BaseModel):
    """What a scheduled report is: a file of ``reports/``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    case: str
    rung: str = DEFAULT_RUNG
    out: str | None = None
    by: tuple[date, ...] = ()
    next_run: str | None = None
    seed: int | None = None
    db: str | None = None


def _as_time(text: str) -> str:
    parse_instant(text)
    return text


class _Metadata(BaseModel):
    """What a posterior file must say about itself to be put back on its data; what else it says is passed over."""

    model_config = ConfigDict(strict=True, frozen=True)
    case: str
    rung: str
    as_of: Annotated[str, AfterValidator(_as_time)]
    data_digest: str
    prior_digest: str
    seed: int = Field(ge=0, lt=SEEDS)
    draws: int = Field(ge=LEAST_DRAWS)
    tune: int = Field(ge=LEAST_DRAWS)
    chains: int = Field(ge=LEAST_CHAINS)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its answers and the document; if it passed the gate, the files and what entered the ledger."""

    outlook: Outlook
    document: dict[str, Any]
    files: dict[str, Path]
    entered: Appended | None = None


def load_definition(path: Path) -> ReportDefinition:
    """Read a report definition; CaseError names file and field."""
    try:
        return ReportDefinition.model_validate(read_toml(path, CaseError, mend="give the path of a report definition"))
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{at(path, field='.'.join(str(p) for p in first['loc']))}: {first['msg']}"
        raise CaseError(message) from None


def fit_case(
    case: Case,
    *,
    when: str | None = None,
    rung: str = DEFAULT_RUNG,
    settings: Settings | None = None,
    by: tuple[date, ...] = (),
    priors_folder: Path | None = None,
    say: Say | None = None,
) -> Fit:
    """Fit a rung to everything known about a case at an as-of time (default: the last day it is coded to)."""
    vintage = as_of(case, when)
    return fit(
        get_rung(rung),
        build_history(vintage, plan_weeks=_plan_weeks(vintage, by)),
        priors=load_priors(priors_folder),
        settings=settings,
        report=say,
    )


def refit_from_file(
    case: Case | None, path: Path, *, by: tuple[date, ...] = (), priors_folder: Path | None = None
) -> Fit:
    """Put a saved posterior back on its vintage, provided that the data are still those it was fitted to.

    Without a case it is that which the file names.

    Raises
    ------
    PosteriorError
        The file is damaged or does not say what it was fitted to, or data or priors have changed since.
    """
    saved = load_posterior(path)
    told = _metadata(path, saved)
    vintage = as_of(case or load_case(told.case), told.as_of)
    priors = load_priors(priors_folder)
    for what, then, now in (
        ("data", told.data_digest, vintage.digest()),
        ("prior", told.prior_digest, priors.digest()),
    ):
        if then != now:
            message = f"{path}: {what} digest has changed since this posterior was made; run `forecast fit` again"
            raise PosteriorError(message)
    return Fit(
        rung=get_rung(told.rung),
        history=build_history(vintage, plan_weeks=_plan_weeks(vintage, by)),
        priors=priors,
        settings=Settings(seed=told.seed, draws=told.draws, tune=told.tune, chains=told.chains),
        posterior=saved.posterior,
        sample_stats=saved.sample_stats,
        correction=_saved_correction(path, saved),
    )


def _metadata(path: Path, saved: SavedPosterior) -> _Metadata:
    try:
        return _Metadata.model_validate(saved.metadata)
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        message = f"{at(path, field=str(first['loc'][0]))} of its metadata: {reason}; run `forecast fit` again"
        raise PosteriorError(message) from None


def _saved_correction(path: Path, saved: SavedPosterior) -> Correction | None:
    """The correction of a posterior's latent paths, which its gate judges; None for a rung that has none."""
    if get_rung(saved.metadata["rung"]).latent is None:
        return None
    try:
        return TypeAdapter(Correction).validate_python(saved.metadata["correction"])
    except (KeyError, ValidationError):
        message = f"{path}: does not say how its latent paths were corrected; run `forecast fit` again"
        raise PosteriorError(message) from None


def run_case(  # noqa: PLR0913  # the options of `forecast run`, by name
    case: Case,
    *,
    when: str | None = None,
    rung: str = DEFAULT_RUNG,
    settings: Settings | None = None,
    by: tuple[date, ...] = (),
    priors_folder: Path | None = None,
    out: Path | None,
    command: str,
    next_run: str | None = None,
    say: Say | None = None,
    db: str | None = None,
) -> Run:
    """Fit, answer and publish, by default in ``out/CASE/AS-OF`` and in the ledger of the workspace.

    A leverage rung that cannot be published gives way to the next one down, and the document, and so the report, says
    which did and why. Rungs without latents do not give way: when their gate fails nothing is published.
    """
    from forecast.markets.compare import check_markets

    say = say or _silent
    open_ledger(db)  # a ledger that cannot be used is better known now than after the fit,
    check_markets(case)  # and so are market tables with a mistake
    check_place(out or Path("out"))  # and a folder that cannot be written to
    fallbacks: list[Fallback] = []
    for name in (rung, *_below(rung)):
        last = get_rung(name).latent is None
        try:
            fitted = fit_case(
                case, when=when, rung=name, settings=settings, by=by, priors_folder=priors_folder, say=say
            )
        except (RungError, EngineError) as error:
            if last:
                raise
            reason = str(error)
        else:
            run = finish(
                fitted,
                by=by,
                out=out or Path("out") / case.id / str(fitted.history.vintage.instant.date()),
                command=command,
                next_run=next_run,
                say=say,
                fallbacks=tuple(fallbacks),
                db=db,
            )
            if last or run.outlook.gate != "fail":
                return run
            worst = next(c for c in run.outlook.checks if c.status == "fail")
            reason = f"{worst.label}: {worst.value:.3g} at {worst.where} fails the gate (limit {worst.fail:g})"
        say(f"{name} gives way to the rung below: {reason}")
        fallbacks.append(Fallback(name, reason))
    raise AssertionError(rung)  # the last rung below is one without latents


def _below(rung: str) -> tuple[str, ...]:
    """Rungs that a leverage rung gives way to, in order."""
    order = ("R6", "R5", "R4", "R3")
    return order[order.index(rung) + 1 :] if rung in order else ()


def finish(  # the options of `forecast run`, by name
    fitted: Fit,
    *,
    by: tuple[date, ...],
    out: Path,
    command: str,
    next_run: str | None = None,
    say: Say | None = None,
    fallbacks: tuple[Fallback, ...] = (),
    db: str | None = None,
) -> Run:
    """Answer the questions and, unless the gate fails, publish: the files in ``out``, the forecasts in the ledger."""
    ledger = open_ledger(db)
    (say or _silent)("simulating both ladders")
    head = head_of(ledger)
    outlook = build_outlook(fitted, by=by)
    document = to_document(
        outlook,
        run_manifest=manifest(fitted, command=command),
        run_at=datetime.now(UTC),
        next_run=next_run,
        fallbacks=fallbacks,
        ledger={"length": head.length, "head": head.hash},
    )
    if outlook.gate == "fail":
        return Run(outlook, document, {})
    document |= _beside_markets(outlook) | _track_record(outlook, ledger)
    entered = publish(fitted, document, out, ledger)
    return Run(outlook, document, {name: out / name for name in FILES}, entered)


def _beside_markets(outlook: Outlook) -> dict[str, Any]:
    """Return the comparison with the markets as the document's ``markets``; nothing if none open was quoted by then."""
    from forecast.markets.compare import compare, is_priced
    from forecast.markets.curves import curves_of_outlook

    case, when = outlook.fit.history.case, outlook.fit.history.vintage.instant
    if not is_priced(case, when):
        return {}
    compared = compare(case, when=when, model=curves_of_outlook(outlook))
    return {"markets": compared} if compared["mappings"] else {}


def _track_record(outlook: Outlook, ledger: Ledger) -> dict[str, Any]:
    """Return how the published forecasts of the case had turned out by the as-of time, as ``track_record``."""
    from forecast.evaluation.due import Reach
    from forecast.evaluation.published import read_published
    from forecast.evaluation.record import short_record
    from forecast.evaluation.resolve import decided_by

    vintage = outlook.fit.history.vintage
    published = read_published(ledger, vintage.case.id, known_at=vintage.instant, decide=decided_by(vintage))
    labels = {q.id: q.label for q in vintage.case.questions}
    found = short_record(published, known_at=vintage.instant, reach=Reach.of(vintage))
    return {"track_record": {"questions": labels, **found}}


def publish(fitted: Fit, document: Mapping[str, Any], out: Path, ledger: Ledger) -> Appended:
    """Write report, numbers and posterior into ``out`` and the forecasts into the ledger, all or nothing."""
    from forecast.report import render_html, render_markdown

    entered = []

    def enter() -> None:
        now = datetime.now(UTC)
        entered.append(append(ledger, forecasts_of(document, now=now), now=now))

    with output_folder(out, before_moving=enter) as folder:
        (folder / "report.html").write_text(render_html(document), encoding="utf-8")
        (folder / "report.md").write_text(render_markdown(document), encoding="utf-8")
        (folder / "outlook.json").write_text(to_json(document), encoding="utf-8")
        save_posterior(fitted, folder / "posterior.nc", metadata=posterior_metadata(fitted))
    return entered[0]


def to_json(document: Mapping[str, Any]) -> str:
    """Write JSON that is the same for the same document."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def posterior_metadata(fitted: Fit) -> dict[str, Any]:
    """What a posterior file says about itself: enough to rebuild its vintage and to tell whether that has changed."""
    vintage = fitted.history.vintage
    settings = fitted.settings
    return {
        "case": vintage.case.id,
        "as_of": vintage.instant.isoformat(),
        "data_digest": vintage.digest(),
        "prior_digest": fitted.priors.digest(),
        "seed": settings.seed,
        "draws": settings.draws,
        "tune": settings.tune,
        "chains": settings.chains,
        "correction": None if fitted.correction is None else asdict(fitted.correction),
    }


@contextmanager
def output_folder(out: Path, *, before_moving: Callable[[], None] | None = None) -> Iterator[Path]:
    """Yield a scratch folder whose files replace those of ``out`` once the block has ended well.

    ``before_moving`` is called when all files are whole and can be moved; if it fails, none is.

    Raises
    ------
    OutputError
        ``out`` cannot be made or written to.
    BusyError
        Another run is writing there.
    """
    with locked(out):
        try:
            for left in out.glob(".part-*"):  # of a run that was killed
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=out, prefix=".part-", ignore_cleanup_errors=True) as name:
                yield Path(name)
                _check_free(Path(name), out)
                if before_moving is not None:
                    before_moving()
                for file in sorted(Path(name).iterdir()):
                    file.replace(out / file.name)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            message = f"{out}: writing failed ({error.strerror}); what was there before is untouched"
            raise OutputError(message) from None


def _check_free(scratch: Path, out: Path) -> None:
    """Make sure that every file can be replaced."""
    for file in scratch.iterdir():
        if (out / file.name).is_dir():
            message = (
                f"{out / file.name}: a folder is in the way; what was there before is untouched. Move it elsewhere"
            )
            raise OutputError(message)


def _plan_weeks(vintage: Vintage, by: tuple[date, ...]) -> int:
    lasting = max((q.lasting_weeks or 0 for q in vintage.case.questions), default=0)
    return plan_weeks_for(vintage.case.horizons, lasting, vintage.day, by)


def _silent(_line: str) -> None:
    """Say nothing."""
