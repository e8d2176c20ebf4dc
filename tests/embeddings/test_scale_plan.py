"""docs/scale.md: its tables are those that the script computes, from the measurements beside it and the store as it is."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from unpadded.common.errors import InputError
from unpadded.common.processes import n_cores

ROOT = Path(__file__).parents[2]
PAGE, MEASURED = ROOT / "docs" / "scale.md", ROOT / "benchmarks" / "scaling.csv"


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def plan():
    return script("scale_plan")


@pytest.fixture(scope="module")
def sizes(plan):
    return plan.store_sizes()


def test_the_page_is_what_the_script_computes(plan):
    options = plan.parser().parse_args([str(PAGE), str(MEASURED)])
    text = PAGE.read_text(encoding="utf-8")
    assert plan.with_tables(text, plan.tables_of(pd.read_csv(MEASURED), options)) == text


def test_the_page_shows_whether_time_is_linear_and_memory_flat(plan):
    table = plan.tables_of(pd.read_csv(MEASURED), plan.parser().parse_args([str(PAGE), str(MEASURED)]))["scaling"]
    head, _, first, *_ = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    row = dict(zip(head, first, strict=True))
    assert float(row["microseconds a token"]) == pytest.approx(1e6 / float(row["tokens/s"]), rel=0.01)
    assert {"documents", "worker MiB", "driver MiB"} <= set(head)


def test_the_manifest_does_not_grow_with_the_documents(sizes):
    assert sizes["large manifest"] - sizes["manifest"] < 10  # digits of the counts in it
    assert sizes["manifest"] < 5_000
    assert sizes["id"] == 21  # "document-000000000" in quotes, and the end of the line
    assert 300 < sizes["shard line"] < 500
    assert sizes["beginning"] == 160


def measured(**changes) -> pd.DataFrame:
    row = {"model": "m", "device": "cpu", "threads": 2, "workers": 1, "documents": 9, "tokens/s": 4_000} | changes
    return pd.DataFrame([row])


def test_speeds_are_those_of_one_core_and_one_gpu(plan):
    cpu = measured()
    assert plan.rates(cpu).iloc[0].fillna(-1).tolist() == ["m", 2_000, -1]
    both = pd.concat([cpu, measured(device="cuda", **{"tokens/s": 90_000})])
    assert plan.rates(both).iloc[0].tolist() == ["m", 2_000, 90_000]
    more = pd.concat([cpu, measured(workers=2, **{"tokens/s": 8_000})])  # several processes say nothing about one core
    assert plan.rates(more).iloc[0].fillna(-1).tolist() == ["m", 2_000, -1]


def test_times_divide_tokens_by_speed(plan):
    options = plan.parser().parse_args(["page", "csv", "--cores", "10", "--machines", "4", "--share", "0.5"])
    table = plan.time_table(plan.rates(measured()), options)
    assert table["tokens"].tolist() == ["10^6", "10^9", "10^11"]
    assert table.iloc[1].tolist()[2:] == ["5.8 days", "27.8 hours", "6.9 hours", "not measured"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.5, "0.5 seconds"), (119, "119.0 seconds"), (600, "10.0 minutes"), (1e9, "31.7 years")]
)
def test_durations_are_readable(plan, seconds, said):
    assert plan.duration(seconds) == said


def test_a_page_without_markers_is_refused(plan):
    with pytest.raises(InputError, match="no <!-- times:begin -->"):
        plan.with_tables("text", {"times": "table"})
    page = "a <!-- times:begin -->old<!-- times:end --> b"
    once = plan.with_tables(page, {"times": "| new |"})
    assert once == "a <!-- times:begin -->\n| new |\n<!-- times:end --> b"
    assert plan.with_tables(once, {"times": "| new |"}) == once


def test_efficiency_is_told_by_processes_and_by_cores():
    rows = [measured(workers=w, threads=1, documents=n, **{"tokens/s": rate}) for w, n, rate in ROWS]
    table = script("scaling").with_efficiency(pd.concat(rows, ignore_index=True))
    many = 8 * n_cores()
    assert table["efficiency"].fillna(-1).tolist() == [1.0, round(3 / many, 2), -1]
    assert table["by cores"].fillna(-1).tolist() == [1.0, round(3 / n_cores(), 2), -1]


ROWS = [(1, 100, 1_000), (8 * n_cores(), 100, 3_000), (2, 500, 2_000)]  # the last has no run of one process beside it
