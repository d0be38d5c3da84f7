"""The command ``forecast``.

Exit codes: 0 done, 1 the gate failed (nothing was published), a ledger does not verify or a venue failed, 2 bad input,
3 output not writable, 4 another run is in progress, 5 a scheduler does not answer, 6 a backtest lacks some of its
forecasts, 7 partial: a venue or a contract failed, the rest was done.
Progress goes to standard error, results to standard output; ``--json`` for a machine.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast import __version__
from forecast.cli.backtest import add_backtest
from forecast.cli.ledger import add_ledger, add_resolve
from forecast.cli.markets import add_markets
from forecast.cli.record import add_record
from forecast.cli.shared import INTERRUPTED, add_db, add_json, as_date, print_anything, progress, show
from forecast.errors import ForecastError

if TYPE_CHECKING:
    from forecast.case import Case
    from forecast.inference import Settings
    from forecast.outlook import Outlook
    from forecast.run import ReportDefinition, Run

GATE_FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    print_anything()
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.action(arguments)
    except ForecastError as error:
        progress(str(error))
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        progress("interrupted; nothing was published")
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="forecast", description="Bayesian forecasts of negotiations under threat.")
    parser.add_argument("--version", action="version", version=f"forecast {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_fit_and_outlook(commands)
    _add_difference(commands)
    add_backtest(commands)
    add_markets(commands)
    _add_case(commands)
    _add_data(commands)
    _add_priors(commands)
    add_ledger(commands)
    add_resolve(commands)
    add_record(commands)
    return parser


def _add_run(commands: Any) -> None:
    run = commands.add_parser("run", help="data in, report out: the main job")
    run.add_argument("case", nargs="?", help="a shipped case or the path of a case folder")
    run.add_argument("--report", type=Path, metavar="FILE", help="a report definition (TOML) instead of the options")
    run.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: out/CASE/AS-OF)")
    run.add_argument("--next-run", metavar="TEXT", help="when the next issue is due, in words")
    _add_fit_options(run)
    _add_by(run)
    add_db(run)
    add_json(run)
    run.set_defaults(action=_run)


def _add_fit_and_outlook(commands: Any) -> None:
    fit = commands.add_parser("fit", help="fit a rung and save its posterior")
    fit.add_argument("case")
    fit.add_argument("--out", type=Path, metavar="FILE", default=Path("posterior.nc"), help="posterior file (NetCDF)")
    _add_fit_options(fit)
    add_json(fit)
    fit.set_defaults(action=_fit)
    outlook = commands.add_parser("outlook", help="answer the questions from a saved posterior")
    outlook.add_argument("posterior", type=Path, help="a file made by `forecast fit` or `forecast run`")
    outlook.add_argument("--case", metavar="CASE", help="the case, if it is not a shipped one")
    outlook.add_argument("--out", type=Path, metavar="DIR", help="also write the report here")
    outlook.add_argument("--priors", type=Path, metavar="DIR", help="folder of prior files (default: the shipped ones)")
    _add_by(outlook)
    add_db(outlook)
    add_json(outlook)
    outlook.set_defaults(action=_outlook)


def _add_difference(commands: Any) -> None:
    parser = commands.add_parser("diff", help="two issues side by side: what came between them and what moved")
    for name in ("before", "after"):
        parser.add_argument(name, type=Path, help="an outlook.json of `forecast run`, or its folder")
    add_json(parser)
    parser.set_defaults(action=_difference)


def _add_case(commands: Any) -> None:
    cases = commands.add_parser("cases", help="list the shipped cases")
    add_json(cases)
    cases.set_defaults(action=_cases)
    case = commands.add_parser("case", help="look at a case").add_subparsers(required=True, metavar="ACTION")
    look = case.add_parser("show", help="sides, signals, rules; with --weeks the coded weeks and what caused them")
    look.add_argument("case")
    look.add_argument("--weeks", action="store_true", help="print every step of the two ladders with its events")
    look.add_argument("--as-of", metavar="TIME", help="code from what was known then")
    add_json(look)
    look.set_defaults(action=_case_show)


def _add_data(commands: Any) -> None:
    data = commands.add_parser("data", help="look after the tables").add_subparsers(required=True, metavar="ACTION")
    check = data.add_parser("check", help="check every row of a case's tables")
    check.add_argument("case", help="a shipped case or the path of a case folder")
    add_json(check)
    check.set_defaults(action=_data_check)


def _add_priors(commands: Any) -> None:
    priors = commands.add_parser("priors", help="look after the priors").add_subparsers(required=True, metavar="ACTION")
    check = priors.add_parser("check", help="hold families to their statements, and the prior predictive to its ranges")
    check.add_argument("--picture", type=Path, metavar="FILE", help="draw the prior predictive (SVG)")
    look = priors.add_parser("show", help="print the priors with their reasons")
    look.add_argument("name", nargs="?", help="one prior only")
    for sub, action in ((check, _priors_check), (look, _priors_show)):
        sub.add_argument("--priors", type=Path, metavar="DIR", help="folder of prior files (default: the shipped ones)")
        add_json(sub)
        sub.set_defaults(action=action)


def _add_fit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as-of", metavar="TIME", help="a date (its end, UTC) or a time with zone; default: end of the data"
    )
    parser.add_argument("--rung", metavar="R", help="model: R0, R1, R3, R4, R5 or R6 (default: R3)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of sampling and simulation")
    parser.add_argument("--draws", type=int, metavar="N", help="draws per chain (default: 1000)")
    parser.add_argument("--priors", type=Path, metavar="DIR", help="folder of prior files (default: the shipped ones)")


def _add_by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by", type=as_date, action="append", default=[], metavar="DATE", help="also answer by this date (repeatable)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case
    from forecast.models import get_rung
    from forecast.run import run_case

    definition = _definition(arguments)
    case = load_case(definition.case)
    get_rung(definition.rung)
    run = run_case(
        case,
        when=arguments.as_of,
        rung=definition.rung,
        settings=_settings(arguments, definition.seed),
        by=definition.by,
        priors_folder=arguments.priors,
        out=Path(definition.out) if definition.out else None,
        command=_command("run", arguments, given="case"),
        next_run=definition.next_run,
        say=progress,
        db=definition.db,
    )
    return _announce(run, as_json=arguments.json)


def _definition(arguments: argparse.Namespace) -> "ReportDefinition":
    """Merge a report definition with the options given on the command line, which win."""
    from forecast.models import DEFAULT_RUNG
    from forecast.run import ReportDefinition, load_definition

    if (arguments.case is None) == (arguments.report is None):
        message = "run: give either a case or --report FILE; `forecast cases` lists the shipped cases"
        raise ForecastError(message)
    if arguments.report is not None:
        base = load_definition(arguments.report)
    else:
        base = ReportDefinition(case=arguments.case, rung=DEFAULT_RUNG)
    given = {
        "rung": arguments.rung,
        "out": str(arguments.out) if arguments.out else None,
        "by": (*base.by, *arguments.by) if arguments.by else None,
        "next_run": arguments.next_run,
        "db": arguments.db,
    }
    return base.model_copy(update={k: v for k, v in given.items() if v is not None})


def _fit(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case
    from forecast.inference import check_fit, check_target, gate, save_posterior
    from forecast.models import DEFAULT_RUNG
    from forecast.run import fit_case, posterior_metadata

    case = load_case(arguments.case)
    check_target(arguments.out)
    fitted = fit_case(
        case,
        when=arguments.as_of,
        rung=arguments.rung or DEFAULT_RUNG,
        settings=_settings(arguments, None),
        priors_folder=arguments.priors,
        say=progress,
    )
    checks = check_fit(fitted)
    status = gate(checks)
    found = {c.name: {"value": c.value, "status": c.status, "where": c.where} for c in checks}
    if status != "fail":
        save_posterior(fitted, arguments.out, metadata=posterior_metadata(fitted))
    lines = [f"{c.label}: {c.value:.4g} ({c.status}; {c.where})" for c in checks]
    saved = str(arguments.out) if status != "fail" else None
    show(
        {"gate": status, "checks": found, "posterior": saved},
        [*lines, f"gate: {status}", f"posterior: {saved}"],
        arguments.json,
    )
    return GATE_FAILED if status == "fail" else 0


def _outlook(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case
    from forecast.outlook import build_outlook
    from forecast.run import finish, refit_from_file

    case = load_case(arguments.case) if arguments.case is not None else None
    by = tuple(arguments.by)
    fitted = refit_from_file(case, arguments.posterior, by=by, priors_folder=arguments.priors)
    if arguments.out is not None:
        command = _command("outlook", arguments, given="posterior")
        run = finish(fitted, by=by, out=arguments.out, command=command, say=progress, db=arguments.db)
        return _announce(run, as_json=arguments.json)
    outlook = build_outlook(fitted, by=by)
    _tell_failures(outlook)
    table = outlook.table()
    head = f"{fitted.history.case.title}: {fitted.rung.name} as of {outlook.origin.as_of}, gate {outlook.gate}"
    lines = [head, table.to_string(index=False)]
    show(json.loads(table.to_json(orient="records", date_format="iso")), lines, arguments.json)
    return GATE_FAILED if outlook.gate == "fail" else 0


def _difference(arguments: argparse.Namespace) -> int:
    from forecast.cli.difference import difference_lines
    from forecast.outlook.difference import difference, read_issued

    found = difference(read_issued(arguments.before), read_issued(arguments.after))
    show(found, list(difference_lines(found)), arguments.json)
    return 0


def _cases(arguments: argparse.Namespace) -> int:
    from forecast.case import available_cases, load_case

    cases = {name: load_case(name).title for name in available_cases()}
    show(cases, [f"{name}  {title}" for name, title in cases.items()], arguments.json)
    return 0


def _case_show(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case

    case = load_case(arguments.case)
    if arguments.as_of is not None and not arguments.weeks:
        message = "case show: --as-of bears on the coded weeks; add --weeks"
        raise ForecastError(message)
    if not arguments.weeks:
        show(case.model_dump(mode="json", exclude={"folder"}), _case_lines(case), arguments.json)
        return 0
    from forecast.models import build_history
    from forecast.observations import as_of
    from forecast.outlook.describe import coded_history

    shown = coded_history(build_history(as_of(case, arguments.as_of), plan_weeks=1))
    lines = []
    for step in shown["steps"]:
        lines.append(f"{step['week']}  {step['ladder']}: {step['from']} -> {step['to']}")
        lines += [f"    {e['date']}  {e['id']}  {e['signal']} ({e['side']}): {e['note']}" for e in step["events"]]
    show(shown, lines, arguments.json)
    return 0


def _case_lines(case: "Case") -> list[str]:
    holds = [f"  {h.level or h.mark}: {', '.join(h.opened_by)}; {h.reason}" for h in case.holds]
    return [
        f"{case.id}: {case.title}",
        case.summary,
        "sides: " + "; ".join(f"{s.label} ({s.role})" for s in case.sides),
        f"coded: {case.grid_start} to {case.coded_until}",
        f"signals: {', '.join(s.id for s in case.signals)}",
        f"composites: {', '.join(c.id for c in case.composites)}",
        f"questions: {', '.join(q.id for q in case.questions)}; horizons {', '.join(map(str, case.horizons))} weeks",
        "coding rules:",
        *holds,
    ]


def _data_check(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case
    from forecast.observations.tables import (
        check_outcomes,
        check_values,
        read_breakdowns,
        read_episodes,
        read_observations,
    )

    case = load_case(arguments.case)
    observations = read_observations(case)
    check_values(case, observations)
    episodes = read_episodes(case)
    check_outcomes(episodes[episodes["published_at"].notna()])
    rows = {name: int(n) for name, n in observations["file"].value_counts().sort_index().items()}
    rows |= {"episodes": len(episodes), "breakdowns": len(read_breakdowns(case))}
    show(rows, [*(f"{name}: {n} rows" for name, n in rows.items()), "all rows are in order"], arguments.json)
    return 0


def _priors_check(arguments: argparse.Namespace) -> int:
    from forecast.models import check_priors, load_priors
    from forecast.outlook.prior_predictive import draw_picture, prior_predictive

    priors = load_priors(arguments.priors)
    checks = check_priors(priors)
    predicted = prior_predictive(priors)
    if arguments.picture is not None:
        draw_picture(predicted, arguments.picture)
    lines = [f"{c.block}.{c.name}: stated {c.stated}, implied {c.implied}" for c in checks if not c.ok]
    lines += [
        f"{p.name}: {p.median:.0%} (90 % {p.lower:.0%} to {p.upper:.0%}); range {p.range[0]:.0%} to {p.range[1]:.0%}"
        f"{'' if p.ok else ': OUTSIDE'}"
        for p in predicted
    ]
    good = all(c.ok for c in checks) and all(p.ok for p in predicted)
    lines.append(f"{sum(c.ok for c in checks)} of {len(checks)} priors reproduce their statements")
    shown = {
        "statements": {f"{c.block}.{c.name}": c.ok for c in checks},
        "predictive": {p.name: {"median": p.median, "lower": p.lower, "upper": p.upper, "ok": p.ok} for p in predicted},
    }
    show(shown, lines, arguments.json)
    return 0 if good else ForecastError.exit_code


def _priors_show(arguments: argparse.Namespace) -> int:
    from forecast.models import load_priors

    priors = load_priors(arguments.priors)
    if arguments.name:
        chosen = {arguments.name: priors[arguments.name]}
    else:
        chosen = {f"{b}.{n}": p for b, ps in priors.blocks.items() for n, p in ps.items()}
    lines = [
        f"{n}\n  {p.family} {dict(p.parameters)}\n  {p.statement}\n  {p.rationale}\n  {p.source}"
        for n, p in chosen.items()
    ]
    show({n: p.model_dump(mode="json") for n, p in chosen.items()}, lines, arguments.json)
    return 0


def _settings(arguments: argparse.Namespace, seed: int | None) -> "Settings":
    from forecast.inference import Settings

    given = {"seed": arguments.seed if arguments.seed is not None else seed, "draws": arguments.draws}
    return Settings(**{k: v for k, v in given.items() if v is not None})


def _command(name: str, arguments: argparse.Namespace, *, given: str) -> str:
    """Write the command, ``given`` being its positional argument, so that it can be run again.

    Where its output goes is left out: it does not bear on the numbers.
    """
    words = ["forecast", name]
    if getattr(arguments, given) is not None:
        words.append(str(getattr(arguments, given)))
    for option, value in sorted(vars(arguments).items()):
        if option in ("action", "out", "json", "db", given) or value is None:
            continue
        for one in value if isinstance(value, list) else [value]:
            words += [f"--{option.replace('_', '-')}", str(one)]
    return shlex.join(words)


def _announce(run: "Run", *, as_json: bool) -> int:
    """Print the headlines and where the files are, or what failed."""
    if _tell_failures(run.outlook):
        progress("the gate failed: nothing was published; more draws (--draws) may mend it")
        return GATE_FAILED
    files = {name: str(path) for name, path in run.files.items()}
    headlines = [h["sentence"] for h in run.document["headlines"]]
    asked = [r for r in run.document["probabilities"] if r["horizon_weeks"] is None]
    headlines += [f"{r['label']} by {r['by']}: {r['display']}" for r in asked]
    stale = run.document["issue"]["staleness"]
    notes = [stale["text"]] if stale["status"] != "fresh" else []
    entered = _entered(run)
    shown = {
        "gate": run.outlook.gate,
        "headlines": run.document["headlines"],
        "files": files,
        "ledger": entered,
    }
    line = "ledger: {added} forecasts added, {known} there already; {length} entries, head {head}".format(**entered)
    show(shown, [*headlines, *notes, f"gate: {run.outlook.gate}", *files.values(), line], as_json)
    return 0


def _tell_failures(outlook: "Outlook") -> bool:
    """Say which checks fail the gate, and whether any does."""
    failed = [c for c in outlook.checks if c.status == "fail"]
    for check in failed:
        progress(f"{check.label}: {check.value:.4g} at {check.where} fails the gate (limit {check.fail:g})")
    return bool(failed)


def _entered(run: "Run") -> dict[str, Any]:
    """What a published run added to the ledger, and where that ends now: a head worth noting elsewhere."""
    if run.entered is None:
        raise AssertionError(run.outlook.gate)
    head = run.entered.head
    return {"added": run.entered.added, "known": run.entered.known, "length": head.length, "head": head.hash}
