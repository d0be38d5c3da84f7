"""Model and market side by side, on the same event, as of the same instant, under the contract's own rules.

The comparison is made twice, because a contract is not our event. In the contract's terms: what the contract is worth
if the model is right about our event, x E(s) + (1 - x) E(f) with the mapping's two beliefs, against the band of its
book. In our event's terms: the model's probability against what the price implies for our event, whose interval
carries the basis risk. The document is a pure function of its inputs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from forecast.case import Case
from forecast.errors import AsOfError, CaseError, DataError
from forecast.evaluation.reading import events
from forecast.evaluation.resampling import LEAST_CLUSTERS
from forecast.evaluation.scores import FLOOR
from forecast.markets.curves import ModelCurves
from forecast.markets.implied import Implied, Rules, implied_probability
from forecast.markets.ladder import Curve
from forecast.markets.mapping import (
    Belief,
    EventProbability,
    MappedLeg,
    Mapping,
    implied_event_probability,
    load_mappings,
    quoted_curve,
    unmapped,
)
from forecast.markets.pooling import MODEL_WEIGHT, Pool, log_pool
from forecast.markets.recalibrate import INTERVAL as CALIBRATED
from forecast.markets.recalibrate import Recalibration, recalibration
from forecast.markets.settled import settled_of
from forecast.markets.tables import STALE, contracts_as_of, latest_quotes, quotes_as_of
from forecast.markets.venue import Contract, Quote
from forecast.outlook.document import rounded

SCHEMA = "forecast-markets/1"
_WEEK = timedelta(weeks=1)
_MOST_POINTS = 120  # of a curve on its weekly grid

NOTES = (
    "Inside the band nobody with the model's probability would gain by taking a side of the book, fees counted.",
    "The band is held against the contract's worth if the model is right about our event.",
    "The recalibrated price is what such prices have been worth, by the settled contracts, with its 80 % interval.",
    "The market's probability of our event is a median under the mapping's beliefs, with its 80 % interval.",
    "The gap is the model's mean less that median; its interval is the market's, not the model's.",
    "A price is what others would trade at. Nothing here is advice to trade.",
)


def check_markets(case: Case) -> None:
    """Read a case's mappings, contracts and quotes whole, so that a mistake in them is known before anything costly.

    Raises
    ------
    CaseError
        ``markets.toml`` breaks a rule; file and entry are named.
    DataError
        A table breaks a rule; file, row and field are named.
    """
    load_mappings(case)
    quotes_as_of(case, case.coded_until)


def is_priced(case: Case, when: datetime) -> bool:
    """Whether a mapped contract of the case had been quoted by an instant, so that there is something to compare."""
    quoted = latest_quotes(quotes_as_of(case, when))
    return any((m.venue, leg.contract) in quoted for m in load_mappings(case) for leg in m.legs)


def needs_quotes(case: Case, when: datetime) -> None:
    """Raise DataError where no mapped contract had been quoted by an instant."""
    if not is_priced(case, when):
        raise DataError(
            f"{case.id}: no mapped contract had been quoted by {_stamp(when)}; data/quotes.csv and markets.toml say "
            "which are"
        )


def compare(
    case: Case,
    *,
    when: datetime,
    model: ModelCurves,
    base_rate: ModelCurves | None = None,
    rules: Rules | None = None,
    pool: Pool | None = None,
) -> dict[str, Any]:
    """Hold a model against every mapped contract that was quoted by an instant.

    Parameters
    ----------
    case
        With its contracts, quotes and mappings.
    when
        The as-of time of the comparison.
    model
        The model's curves, made at that same as-of time.
    base_rate
        Those of a base rate, likewise.
    rules
        Which price of a quote is believed.
    pool
        Weights of model and market, the model first, fitted on what was settled by that time; by default one half each.

    Returns
    -------
    dict
        JSON-ready, schema ``forecast-markets/1``. Probabilities and gaps between -1 and 1, rounded to six decimals;
        prices as text, in the venue's digits.

    Raises
    ------
    AsOfError
        A model was made as of another time.
    DataError
        A model is of another case, or no mapped contract had been quoted by then.
    """
    for curves in (model, base_rate):
        if curves is not None:
            _check_same(case, when, curves)
    needs_quotes(case, when)
    rules, listed, quoted = rules or Rules(), contracts_as_of(case, when), quotes_as_of(case, when)
    corrected = recalibration(settled_of(listed, quoted, case=case.id, when=when, rules=rules).table)
    return _document(case, listed, quoted, _Setting(when, model, base_rate, rules, corrected, pool))


@dataclass(frozen=True, slots=True)
class _Setting:
    """What all contracts of one comparison share."""

    when: datetime
    model: ModelCurves
    base_rate: ModelCurves | None
    rules: Rules
    recalibration: Recalibration
    pool: Pool | None

    @property
    def model_weight(self) -> float:
        return MODEL_WEIGHT if self.pool is None else self.pool.weights[0].mean


def _document(case: Case, listed: list[Contract], quoted: list[Quote], setting: _Setting) -> dict[str, Any]:
    quotes, contracts = latest_quotes(quoted), {(c.venue, c.id): c for c in listed}
    mappings, terms, when = load_mappings(case), _terms(setting), setting.when
    compared = [_mapping(m, contracts, quotes, setting) for m in mappings]
    left = [c for c in unmapped(listed, mappings) if _over(c, c.deadline, when) is None]
    document: dict[str, Any] = rounded(
        {
            "schema": SCHEMA,
            "case": case.id,
            "as_of": _stamp(when),
            **terms,
            "mappings": [m for m in compared if m["legs"]],
            "not_compared": [_left(m) for m in compared if not m["legs"]],
            "unmapped": [_unmapped(c, quotes.get((c.venue, c.id))) for c in left],
            "notes": [*NOTES, *(terms[part]["reading"] for part in ("pool", "recalibration"))],
        }
    )
    return document


def _terms(setting: _Setting) -> dict[str, Any]:
    """Say what was compared, and by which rules."""
    model, base_rate, rules = setting.model, setting.base_rate, setting.rules
    return {
        "model": {"rung": model.rung, "gate": model.gate, "interval": model.interval},
        "base_rate": {"rung": base_rate.rung} if base_rate is not None else None,
        "price_rules": {
            "estimator": rules.estimator,
            "widest_book": str(rules.widest),
            "freshest_trade_hours": rules.freshest / timedelta(hours=1),
            "yearly_rate": 0.0,
        },
        "recalibration": _recalibration(setting.recalibration),
        "pool": _pool(setting),
    }


def _pool(setting: _Setting) -> dict[str, Any]:
    """Say by which weights model and market are pooled, and on what these rest."""
    weight, pool = setting.model_weight, setting.pool
    told = {"kind": "log", "model_weight": weight, "market_weight": 1 - weight, "floor": FLOOR}
    source = "It is not a third source."
    if pool is None:
        reading = f"The pool is logarithmic with equal weights, fixed beforehand and not fitted. {source}"
        return told | {"fitted": None, "reading": reading}
    own = pool.weights[0]
    reading = (
        f"The pool is logarithmic. The model's weight, {own.mean:.2f} (90 % interval {own.lower:.2f} to "
        f"{own.upper:.2f}), is fitted on {pool.n} settled contracts; before them it was {own.prior_mean:.2f} "
        f"({own.prior_lower:.2f} to {own.prior_upper:.2f}). {source}"
    )
    if pool.clusters < LEAST_CLUSTERS:
        reading += f" With fewer than {LEAST_CLUSTERS} events nothing is shown of what the weights should be."
    fitted = {"n": pool.n, "clusters": pool.clusters, "n_eff": pool.n_eff}
    return told | {"fitted": fitted | _interval(own.mean, own.lower, own.upper), "reading": reading}


def _recalibration(found: Recalibration) -> dict[str, Any]:
    """Say what prices were put right by, and on what that rests."""
    posterior = found.posterior
    if not found.n:
        reading = (
            "No contract had been settled by then, so prices are put right by the prior alone, which believes them."
        )
    else:
        reading = f"Prices are put right by {found.n} settled contracts of the case, by {events(found.clusters)}."
        if found.clusters < LEAST_CLUSTERS:
            reading += " So few events show no bias of prices, nor that there is none."
    return {
        "n": found.n,
        "clusters": found.clusters,
        "n_eff": found.n_eff,
        "shift": _interval(posterior.mean(0), *posterior.bounds(0, CALIBRATED)),
        "slope": _interval(posterior.mean(1), *posterior.bounds(1, CALIBRATED)),
        "interval": CALIBRATED,
        "reading": reading,
    }


def _check_same(case: Case, when: datetime, curves: ModelCurves) -> None:
    if curves.case != case.id:
        raise DataError(f"the outlook is of the case {curves.case!r}, not of {case.id!r}; give one of this case")
    if curves.as_of.replace(microsecond=0) != when.replace(microsecond=0):  # a document keeps whole seconds
        raise AsOfError(
            f"the outlook is as of {_stamp(curves.as_of)}, the comparison as of {_stamp(when)}; they must be the same"
        )


def _mapping(
    mapping: Mapping,
    contracts: dict[tuple[str, str], Contract],
    quotes: dict[tuple[str, str], Quote],
    setting: _Setting,
) -> dict[str, Any]:
    """Compare the legs of one mapping; what cannot be is listed with its reason."""
    legs, missing, implied = [], [], {}
    for leg in mapping.legs:
        contract, quote = contracts.get((mapping.venue, leg.contract)), quotes.get((mapping.venue, leg.contract))
        reason = _reason(mapping, leg, contract, quote, setting.when)
        if reason or contract is None or quote is None:
            missing.append({"contract": leg.contract, "by": _stamp(leg.by), "reason": reason})
            continue
        implied[leg.contract] = implied_probability(quote, rules=setting.rules, fees=contract.fees)
        legs.append(_leg(mapping, leg, contract, quote, implied[leg.contract], setting))
    curve = quoted_curve(mapping, implied, origin=setting.when) if mapping.is_ladder else None
    label = setting.model.curves[mapping.event].label if mapping.event in setting.model.curves else mapping.event
    return {
        "id": mapping.id,
        "label": mapping.label,
        "venue": mapping.venue,
        "event": mapping.event,
        "event_label": label,
        "relation": mapping.relation,
        "pays_on": mapping.pays_on,
        "group": mapping.group,
        "stated_on": str(mapping.stated_on),
        "hindsight": setting.when.astimezone(UTC).date() < mapping.stated_on,
        "compared": mapping.compared.model_dump(),
        "yes_if_event": _belief(mapping.yes_if_event),
        "yes_if_not": _belief(mapping.yes_if_not),
        "legs": legs,
        "missing": missing,
        "curve": _curve(curve, mapping, setting) if curve is not None and len(curve.days) > 1 else None,
    }


def _reason(
    mapping: Mapping, leg: MappedLeg, contract: Contract | None, quote: Quote | None, when: datetime
) -> str | None:
    """Say why a leg cannot be compared; None if it can."""
    if not mapping.holds_at(when):
        return f"the mapping is meant for quotes until {mapping.until}"
    if contract is None:
        return "it had not opened"
    over = _over(contract, leg.by, when)
    if over is not None:
        return over
    return "it had not been quoted" if quote is None else None


def _over(contract: Contract, deadline: datetime | None, when: datetime) -> str | None:
    if contract.resolution is not None:
        settled = contract.resolution.settled_at
        return f"settled {contract.resolution.outcome}" + (f" on {settled:%Y-%m-%d}" if settled else "")
    return f"its deadline passed on {deadline:%Y-%m-%d}" if deadline is not None and deadline <= when else None


def _leg(
    mapping: Mapping, leg: MappedLeg, contract: Contract, quote: Quote, implied: Implied, setting: _Setting
) -> dict[str, Any]:
    model = setting.model.by(mapping.event, leg.by)
    base = setting.base_rate.by(mapping.event, leg.by) if setting.base_rate is not None else None
    event, event_note = _event(implied, mapping)
    has_book = quote.bid is not None or quote.ask is not None
    worth = [mapping.worth(x) for x in model] if model is not None else None
    return {
        "contract": leg.contract,
        "url": contract.url,
        "by": _stamp(leg.by),
        **_quoted(quote, setting.when),
        "price": implied.probability,
        "recalibrated": _interval(*setting.recalibration.at(implied.probability))
        if implied.probability is not None
        else None,
        "method": implied.method,
        "band": {"lower": implied.lower, "upper": implied.upper} if has_book else None,
        "market": _interval(event.median, event.lower, event.upper) if event is not None else None,
        "model": _interval(*model) if model is not None else None,
        "worth": _interval(worth[0], min(worth), max(worth)) if worth is not None else None,
        "verdict": _verdict(worth[0] if worth is not None else None, implied if has_book else None),
        "gap": _interval(model[0] - event.median, model[0] - event.upper, model[0] - event.lower)
        if model is not None and event is not None
        else None,
        "beyond_basis_risk": not event.lower <= model[0] <= event.upper
        if model is not None and event is not None
        else None,
        "pool": log_pool(model[0], event.median, weight=setting.model_weight)
        if model is not None and event is not None
        else None,
        "base_rate": base[0] if base is not None else None,
        "notes": list(_leg_notes(leg, quote, implied, event_note, setting)),
    }


def _event(implied: Implied, mapping: Mapping) -> tuple[EventProbability | None, str]:
    """Return what a price implies for our event, with a note; one that no belief can make leaves the rest standing."""
    if implied.probability is None:
        return None, ""
    try:
        event = implied_event_probability(implied, mapping)
    except CaseError as error:
        return None, str(error)
    return event, event.note


def _quoted(quote: Quote, when: datetime) -> dict[str, Any]:
    stood = quote.time or quote.fetched_at
    prices = {name: _text(getattr(quote, name)) for name in ("bid", "ask", "last", "shown", "spread")}
    sizes = {name: _text(getattr(quote, name)) for name in ("bid_size", "ask_size", "volume", "liquidity")}
    return {
        "quoted_at": _stamp(stood),
        "public_at": _stamp(quote.fetched_at),
        "age_days": (when - stood) / timedelta(days=1),
        **prices,
        **sizes,
    }


def _leg_notes(leg: MappedLeg, quote: Quote, implied: Implied, event_note: str, setting: _Setting) -> Iterable[str]:
    age = setting.when - (quote.time or quote.fetched_at)
    if age > STALE:
        yield f"the quote is {age.days} days old"
    if implied.method == "shown":
        yield "a single price without a book, so without a band"
    elif implied.note:
        yield implied.note
    if event_note:
        yield event_note
    if leg.by - setting.when > _WEEK * _horizon(setting.model):
        yield f"beyond the model's horizon of {_horizon(setting.model)} weeks"


def _horizon(model: ModelCurves) -> int:
    return max(len(curve.mean) - 1 for curve in model.curves.values())


def _verdict(worth: float | None, implied: Implied | None) -> str:
    """Say where the contract's worth under the model stands to the band, or why that cannot be told."""
    if worth is None:
        return "no model"
    if implied is None:
        return "no band"
    if implied.disagrees(worth):
        return "above" if worth > implied.upper else "below"
    return "inside"


