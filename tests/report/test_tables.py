from typing import Any

from forecast.report.tables import (
    Spell,
    checkpoints,
    levels_of,
    mark_spells,
    probability_grid,
    rug_label,
    side_label,
)


def test_the_grid_orders_horizons_by_date_and_leaves_a_gap_where_none_was_asked(document: dict[str, Any]) -> None:
    grid = probability_grid(document["probabilities"])
    assert [column.by for column in grid.columns] == sorted({row["by"] for row in document["probabilities"]})
    gap = next(row for row in grid.rows if row.label == "A deal that lasts half a year")
    assert [cell is None for cell in gap.cells] == [False, True, False, False, False]


def test_the_grid_holds_every_probability_once(document: dict[str, Any]) -> None:
    grid = probability_grid(document["probabilities"])
    held = [cell for row in grid.rows for cell in row.cells if cell is not None]
    assert sorted(map(id, held)) == sorted(map(id, document["probabilities"]))


def test_checkpoints_end_at_the_end_and_skip_the_known_start() -> None:
    assert checkpoints(53) == [13, 26, 39, 52]
    assert checkpoints(3) == [1, 2]
    assert checkpoints(1) == []


def test_spells_are_the_runs_of_a_mark() -> None:
    weeks = ["2026-01-02", "2026-01-09", "2026-01-16", "2026-01-23", "2026-01-30"]
    marks = [{"label": "A", "on": [True, True, False, False, True]}, {"label": "B", "on": [False] * 5}]
    assert mark_spells({"weeks": weeks, "marks": marks}) == [
        Spell("A", "2026-01-02", "2026-01-09", 2),
        Spell("A", "2026-01-30", None, 1),
    ]


def test_labels_of_ladders_and_sides(document: dict[str, Any]) -> None:
    assert levels_of(document["history"], "force") == ["calm", "coercion", "conflict"]
    assert side_label(document["case"], "iran") == "Iran"
    assert side_label(document["case"], "both") == "both"
    assert side_label(document["case"], None) is None
    assert rug_label(document["case"], {"label": "Walkouts", "side": "us"}) == "Walkouts, United States"
    assert rug_label(document["case"], {"label": "Talks", "side": None}) == "Talks"
