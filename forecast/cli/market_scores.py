"""The scores of settled contracts as lines for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from forecast.markets.settled import LEFT_OUT

_HEAD = ("n", "clusters", "n_eff", "Brier", "log", "came", "said", "quotes", "moved")
_LEGEND = (
    "came: share of contracts that paid YES. said: mean price. Contracts count alike however often they were quoted.",
    "Brier and log: less is better, with 90 % intervals over clusters; prices of 0.5 would score 0.25 and 0.69.",
)


def score_lines(document: Mapping[str, Any]) -> list[str]:
    """Write a document of schema ``forecast-market-scores/1`` as lines."""
    overall = document["overall"] | {"all": "all contracts"}
    lines = [f"{document['case']} as of {document['as_of']}: what was said of settled contracts", *document["reading"]]
    lines += [*_LEGEND, "moved: quotes that the log score moved to its floor."]
    for title, name, rows in (
        ("All leads", "all", [overall]),
        ("By weeks to the deadline", "band", document["bands"]),
        ("By venue", "venue", document["venues"]),
    ):
        lines += ["", title, *_laid_out([(name, *_HEAD), *((row[name], *_cells(row)) for row in rows)])]
    lines += ["", "What settled them", *_laid_out([("cluster", "n", "came"), *_told(document["clusters"])])]
    left = [f"  {LEFT_OUT[reason]}: {n}" for reason, n in document["left_out"].items() if n]
    return [*lines, *(["", "Left out", *left] if left else [])]


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


def _laid_out(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align the columns of a table."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
