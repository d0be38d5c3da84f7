"""The scores of settled contracts as lines for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from forecast.cli.shared import aligned
from forecast.markets.settled import LEFT_OUT

_HEAD = ("n", "clusters", "n_eff", "Brier", "log", "came", "said", "quotes", "moved")
_LEGEND = (
    "came: share of contracts that paid YES. said: mean price. Contracts count alike however often they were quoted.",
    "Brier and log: less is better, with 90 % intervals over clusters; prices of 0.5 would score 0.25 and 0.69.",
)


def score_lines(document: Mapping[str, Any]) -> list[str]:
    """Write a document of schema ``forecast-market-scores/1`` as lines."""
    lines = [f"{document['case']} as of {document['as_of']}: what was said of settled contracts", *document["reading"]]
    if document["overall"] is not None:
        lines += _settled(document, document["overall"] | {"all": "all contracts"})
    pairs = document["model_and_market"]
    return [*lines, *_pairs(pairs)] if pairs else lines


def _settled(document: Mapping[str, Any], overall: Mapping[str, Any]) -> list[str]:
    """Lay the scores of the contracts out, what settled them, and which were left out."""
    lines = [*_LEGEND, "moved: quotes that the log score moved to its floor."]
    for title, name, rows in (
        ("All leads", "all", [overall]),
        ("By weeks to the deadline", "band", document["bands"]),
        ("By venue", "venue", document["venues"]),
    ):
        lines += ["", title, *aligned([(name, *_HEAD), *((row[name], *_cells(row)) for row in rows)])]
    lines += ["", "What settled them", *aligned([("cluster", "n", "came"), *_told(document["clusters"])])]
    left = [f"  {LEFT_OUT[reason]}: {n}" for reason, n in document["left_out"].items() if n]
    return [*lines, "", "Left out", *left] if left else lines


def _pairs(pairs: Mapping[str, Any]) -> Iterator[str]:
    """Lay the rungs of a backtest out beside the market."""
    yield from ("", "MODEL AND MARKET", *pairs["reading"])
    for rung in pairs["rungs"]:
        yield from ("", f"{rung['rung']}, settled pairs: {rung['pairs']}")
        if rung["scores"]:
            rows = ((row["forecaster"], *_cells(row)) for row in rung["scores"])
            yield from aligned([("alone", *_HEAD), *rows])
            yield from _beside(rung)
        yield from aligned([("pool", "weight", "before any pair"), *_weights(rung["pool"])])
        if rung["pool_with_base_rate"]:
            head = ("pool with the base rate", "weight", "before any pair")
            yield from aligned([head, *_weights(rung["pool_with_base_rate"])])
    for leg in pairs["legs"]:
        outcome = {None: "not decided", 1.0: "YES", 0.0: "NO"}[leg["outcome"]]
        yield from ("", f"{leg['mapping']}: {leg['contract']} by {leg['by'][:10]}, {outcome}")
        names = sorted({name for at in leg["series"] for name in at["worth"]})
        told = ((at["origin"][:10], at["market"], *(at["worth"].get(name) for name in names)) for at in leg["series"])
        rows = ((day, *map(_share, values)) for day, *values in told)
        yield from aligned([("as of", "market", *names), *rows])


def _beside(rung: Mapping[str, Any]) -> Iterator[str]:
    """Say how the two differ, and what the model adds."""
    for found in rung["differences"]:
        span = "one cluster" if found["lower"] is None else f"{found['lower']:+.3f} to {found['upper']:+.3f}"
        yield (
            f"  {rung['rung']} less market, {found['score']}: {found['mean']:+.3f} ({span}); below 0 {rung['rung']} is "
            f"better; {found['n']} contracts by lead, {found['clusters']} clusters, n_eff {found['n_eff']:.1f}"
        )
    adds = rung["encompassing"]
    yield (
        f"  what it adds to the market (coefficient of its log-odds beside the market's): {adds['mean']:+.2f} "
        f"({adds['lower']:+.2f} to {adds['upper']:+.2f}), above 0 with {adds['positive']:.2f}; before any pair "
        f"{adds['prior_mean']:+.2f} ({adds['prior_lower']:+.2f} to {adds['prior_upper']:+.2f}), "
        f"{adds['prior_positive']:.2f}"
    )


def _weights(pool: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for own in pool["weights"]:
        yield (
            own["member"],
            f"{own['mean']:.2f} ({own['lower']:.2f} to {own['upper']:.2f})",
            f"{own['prior_mean']:.2f} ({own['prior_lower']:.2f} to {own['prior_upper']:.2f})",
        )


def _share(p: float | None) -> str:
    return "–" if p is None else f"{p:.3f}"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(row["n"]),
        str(row["clusters"]),
        f"{row['n_eff']:.1f}",
        _with_interval(row, "brier"),
        _with_interval(row, "log"),
        f"{row['base_rate']:.2f}",
        f"{row['mean_probability']:.2f}",
        str(row["forecasts"]),
        str(row["clipped"]),
    )


def _with_interval(row: Mapping[str, Any], score: str) -> str:
    if row[f"{score}_lower"] is None:
        return f"{row[score]:.3f} (one cluster)"
    return f"{row[score]:.3f} ({row[f'{score}_lower']:.3f} to {row[f'{score}_upper']:.3f})"


def _told(clusters: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for row in clusters:
        yield row["cluster"], str(row["n"]), str(row["came"])
