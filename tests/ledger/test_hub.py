"""Export and import: the same ledger again, in a format that others read, and nothing malformed comes in."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hubdata import connect_hub

from forecast.errors import LedgerError, OutputError
from forecast.ledger import Forecast, Ledger, append, head_of, open_ledger, read_entries, verify
from forecast.ledger.hub import Format, export_ledger, import_ledger
from tests.ledger.conftest import NOW, ORIGIN, forecast, forecasts, resolution, tamper

LATER = NOW + timedelta(days=100)
MODEL = "model-output/leverage_gap-R3/2026-04-14-leverage_gap-R3"


def fill(ledger: Ledger) -> Ledger:
    """Record forecasts of two rungs, awkward text, an agreed resolution, a void one, and two that disagree."""
    odd = forecast(horizon_weeks=None, rung="R1", quantiles={}, manifest={"note": 'ü, "quoted"\n\u2028NA'})
    war = forecast(question="war", event="escalation")
    dear = forecast(question="dear")
    append(ledger, [*forecasts(2), odd, war, dear], now=NOW)
    settled = [
        resolution(),
        resolution(question="war", reason="One reading."),
        resolution(question="war", outcome="no", who="Bo", public_at=LATER, decided_on="2026-07-14", reason="Another."),
        resolution(question="dear", outcome="void", reason="Sources are gone."),
    ]
    append(ledger, settled, now=LATER)
    return ledger


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    return fill(ledger)


@pytest.fixture
def empty(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path}/empty/workspace.db")


@pytest.mark.parametrize("fmt", ["csv", "parquet"])
def test_an_export_comes_back_as_the_same_ledger(
    any_ledger: Ledger, empty: Ledger, tmp_path: Path, fmt: Format
) -> None:
    filled = fill(any_ledger)
    written = export_ledger(filled, tmp_path / "hub", fmt=fmt)
    files = {str(p.relative_to(tmp_path / "hub")) for p in (tmp_path / "hub").rglob("*.*")}
    assert files == {*written, "hub-config/admin.json", "hub-config/tasks.json"}
    assert import_ledger(empty, tmp_path / "hub") == (9, 0)
    assert read_entries(empty) == read_entries(filled)
    assert head_of(empty) == head_of(filled)
    assert verify(empty).problems == ()
    assert import_ledger(empty, tmp_path / "hub") == (0, 9)
    assert append(empty, forecasts(2), now=NOW).added == 0


def test_tasks_are_within_what_the_schema_of_the_hubverse_allows(tmp_path: Path) -> None:
    """Version 5 of tasks-schema.json: quantile levels are numbers, categories texts, ids of at most 30 characters."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/workspace.db")
    long = ("comprehensive_deal_that_lasts_half_a_year", "comprehensive_deal_that_lasts_a_year")
    append(ledger, [forecast(), *(forecast(question=question) for question in long)], now=NOW)
    export_ledger(ledger, tmp_path / "hub")
    (task_round,) = json.loads((tmp_path / "hub" / "hub-config" / "tasks.json").read_text())["rounds"]
    events, spreads = task_round["model_tasks"]
    assert events["output_type"]["pmf"]["output_type_id"]["required"] == ["yes", "no"]
    assert spreads["output_type"]["quantile"]["output_type_id"]["required"] == [0.05, 0.95]
    described = [target for task in (events, spreads) for target in task["target_metadata"]]
    assert len({target["target_id"] for target in described}) == len(described) == 6
    assert max(len(target["target_id"]) for target in described) == 30
    for task in (events, spreads):
        named = [target["target_keys"]["target"] for target in task["target_metadata"]]
        assert sorted(named) == sorted(task["task_ids"]["target"]["optional"])


