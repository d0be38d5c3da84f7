"""A comparison with the markets as lines for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from forecast.cli.shared import aligned
from forecast.outlook.words import percent

_HEAD = (
    "by",
    "price",
    "recalibrated",
    "curve",
    "band",
    "worth",
    "stands",
    "market: our event",
    "model: our event",
    "gap",
    "pool",
)
_LEGEND = (
    "recalibrated: what YES at such a price has been worth, by the case's settled contracts, with an 80 % interval.",
    "price: of YES. curve: the ladder made monotone. worth: what YES is worth if the model is right about our event.",
    "stands: that worth against the band of the contract's book. gap: model less market, for our event.",
)


def comparison_lines(document: Mapping[str, Any]) -> list[str]:
    """Write a document of schema ``forecast-markets/1`` as lines."""
    model, base = document["model"], document["base_rate"]
    beside = f", base rate {base['rung']}" if base else ""
    made = f"model {model['rung']} (gate {model['gate']}){beside}"
    lines = [f"{document['case']} as of {document['as_of']}: {made}; numbers in per cent", *_LEGEND]
    for mapping in document["mappings"]:
        lines += ["", *_mapping(mapping, base is not None)]
    for group, members in _groups(document["mappings"]).items():
        lines += ["", *_group(group, members)]
    if document["not_compared"]:
        lines += ["", "not compared:", *(f"  {m['label']}: {m['reason']}" for m in document["not_compared"])]
    if document["unmapped"]:
        lines += ["", f"open contracts that are not mapped: {len(document['unmapped'])}"]
        lines += [f"  {c['venue']} {c['contract']}: {c['title']}" for c in document["unmapped"]]
    return [*lines, "", *document["notes"]]


def _mapping(mapping: Mapping[str, Any], with_base: bool) -> Iterator[str]:  # noqa: FBT001 - a column more or not
    yield f"{mapping['label']} ({mapping['id']})"
    yield f"  our event: {mapping['event_label']}; the contract is {_relation(mapping)}"
    hindsight = ", so with hindsight" if mapping["hindsight"] else ""
    yield (
        f"  it pays with {percent(mapping['yes_if_event']['mean'])} if our event comes and with "
        f"{percent(mapping['yes_if_not']['mean'])} if not (put down on {mapping['stated_on']}{hindsight})"
    )
    head = [*_HEAD, "base"] if with_base else [*_HEAD]
    yield from aligned([head, *(_row(mapping, leg, with_base) for leg in mapping["legs"])])
    told = [leg["verdict"] for leg in mapping["legs"] if leg["verdict"] in {"inside", "above", "below"}]
    if told:
        outside = len(told) - told.count("inside")
        yield f"  the model stands outside the band on {outside} of {len(told)} legs that have a band and a model"
    for leg in mapping["legs"]:
        volume = f", volume {leg['volume']}" if leg["volume"] else ""
        liquidity = f", liquidity {leg['liquidity']}" if leg["liquidity"] else ""
        notes = "".join(f"; {note}" for note in leg["notes"])
        yield f"  {leg['by'][:10]}: quoted {leg['quoted_at']}{volume}{liquidity}{notes}"
    for leg in mapping["missing"]:
        yield f"  {leg['by'][:10]}: left out, {leg['reason']}"
    yield "  how the rules differ:"
    for name, text in mapping["compared"].items():
        yield f"    {name.replace('_', ' ')}: {text}"


def _relation(mapping: Mapping[str, Any]) -> str:
    meaning = {
        "same": "the same",
        "narrower": "narrower: it pays on part of it",
        "wider": "wider: it pays on more than it",
        "overlapping": "overlapping: part of it, and other things",
    }
    absence = " (YES is that nothing happens, so the curve is that of NO)" if mapping["pays_on"] == "absence" else ""
    return meaning[mapping["relation"]] + absence


def _row(mapping: Mapping[str, Any], leg: Mapping[str, Any], with_base: bool) -> list[str]:  # noqa: FBT001
    curve = mapping["curve"]
    monotone = dict(zip(curve["dates"], curve["cumulative"], strict=True)) if curve else {}
    gap = leg["gap"]
    cells = [
        leg["by"][:10],
        _number(leg["price"]),
        _with_interval(leg["recalibrated"]),
        _number(monotone.get(leg["by"])),
        _span(leg["band"]),
        _number(leg["worth"]["value"] if leg["worth"] else None),
        leg["verdict"],
        _with_interval(leg["market"]),
        _with_interval(leg["model"]),
        f"{100 * gap['value']:+.0f} ({100 * gap['lower']:+.0f} to {100 * gap['upper']:+.0f})" if gap else "–",
        _number(leg["pool"]),
    ]
    return [*cells, _number(leg["base_rate"])] if with_base else cells


def _groups(mappings: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for mapping in mappings:
        if mapping["group"]:
            groups.setdefault(mapping["group"], []).append(mapping)
    return {name: members for name, members in groups.items() if len(members) > 1}


def _group(name: str, members: list[dict[str, Any]]) -> Iterator[str]:
    """Say, for the first leg of each, why prices of one occurrence give different probabilities of our event."""
    yield f"{name.replace('-', ' ')}: one event, {len(members)} rules"
    for mapping in members:
        leg = next((leg for leg in mapping["legs"] if leg["market"]), None)
        if leg is None:
            continue
        market = leg["market"]
        note = next((f"; {n}" for n in leg["notes"] if n.startswith("the price")), "")
        yield (
            f"  {mapping['label']} (by {leg['by'][:10]}): price {percent(leg['price'])}; it pays with "
            f"{percent(mapping['yes_if_event']['mean'])} if {mapping['event_label'].lower()} comes, with "
            f"{percent(mapping['yes_if_not']['mean'])} if not ({mapping['relation']}); so {percent(market['value'])} "
            f"for our event, 80 % interval {percent(market['lower'])} to {percent(market['upper'])}{note}"
        )
        yield f"    threshold: {mapping['compared']['threshold']}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _span(band: Mapping[str, float] | None) -> str:
    return "none" if band is None else f"{100 * band['lower']:.1f}–{100 * band['upper']:.1f}"


def _with_interval(found: Mapping[str, float] | None) -> str:
    return "–" if found is None else f"{100 * found['value']:.0f} ({_whole(found['lower'])}–{_whole(found['upper'])})"


def _whole(value: float) -> str:
    return f"{100 * value:.0f}"
