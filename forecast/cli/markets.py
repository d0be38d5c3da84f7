"""``forecast markets``: search, show and pull from the venues; list the mappings; compare with a model; score."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.cli.shared import add_db, add_json, progress, show

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from forecast.case import Case
    from forecast.markets.curves import ModelCurves
    from forecast.markets.venue import Contract, Quote

GATE_FAILED = 1
PARTIAL = 7


def add_markets(commands: Any) -> None:
    """Add the group ``markets``."""
    group = commands.add_parser("markets", help="prediction markets: read them, and compare the model with them")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    _add_venues(actions)
    _add_map(actions)
    _add_compare(actions)
    _add_score(actions)


def _add_venues(actions: Any) -> None:
    search = actions.add_parser("search", help="find contracts by words")
    search.add_argument("text", help="words of the question")
    search.add_argument(
        "--venue", action="append", metavar="NAME", help="only there (repeatable; default: all that are on)"
    )
    one = actions.add_parser("show", help="one contract now: rules, deadline, quote, resolution")
    one.add_argument("venue", metavar="VENUE")
    one.add_argument("contract", metavar="ID")
    pull = actions.add_parser("pull", help="read a case's mapped contracts and add what they say to the archive")
    pull.add_argument("case", help="a shipped case or the path of a case folder")
    pull.add_argument("--venue", action="append", metavar="NAME", help="only from there (repeatable)")
    add_db(pull)
    for parser, action in ((search, _search), (one, _show_one), (pull, _pull)):
        add_json(parser)
        parser.set_defaults(action=action)


def _add_map(actions: Any) -> None:
    listing = actions.add_parser("map", help="list how contracts map to events, and which contracts nobody has mapped")
    listing.add_argument("case", help="a shipped case or the path of a case folder")
    listing.add_argument(
        "--as-of", metavar="TIME", help="contracts that had opened by then (default: the end of the data)"
    )
    add_json(listing)
    listing.set_defaults(action=_map)


def _add_compare(actions: Any) -> None:
    compare = actions.add_parser("compare", help="a model beside the quotes of a case, offline")
    compare.add_argument("case", help="a shipped case or the path of a case folder")
    compare.add_argument(
        "--as-of", metavar="TIME", help="a date (its end, UTC) or a time with zone; default: end of the data"
    )
    model = compare.add_mutually_exclusive_group()
    model.add_argument("--outlook", type=Path, metavar="FILE", help="an outlook.json made at that as-of time")
    model.add_argument("--rung", metavar="R", help="the model to fit, if there is no outlook (default: R3)")
    compare.add_argument("--base-rate", type=Path, metavar="FILE", help="an outlook.json of R0, to be shown beside")
    compare.add_argument(
        "--backtest", type=Path, metavar="DIR", help="a finished backtest, to fit the pool's weights on what is settled"
    )
    compare.add_argument("--seed", type=int, metavar="N", help="seed of sampling and simulation")
    compare.add_argument("--draws", type=int, metavar="N", help="draws per chain (default: 1000)")
    compare.add_argument("--priors", type=Path, metavar="DIR", help="folder of prior files (default: the shipped ones)")
    add_json(compare)
    compare.set_defaults(action=_compare)


def _add_score(actions: Any) -> None:
    score = actions.add_parser("score", help="how the prices of settled contracts turned out, offline")
    score.add_argument("case", help="a shipped case or the path of a case folder")
    score.add_argument(
        "--as-of",
        metavar="TIME",
        help="what was public by a date (its end, UTC) or a time with zone; default: end of data",
    )
    score.add_argument(
        "--backtest", type=Path, metavar="DIR", help="a finished backtest, to hold its rungs against the prices"
    )
    add_json(score)
    score.set_defaults(action=_score)


def _search(arguments: argparse.Namespace) -> int:
    from forecast.errors import VenueError
    from forecast.markets.venues import DEFAULT, open_venue

    names = tuple(dict.fromkeys(arguments.venue or DEFAULT))
    found: list[Contract] = []
    failures: list[str] = []
    read = 0
    for name in names:
        try:
            searched = open_venue(name).search(arguments.text)
        except VenueError as error:
            if len(names) == 1:
                raise
            failures.append(str(error))
            continue
        found += searched.contracts
        failures += searched.failures
        read += 1
    for line in failures:
        progress(line)
    lines = [f"{c.venue} {c.id}: {c.title}{_ended(c)}" for c in found]
    data = {"contracts": [_contract_data(c, None) for c in found], "failures": failures}
    show(data, [*lines, f"{len(found)} contracts"], arguments.json)
    return _code(failures, done=read)


def _show_one(arguments: argparse.Namespace) -> int:
    from forecast.errors import VenueError
    from forecast.markets.venues import open_venue

    venue = open_venue(arguments.venue)
    contract = venue.contract(arguments.contract)
    quote, failures = None, []
    try:
        quote = venue.quote(contract)
    except VenueError as error:
        failures.append(str(error))
        progress(str(error))
    data = _contract_data(contract, quote)
    lines = [f"{contract.venue} {contract.id}: {contract.title}{_ended(contract)}", contract.url]
    lines += [f"{name.replace('_', ' ')}: {value}" for name, value in data["quote"].items() if value]
    lines += [f"deadline: {data['deadline'] or 'not plain from the rules'}", f"rules ({contract.rules_sha256[:12]}):"]
    show(data, [*lines, contract.rules], arguments.json)
    return _code(failures, done=1)


def _pull(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from forecast.case import load_case
    from forecast.errors import CaseError
    from forecast.ledger import open_ledger
    from forecast.markets.mapping import load_mappings
    from forecast.markets.pull import mapped_contracts, pull
    from forecast.markets.tables import contracts_as_of

    case = load_case(arguments.case)
    wanted = mapped_contracts(load_mappings(case), contracts_as_of(case, datetime.now(UTC)))
    wanted = [key for key in wanted if arguments.venue is None or key[0] in arguments.venue]
    if not wanted:
        message = (
            f"{case.id}: no open contract is mapped{' there' if arguments.venue else ''}; see `forecast markets map`"
        )
        raise CaseError(message)
    pulled = pull(open_ledger(arguments.db), wanted)
    for line in (*pulled.failures, *pulled.kept.alerts):
        progress(line)
    data = {
        "contracts": [_contract_data(s.contract, s.quote) for s in pulled.snapshots],
        "answers": pulled.kept.answers,
        "snapshots": pulled.kept.snapshots,
        "alerts": list(pulled.kept.alerts),
        "failures": list(pulled.failures),
    }
    lines = [f"{s.contract.venue} {s.contract.id}: {_prices(s.quote)}{_ended(s.contract)}" for s in pulled.snapshots]
    kept = f"archive: {pulled.kept.snapshots} snapshots and {pulled.kept.answers} raw answers added"
    show(data, [*lines, f"{kept}; {len(pulled.failures)} failures, {len(pulled.kept.alerts)} alerts"], arguments.json)
    return _code(pulled.failures, done=pulled.kept.snapshots)


def _code(failures: "Sequence[str]", *, done: int) -> int:
    """Tell all, some and nothing done apart."""
    from forecast.errors import VenueError

    if not failures:
        return 0
    return PARTIAL if done else VenueError.exit_code


def _contract_data(contract: "Contract", quote: "Quote | None") -> dict[str, Any]:
    fields = ("bid", "ask", "bid_size", "ask_size", "last", "shown", "volume", "liquidity", "time", "note")
    quoted = {name: getattr(quote, name) for name in fields} if quote is not None else {}
    return {
        "venue": contract.venue,
        "contract": contract.id,
        "title": contract.title,
        "url": contract.url,
        "deadline": contract.deadline.isoformat() if contract.deadline else None,
        "resolution": contract.resolution.outcome if contract.resolution else None,
        "rules": contract.rules,
        "rules_sha256": contract.rules_sha256,
        "quote": {name: str(value) if value is not None else None for name, value in quoted.items()},
    }


def _prices(quote: "Quote | None") -> str:
    if quote is None:
        return "no quote"
    told = [
        f"{name} {getattr(quote, name)}" for name in ("bid", "ask", "last", "shown") if getattr(quote, name) is not None
    ]
    return ", ".join(told) or "no price"


def _ended(contract: "Contract") -> str:
    return f" (settled {contract.resolution.outcome})" if contract.resolution is not None else ""


def _map(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case
    from forecast.markets.mapping import load_mappings, unmapped
    from forecast.markets.tables import contracts_as_of
    from forecast.outlook.words import percent

    case = load_case(arguments.case)
    mappings = load_mappings(case)
    contracts = contracts_as_of(case, _instant(case, arguments.as_of))
    left = unmapped(contracts, mappings)
    lines = []
    for mapping in mappings:
        pays = "" if mapping.pays_on == "occurrence" else ", paid where nothing happens"
        legs = ", ".join(f"{leg.by:%Y-%m-%d}" for leg in mapping.legs)
        lines += [
            f"{mapping.id}: {mapping.label}",
            f"  event {mapping.event}, {mapping.relation}{pays}; legs {legs}",
            f"  pays with {percent(mapping.yes_if_event.mean)} if the event comes: {mapping.yes_if_event.rationale}",
            f"  pays with {percent(mapping.yes_if_not.mean)} if not: {mapping.yes_if_not.rationale}",
            *(f"  {name.replace('_', ' ')}: {text}" for name, text in mapping.compared.model_dump().items()),
        ]
    lines += [f"contracts that are not mapped: {len(left)}", *(f"  {c.venue} {c.id}: {c.title}" for c in left)]
    data = {
        "mappings": [mapping.model_dump(mode="json") for mapping in mappings],
        "unmapped": [{"venue": c.venue, "contract": c.id, "title": c.title} for c in left],
    }
    show(data, lines, arguments.json)
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case
    from forecast.cli.comparison import comparison_lines
    from forecast.markets.compare import compare, needs_quotes
    from forecast.markets.curves import read_curves
    from forecast.markets.scored import fitted_pool
    from forecast.models import DEFAULT_RUNG

    case = load_case(arguments.case)
    given = read_curves(arguments.outlook) if arguments.outlook is not None else None
    when = given.as_of if given is not None and arguments.as_of is None else _instant(case, arguments.as_of)
    needs_quotes(case, when)  # known before the minutes of a fit
    base = read_curves(arguments.base_rate) if arguments.base_rate is not None else None
    rung = given.rung if given is not None else arguments.rung or DEFAULT_RUNG
    curves = _backtest(case, arguments)
    pool = fitted_pool(case, curves, rung=rung, when=when) if curves is not None else None
    model = given or _fitted(case, when, rung, arguments)
    document = compare(case, when=when, model=model, base_rate=base, pool=pool)
    show(document, comparison_lines(document), arguments.json)
    return GATE_FAILED if model.gate == "fail" else 0


def _score(arguments: argparse.Namespace) -> int:
    from forecast.case import load_case
    from forecast.cli.market_scores import score_lines
    from forecast.markets.scored import market_scores

    case = load_case(arguments.case)
    document = market_scores(case, when=_instant(case, arguments.as_of), curves=_backtest(case, arguments))
    show(document, score_lines(document), arguments.json)
    return 0


def _backtest(case: "Case", arguments: argparse.Namespace) -> "pd.DataFrame | None":
    """Read the curves of the backtest that was named; None if none was."""
    from forecast.evaluation.reconstructed import read_tables

    return read_tables(arguments.backtest, case=case.id).curves if arguments.backtest is not None else None


def _fitted(case: "Case", when: "datetime", rung: str, arguments: argparse.Namespace) -> "ModelCurves":
    from forecast.inference import Settings
    from forecast.markets.curves import curves_of_outlook
    from forecast.outlook import build_outlook
    from forecast.run import fit_case

    given = {"seed": arguments.seed, "draws": arguments.draws}
    fitted = fit_case(
        case,
        when=when.isoformat(),
        rung=rung,
        settings=Settings(**{k: v for k, v in given.items() if v is not None}),
        priors_folder=arguments.priors,
        say=progress,
    )
    return curves_of_outlook(build_outlook(fitted))


def _instant(case: "Case", when: str | None) -> "datetime":
    """Return the as-of time that was asked for; one after today would let endings in before the deadlines of others."""
    from forecast.observations import parse_instant, refuse_future

    instant = parse_instant(when if when is not None else case.coded_until)
    refuse_future(instant)
    return instant