def test_rows_are_those_of_the_hubverse(filled: Ledger, tmp_path: Path) -> None:
    """Three columns of output beside the task's own, a pmf that sums to one, quantiles that rise, NA for missing."""
    export_ledger(filled, tmp_path / "hub")
    first, *rows = (tmp_path / "hub" / f"{MODEL}.csv").read_text().splitlines()
    task = "case,origin_date,origin,issued_at,label,target,horizon,target_end_date"
    assert first == f"{task},output_type,output_type_id,value"
    issued = "freedonia-sylvania,2026-04-14,2026-04-14T23:59:59Z,2026-04-15T08:00:00Z,published"
    (p,) = (f.probability for f in forecasts(1))
    assert rows[:4] == [
        f"{issued},pact,13,2026-07-14,pmf,yes,{p}",
        f"{issued},pact,13,2026-07-14,pmf,no,{1 - p}",
        f"{issued},probability of pact,13,2026-07-14,quantile,0.05,0.1",
        f"{issued},probability of pact,13,2026-07-14,quantile,0.95,0.5",
    ]
    table = pd.read_csv(tmp_path / "hub" / f"{MODEL}.csv")
    pmf = table[table["output_type"] == "pmf"]
    assert set(pmf["output_type_id"]) == {"yes", "no"}
    sums = pmf["value"].to_numpy().reshape(-1, 2).sum(axis=1)
    assert sums == pytest.approx(1)
    other = pd.read_csv(tmp_path / "hub" / "model-output/leverage_gap-R1/2026-04-14-leverage_gap-R1.csv")
    assert other["horizon"].isna().all()


@pytest.mark.parametrize("fmt", ["csv", "parquet"])
def test_the_reader_of_the_hubverse_reads_every_row(filled: Ledger, tmp_path: Path, fmt: Format) -> None:
    written = export_ledger(filled, tmp_path / "hub", fmt=fmt)
    table = connect_hub(str(tmp_path / "hub")).get_dataset().to_table().to_pandas()
    assert len(table) == sum(rows for name, rows in written.items() if name.startswith("model-output"))
    assert set(table["model_id"]) == {"leverage_gap-R1", "leverage_gap-R3"}
    yes = table[(table["output_type"] == "pmf") & (table["output_type_id"] == "yes")]
    records = [e.record for e in read_entries(filled, kind="forecast")]
    got = sorted(zip(yes["model_id"], yes["target"], yes["target_end_date"].astype(str), yes["value"], strict=True))
    wanted = sorted(
        (f"leverage_gap-{r.rung}", r.question, str(r.by), r.probability) for r in records if isinstance(r, Forecast)
    )
    assert got == wanted
    low = table[(table["output_type"] == "quantile") & (table["output_type_id"] == "0.05")]
    assert set(low["value"]) == {0.1}
    assert set(low["horizon"]) == {13}


def test_outcomes_are_those_that_nobody_disputes(filled: Ledger, tmp_path: Path) -> None:
    export_ledger(filled, tmp_path / "hub")
    oracle = pd.read_csv(tmp_path / "hub" / "target-data" / "oracle-output.csv")
    assert oracle[["target", "output_type_id", "oracle_value"]].to_numpy().tolist() == [
        ["pact", "yes", 1.0],
        ["pact", "no", 0.0],
    ]
    joined = pd.read_csv(tmp_path / "hub" / f"{MODEL}.csv").merge(oracle)
    assert len(joined) == 2 * 2  # two forecasts of it, each with a yes and a no


def test_parquet_keeps_types(filled: Ledger, tmp_path: Path) -> None:
    export_ledger(filled, tmp_path / "hub", fmt="parquet")
    schema = pq.read_schema(tmp_path / "hub" / f"{MODEL}.parquet")
    kinds = {name: str(schema.field(name).type) for name in ("horizon", "output_type_id", "value")}
    assert kinds["horizon"] == "int64"
    assert kinds["value"] == "double"
    assert "string" in kinds["output_type_id"]


