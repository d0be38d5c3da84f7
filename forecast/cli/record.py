"""``forecast record``: how the forecasts turned out."""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.cli.shared import add_db, add_json, progress, show
from forecast.errors import LedgerError

if TYPE_CHECKING:
    from forecast.case import Case
    from forecast.ledger import Ledger


_COMPARED = ("a", "b", "score", "mean", "lower", "upper", "hierarchical", "A better")


def add_record(commands: Any) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser("record", help="the track record: scores, calibration, biggest misses")
    parser.add_argument("case", help="a shipped case or the path of a case folder")
    parser.add_argument(
        "--backtest", type=Path, metavar="DIR", help="folder of a finished `forecast backtest`, shown apart"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="also write record.html, record.md and record.json here"
    )
    parser.add_argument(
        "--hierarchical", action="store_true", help="also compare rungs by the hierarchical model (slow: it samples)"
    )
    add_db(parser)
    add_json(parser)
    parser.set_defaults(action=run_record)


def run_record(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from forecast.case import load_case
    from forecast.evaluation.due import Reach
    from forecast.evaluation.own_past import with_own_past
    from forecast.evaluation.published import read_published
    from forecast.evaluation.reconstructed import read_tables
    from forecast.evaluation.record import track_record
    from forecast.evaluation.resolve import decided_by
    from forecast.ledger import head_of
    from forecast.observations import as_of

    case = load_case(arguments.case)
    ledger, latest = _ledger_of(arguments), as_of(case)
    tables = None
    if arguments.backtest:
        tables = with_own_past(read_tables(arguments.backtest, case=case.id), case)
    published = read_published(ledger, case.id, decide=decided_by(latest)) if ledger else None
    head = head_of(ledger) if ledger else None
    document = track_record(
        case={"id": case.id, "title": case.title, "questions": {q.id: q.label for q in case.questions}},
        published=published,
        reconstructed=tables,
        events=_events(case),
        ledger={"length": head.length, "head": head.hash} if head else None,
        made_at=datetime.now(UTC),
        reach=Reach.of(latest),
        hierarchical=arguments.hierarchical,
    )
    files = _write(document, arguments.out) if arguments.out else []
    show(document, [*_lines(document), *files], arguments.json)
    return 0


def _ledger_of(arguments: argparse.Namespace) -> "Ledger | None":
    """Open the ledger; None if there is none, nobody named one, and a backtest is there to be shown instead."""
    from forecast.ledger import existing_ledger, open_ledger
    from forecast.ledger.database import exists

    ledger = open_ledger(arguments.db)
    if exists(ledger):
        return ledger
    if arguments.db is not None:
        return existing_ledger(arguments.db)
    if arguments.backtest is None:
        message = f"{ledger.place}: no ledger there; give --db URL, or give --backtest DIR for reconstructed forecasts"
        raise LedgerError(message)
    return None


def _events(case: "Case") -> dict[str, str]:
    """Tell what happened by the id of its observation."""
    from forecast.observations import as_of

    rows = as_of(case).observations
    noted = rows[rows["note"].fillna("").astype(str).str.len() > 0]
    told = zip(noted["id"], noted["event_time"], noted["note"], strict=True)
    return {str(i): f"{day:%Y-%m-%d}: {note}" for i, day, note in told}


def _write(document: dict[str, Any], out: Path) -> list[str]:
    from forecast.report import render_record_html, render_record_markdown
    from forecast.run import output_folder, to_json

    with output_folder(out) as folder:
        (folder / "record.html").write_text(render_record_html(document), encoding="utf-8")
        (folder / "record.md").write_text(render_record_markdown(document), encoding="utf-8")
        (folder / "record.json").write_text(to_json(document), encoding="utf-8")
    progress(f"written to {out}")
    return [str(out / name) for name in ("record.html", "record.md", "record.json")]


def _lines(document: dict[str, Any]) -> list[str]:
    lines = [f"{document['case']['title']}: track record"]
    for label in ("published", "reconstructed"):
        part = document[label]
        lines += ["", f"{label.upper()}. {document['meaning'][label]}"]
        lines += _part_lines(part) if part else ["Nothing of this kind was given."]
    return lines


def _with_hierarchical(row: dict[str, Any]) -> dict[str, Any]:
    """Lay the hierarchical answer, if it was asked for, beside the plain one."""
    found = row["hierarchical"]
    if found is None:
        return row
    if not found["sound"]:
        return row | {"hierarchical": "did not converge"}
    told = f"{found['mean']:+.3f} ({found['lower']:+.3f} to {found['upper']:+.3f})"
    return row | {"hierarchical": told, "A better": found["p_a_better"]}


def _part_lines(part: dict[str, Any]) -> list[str]:
    import pandas as pd

    lines = list(part["reading"])
    kept = ("forecaster", "question", "band", "n", "clusters", "n_eff", "rps", "log", "brier")
    for title, rows in (
        ("What comes first, all leads", part["ordered"]["overall"]),
        ("What comes first, by weeks ahead", part["ordered"]["scores"]),
        ("All questions", part["overall"]),
        ("By question and weeks ahead", part["scores"]),
        ("Paired differences, A less B; below 0 A is better", [_with_hierarchical(row) for row in part["comparisons"]]),
        ("Biggest misses", part["misses"]),
    ):
        if rows:
            table = pd.DataFrame(rows)
            names = [c for c in (*kept, *_COMPARED, "origin", "by", "probability", "outcome") if c in table]
            names += [c for c in map(str, table.columns) if c.endswith(("_skill", "_skill_lower", "_skill_upper"))]
            shown = table[names].to_string(index=False, float_format=lambda v: f"{v:.3f}", na_rep="-")
            lines += ["", title, shown]
    return lines
