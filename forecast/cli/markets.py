"""``forecast markets``: search, show and pull from the venues; list the mappings; compare a model with the prices."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.cli.shared import add_json, progress, show

if TYPE_CHECKING:
    from datetime import datetime

    from forecast.case import Case
    from forecast.markets.curves import ModelCurves

GATE_FAILED = 1


def add_markets(commands: Any) -> None:
    """Add the group ``markets``."""
    group = commands.add_parser("markets", help="prediction markets: read them, and compare the model with them")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    _add_map(actions)
    _add_compare(actions)


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
    compare.add_argument("--seed", type=int, metavar="N", help="seed of sampling and simulation")
    compare.add_argument("--draws", type=int, metavar="N", help="draws per chain (default: 1000)")
    compare.add_argument("--priors", type=Path, metavar="DIR", help="folder of prior files (default: the shipped ones)")
    add_json(compare)
    compare.set_defaults(action=_compare)


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
        lines += [
            f"{mapping.id}: {mapping.label}",
            f"  event {mapping.event}, {mapping.relation}{pays}; legs {', '.join(f'{x.by:%Y-%m-%d}' for x in mapping.legs)}",
            f"  pays with {percent(mapping.yes_if_event.mean)} if the event comes: {mapping.yes_if_event.rationale}",
            f"  pays with {percent(mapping.yes_if_not.mean)} if not: {mapping.yes_if_not.rationale}",
            *(f"  {name.replace('_', ' ')}: {text}" for name, text in mapping.compared.model_dump().items()),
        ]
    lines += [f"{len(left)} contracts are not mapped:", *(f"  {c.venue} {c.id}: {c.title}" for c in left)]
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

    case = load_case(arguments.case)
    given = read_curves(arguments.outlook) if arguments.outlook is not None else None
    when = given.as_of if given is not None and arguments.as_of is None else _instant(case, arguments.as_of)
    needs_quotes(case, when)  # known before the minutes of a fit
    base = read_curves(arguments.base_rate) if arguments.base_rate is not None else None
    model = given or _fitted(case, when, arguments)
    document = compare(case, when=when, model=model, base_rate=base)
    show(document, comparison_lines(document), arguments.json)
    return GATE_FAILED if model.gate == "fail" else 0


def _fitted(case: "Case", when: "datetime", arguments: argparse.Namespace) -> "ModelCurves":
    from forecast.inference import Settings
    from forecast.markets.curves import curves_of_outlook
    from forecast.models import DEFAULT_RUNG
    from forecast.outlook import build_outlook
    from forecast.run import fit_case

    given = {"seed": arguments.seed, "draws": arguments.draws}
    fitted = fit_case(
        case,
        when=when.isoformat(),
        rung=arguments.rung or DEFAULT_RUNG,
        settings=Settings(**{k: v for k, v in given.items() if v is not None}),
        priors_folder=arguments.priors,
        say=progress,
    )
    return curves_of_outlook(build_outlook(fitted))


def _instant(case: "Case", when: str | None) -> "datetime":
    from forecast.observations import parse_instant

    return parse_instant(when if when is not None else case.coded_until)