def _curve(curve: Curve, mapping: Mapping, setting: _Setting) -> dict[str, Any]:
    """Lay a ladder out: its legs made monotone, and by week and leg beside the model."""
    days = np.union1d(np.arange(0, min(curve.days[-1], 7.0 * _MOST_POINTS), 7.0), curve.days)
    stamps = [setting.when + timedelta(days=float(day)) for day in days]
    model = [setting.model.by(mapping.event, stamp) for stamp in stamps]
    worth = [_own_terms(mapping, x[0]) if x is not None else None for x in model]
    return {
        "of": "yes" if mapping.pays_on == "occurrence" else "no",
        "dates": [_stamp(setting.when + timedelta(days=float(day))) for day in curve.days],
        "raw": curve.raw.tolist(),
        "cumulative": curve.cumulative.tolist(),
        "lower": curve.lower.tolist(),
        "upper": curve.upper.tolist(),
        "weekly_hazard": (7 * curve.hazards).tolist(),
        "moved": curve.moved,
        "grid": {
            "dates": [_stamp(stamp) for stamp in stamps],
            "market": curve.at(days).tolist(),
            "worth": worth,
            "model": [x[0] if x is not None else None for x in model],
            "model_lower": [x[1] if x is not None else None for x in model],
            "model_upper": [x[2] if x is not None else None for x in model],
        },
    }


def _own_terms(mapping: Mapping, event: float) -> float:
    """Return what the side of the contract that a ladder's curve follows is worth: NO where it pays on absence."""
    worth = mapping.worth(event)
    return worth if mapping.pays_on == "occurrence" else 1 - worth


def _left(compared: dict[str, Any]) -> dict[str, Any]:
    """Say why nothing of a mapping is compared."""
    reasons: Sequence[str] = sorted({str(leg["reason"]) for leg in compared["missing"]})
    return {"id": compared["id"], "label": compared["label"], "reason": "; ".join(reasons)}


def _unmapped(contract: Contract, quote: Quote | None) -> dict[str, Any]:
    return {
        "venue": contract.venue,
        "contract": contract.id,
        "title": contract.title,
        "url": contract.url,
        "quoted_at": _stamp(quote.time or quote.fetched_at) if quote is not None else None,
    }


def _belief(belief: Belief) -> dict[str, Any]:
    return {"alpha": belief.alpha, "beta": belief.beta, "mean": belief.mean, "rationale": belief.rationale}


def _interval(value: float, lower: float, upper: float) -> dict[str, float]:
    return {"value": value, "lower": lower, "upper": upper}


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