def test_a_longer_export_is_added_and_a_parted_one_is_refused(tmp_path: Path) -> None:
    one, two = (open_ledger(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two"))
    append(one, forecasts(2), now=NOW)
    export_ledger(one, tmp_path / "short")
    append(one, forecasts(3, start=10), now=NOW)
    export_ledger(one, tmp_path / "long")
    assert import_ledger(two, tmp_path / "short") == (2, 0)
    assert import_ledger(two, tmp_path / "long") == (3, 2)
    assert import_ledger(two, tmp_path / "short") == (0, 2)
    assert head_of(two) == head_of(one)
    parted = open_ledger(f"sqlite:///{tmp_path}/parted.db")
    append(parted, forecasts(1, start=50), now=NOW)
    with pytest.raises(LedgerError, match=r"ledger.csv, row 2: entry 1 \(forecast of .*\) is another than that of"):
        import_ledger(parted, tmp_path / "long")
    assert head_of(parted).length == 1


def replaced(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


def without_line(number: int) -> Callable[[str], str]:
    return lambda text: "".join(line for k, line in enumerate(text.splitlines(keepends=True), start=1) if k != number)


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        ("ledger.csv", replaced("R3", "R1"), r"ledger.csv, row 2: entry 1 \(forecast .*\) is not what its hash"),
        ("ledger.csv", without_line(2), r"ledger.csv, row 2: entry 2 .* does not follow the row above"),
        ("ledger.csv", replaced("\n1,1,", "\none,1,"), r"ledger.csv, row 2: seq 'one' .* whole numbers"),
        ("ledger.csv", replaced("\n1,1,", "\n1,2,"), r"ledger.csv, row 2: of version 2, .* update it"),
        ("ledger.csv", replaced("payload", "pay"), r"ledger.csv: has the columns .*pay.* instead of"),
        ("ledger.csv", lambda _: "", r"ledger.csv: cannot be read"),
        ("ledger.csv", None, r"ledger.csv: missing"),
        (f"{MODEL}.csv", replaced("yes,0.", "yes,0.9"), r"R3.csv, row 2, field 'value': .* the ledger of the export"),
        (f"{MODEL}.csv", without_line(3), r"R3.csv, row 3, field 'target'"),
        (f"{MODEL}.csv", None, r"R3.csv: missing"),
        ("target-data/oracle-output.csv", replaced("yes,1.0", "yes,0.0"), r"oracle-output.csv, row 2, field 'oracle_"),
        ("target-data/oracle-output.csv", without_line(3), r"oracle-output.csv: 1 rows, .* makes 2"),
    ],
)
def test_a_malformed_export_is_refused(
    filled: Ledger, empty: Ledger, tmp_path: Path, file: str, edit: Callable[[str], str] | None, said: str
) -> None:
    export_ledger(filled, tmp_path / "hub")
    path = tmp_path / "hub" / file
    if edit is None:
        path.unlink()
    else:
        path.write_text(edit(path.read_text()))
    with pytest.raises(LedgerError, match=said):
        import_ledger(empty, tmp_path / "hub")
    assert read_entries(empty) == []


def test_a_broken_ledger_is_not_exported(ledger: Ledger, tmp_path: Path) -> None:
    append(ledger, forecasts(3), now=NOW)
    tamper(ledger, "DELETE FROM ledger WHERE seq = 2")
    with pytest.raises(LedgerError, match="does not verify, so it is not exported: entry 2"):
        export_ledger(ledger, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_an_export_overwrites_nothing(ledger: Ledger, tmp_path: Path) -> None:
    append(ledger, forecasts(1), now=NOW)
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not an empty folder"):
        export_ledger(ledger, tmp_path / "hub")
    with pytest.raises(OutputError, match="cannot write here"):
        export_ledger(ledger, tmp_path / "hub" / "notes.txt" / "hub")
    assert [p.name for p in (tmp_path / "hub").iterdir()] == ["notes.txt"]


def test_origins_of_one_day_share_a_file(ledger: Ledger, tmp_path: Path) -> None:
    early = datetime(2026, 4, 14, 6, tzinfo=UTC)
    append(ledger, [forecast(), forecast(origin=early)], now=NOW)
    assert export_ledger(ledger, tmp_path / "hub")[f"{MODEL}.csv"] == 8
    assert set(pd.read_csv(tmp_path / "hub" / f"{MODEL}.csv")["origin"]) == {"2026-04-14T06:00:00Z", f"{ORIGIN:%FT%TZ}"}
