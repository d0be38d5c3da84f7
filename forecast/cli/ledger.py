"""``forecast ledger`` and ``forecast resolve``."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.cli.shared import add_db, add_json, as_date, progress, show
from forecast.errors import ForecastError, LedgerError

if TYPE_CHECKING:
    from forecast.case import Case
    from forecast.ledger import Entry, Resolution

BROKEN = 1
_PERSON = ("question", "by", "origin", "outcome", "decided_on", "public_at", "reason", "who")
_MOST_PROBLEMS = 20


def add_ledger(commands: Any) -> None:
    """Add the group ``ledger``."""
    group = commands.add_parser("ledger", help="the record of issued forecasts and how they turned out")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("show", help="print entries, the latest last")
    listing.add_argument("--case", metavar="ID", help="of this case only")
    listing.add_argument("--question", metavar="ID", help="of this question only")
    listing.add_argument("--open", action="store_true", help="only forecasts that nobody has settled yet")
    listing.add_argument("--last", type=int, default=40, metavar="N", help="at most so many (default: 40; 0 for all)")
    listing.set_defaults(action=_show)
    check = actions.add_parser("verify", help="check every entry, every link and the head")
    check.add_argument("--head", metavar="HASH", help="a head noted elsewhere, as every report carries one")
    check.set_defaults(action=_verify)
    export = actions.add_parser("export", help="write it as a folder in the Hubverse's row format")
    export.add_argument("out", type=Path, metavar="DIR", help="a new folder")
    export.add_argument("--format", choices=("csv", "parquet"), default="csv", help="of the files (default: csv)")
    export.set_defaults(action=_export)
    load = actions.add_parser("import", help="add what an export has beyond this ledger")
    load.add_argument("folder", type=Path, metavar="DIR", help="a folder that `forecast ledger export` wrote")
    load.set_defaults(action=_import)
    for parser in (listing, check, export, load):
        add_db(parser)
        add_json(parser)


def add_resolve(commands: Any) -> None:
    """Add the command ``resolve``."""
    resolve = commands.add_parser("resolve", help="settle what the data decide, or one question by a person's word")
    resolve.add_argument("case", help="a shipped case or the path of a case folder")
    resolve.add_argument("--as-of", metavar="TIME", help="by what was known then (default: the last coded day)")
    resolve.add_argument("--question", metavar="ID", help="the question that a person settles")
    resolve.add_argument("--by", type=as_date, metavar="DATE", help="its date")
    resolve.add_argument(
        "--origin", metavar="TIME", help="as-of time of the forecast (default: all before the deciding day)"
    )
    resolve.add_argument("--outcome", choices=("yes", "no", "void"), help="how it turned out")
    resolve.add_argument("--decided-on", type=as_date, metavar="DATE", help="day of the deciding fact (default: --by)")
    resolve.add_argument(
        "--public-at",
        metavar="TIME",
        help="when that was public (default: the end of that day, UTC; of --by also in the case's zone)",
    )
    resolve.add_argument("--reason", metavar="TEXT", help="why, in a sentence")
    resolve.add_argument("--who", metavar="NAME", help="who settles it")
    add_db(resolve)
    add_json(resolve)
    resolve.set_defaults(action=_resolve)


def _show(arguments: argparse.Namespace) -> int:
    from forecast.ledger import existing_ledger, read_entries
    from forecast.ledger.resolution import by_instance

    if arguments.last < 0:
        message = f"ledger show: --last {arguments.last}: give 0 for all, or a number of entries"
        raise ForecastError(message)
    entries = read_entries(existing_ledger(arguments.db))
    for field in ("case", "question"):
        _check_known(entries, field, getattr(arguments, field))
    settled = by_instance(entries)
    chosen = [
        entry
        for entry in entries
        if arguments.case in (None, entry.record.case)
        and arguments.question in (None, entry.record.question)
        and not (arguments.open and (entry.kind != "forecast" or entry.record.instance in settled))
    ][-arguments.last :]
    data = [
        {"seq": e.seq, "kind": e.kind, "recorded_at": e.recorded_at, "hash": e.hash} | e.record.model_dump(mode="json")
        for e in chosen
    ]
    show(data, [*map(_line, chosen), f"{len(chosen)} of {len(entries)} entries"], arguments.json)
    return 0


def _check_known(entries: "list[Entry]", field: str, name: str | None) -> None:
    """Refuse a case or question that no entry is about: most likely it is misspelt."""
    known = {getattr(entry.record, field) for entry in entries}
    if name is not None and name not in known:
        message = (
            f"ledger show: --{field} {name}: nothing in this ledger; it has {', '.join(sorted(known)) or 'no entry'}"
        )
        raise LedgerError(message)


def _line(entry: "Entry") -> str:
    from forecast.ledger import Forecast
    from forecast.outlook.words import percent

    record = entry.record
    if isinstance(record, Forecast):
        what = f"{percent(record.probability)}  {record.rung}  {record.label}"
    else:
        what = f"{record.outcome}, decided on {record.decided_on}, by {record.who}: {record.reason}"
    return f"{entry.seq:>6}  {entry.recorded_at[:10]}  {entry.about}  {what}"


def _verify(arguments: argparse.Namespace) -> int:
    from forecast.ledger import damaged_ledger, verify

    ledger = damaged_ledger(arguments.db)
    if arguments.head is not None and not re.fullmatch("[0-9a-f]{64}", arguments.head):
        message = f"--head {arguments.head}: not a whole head, which has 64 hexadecimal digits (outlook.json has it)"
        raise LedgerError(message)
    found = verify(ledger, noted=arguments.head)
    for problem in found.problems[:_MOST_PROBLEMS]:
        progress(str(problem))
    if len(found.problems) > _MOST_PROBLEMS:
        progress(f"and {len(found.problems) - _MOST_PROBLEMS} more; --json has them all")
    good = not found.problems
    data = {
        "place": ledger.place,
        "length": found.length,
        "head": found.head,
        "verified": good,
        "problems": [{"seq": p.seq, "about": p.about, "what": p.what} for p in found.problems],
    }
    verdict = "every entry is as it was written" if good else "this ledger has been tampered with or damaged"
    show(data, [f"{found.length} entries, head {found.head}", verdict], arguments.json)
    return 0 if good else BROKEN


def _export(arguments: argparse.Namespace) -> int:
    from forecast.ledger import existing_ledger
    from forecast.ledger.hub import export_ledger

    written = export_ledger(existing_ledger(arguments.db), arguments.out, fmt=arguments.format)
    files = {str(arguments.out / name): rows for name, rows in written.items()}
    show(files, [f"{name}: {rows} rows" for name, rows in files.items()], arguments.json)
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from forecast.ledger import head_of, open_ledger
    from forecast.ledger.hub import import_ledger

    ledger = open_ledger(arguments.db)
    added, known = import_ledger(ledger, arguments.folder)
    head = head_of(ledger)
    data = {"added": added, "known": known, "length": head.length, "head": head.hash}
    show(
        data,
        ["{added} entries added, {known} there already; {length} in all, head {head}".format(**data)],
        arguments.json,
    )
    return 0


def _resolve(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case
    from forecast.ledger import existing_ledger
    from forecast.ledger.resolution import Finding, at_deadline, only, settle
    from forecast.observations.vintage import parse_instant

    case = load_case(arguments.case)
    if not any(getattr(arguments, name) is not None for name in _PERSON):
        return _resolve_by_data(case, arguments)
    if arguments.as_of is not None:
        message = "resolve: --as-of is for what the data decide; a person says --public-at"
        raise ForecastError(message)
    missing = [name for name in ("question", "by", "outcome", "reason", "who") if getattr(arguments, name) is None]
    if missing:
        message = f"resolve: --{missing[0]} is missing; what a person settles takes question, by, outcome, reason, who"
        raise ForecastError(message)
    if arguments.who == "data":
        message = "resolve: --who data is kept for what the coded ladders decide; give the name of a person"
        raise ForecastError(message)
    ledger = existing_ledger(arguments.db)
    decided_on = arguments.decided_on or arguments.by
    finding = Finding(
        outcome=arguments.outcome,
        decided_on=decided_on,
        public_at=parse_instant(arguments.public_at or decided_on),
        reason=arguments.reason,
    )
    origin = parse_instant(arguments.origin) if arguments.origin else None
    decide = only(finding, ledger, case.id, question=arguments.question, by=arguments.by, origin=origin)
    decide = decide if arguments.public_at else at_deadline(decide)
    added = settle(ledger, case.id, decide, who=arguments.who)
    _show_settled(added, "settled in the same way before", arguments)
    return 0


def _resolve_by_data(case: "Case", arguments: argparse.Namespace) -> int:
    from forecast.evaluation.resolve import WHO, decided_by
    from forecast.ledger import existing_ledger
    from forecast.ledger.resolution import settle
    from forecast.observations import as_of

    ledger = existing_ledger(arguments.db)
    added = settle(ledger, case.id, decided_by(as_of(case, arguments.as_of)), who=WHO)
    _show_settled(added, "nothing that the data decide is unsettled", arguments)
    return 0


def _show_settled(added: "list[Resolution]", otherwise: str, arguments: argparse.Namespace) -> None:
    lines = [f"{r.question} by {r.by} as of {r.origin:%Y-%m-%d}: {r.outcome} ({r.who}: {r.reason})" for r in added]
    show([r.model_dump(mode="json") for r in added], lines or [otherwise], arguments.json)
