"""Sweeps without a cluster: the file, what it expands to, what is shared, the view, the pages."""

import io
import json
import re
import time

import pandas as pd
import pytest

from sweep_tools import execute_here, perform_here, write_corpus, write_notebooks, write_sweep
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.common.files import read_json, write_json
from unpadded.report.comparison import best_of_each, best_runs, leaderboard, read_runs, stage_minutes, with_links
from unpadded.report.sweep_page import write_sweep_index
from unpadded.runs import stage as stage_job
from unpadded.runs.links import drop_links, link_results
from unpadded.runs.notebook import NotebookError
from unpadded.runs.run import NOTEBOOKS
from unpadded.runs.sweeps.execute import _summarise
from unpadded.runs.sweeps.plan import SweepPlan, checked_runs, plan_sweep
from unpadded.runs.sweeps.progress import SweepView
from unpadded.runs.sweeps.scores import collect_scores
from unpadded.runs.sweeps.spec import read_spec

SHIPPED = sorted((NOTEBOOKS / "sweeps").glob("*.yaml"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with fast notebooks and a corpus."""
    root = tmp_path_factory.mktemp("sweeps")
    write_notebooks(root / "notebooks")
    write_corpus(root)
    return root


def plan(place, output="out", **content) -> SweepPlan:
    file = write_sweep(place / "some.yaml", **({"corpus": "tiny.csv"} | content))
    return plan_sweep(read_spec(file), place / output, notebooks=place / "notebooks")


@pytest.fixture
def performed(place, monkeypatch, tmp_path) -> SweepPlan:
    """A sweep of six runs whose stages were executed in this process."""
    monkeypatch.setattr(stage_job, "write_page", lambda path: path.with_suffix(".html").write_text("page"))
    grid = {"size": [10, 20], "pooling": ["mean", "last", "max"]}
    swept = plan(place, tmp_path / "six", question="Which?", stages=["06_clustering"], grid=grid)
    perform_here(swept, monkeypatch)
    return swept


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"grid": {"siez": [1, 2]}}, "no notebook has a parameter 'siez' to set: did you mean size"),
        ({"grid": {"01_train_language_model.sizee": [1]}}, "no parameter 'sizee': did you mean size"),
        ({"grid": {"01_train_langage_model.size": [1]}}, "did you mean 01_train_language_model"),
        ({"stages": ["06_clusterin"]}, "there is no notebook '06_clusterin': did you mean 06_clustering"),
        ({"grid": {"size": ["ten"]}}, "size takes int, and 'ten' is str"),
        ({"grid": {"size": [True]}}, "size takes int, and True is bool"),
        ({"points": [{"rate": "1e-3"}]}, "YAML wants a point in it: 1.0e-3"),
        ({"seed": "one"}, "seed takes int"),
        ({"grid": {"size": 5}}, "grid, size holds 5: write a list"),
        ({"grid": {"size": []}}, "grid, size has no value"),
        ({"gird": {"size": [1]}}, "'gird' is nothing that a sweep file says: did you mean grid"),
        ({"points": {"size": 1}}, "points holds"),
        ({"profile": "quik"}, "no profile 'quik': did you mean quick"),
        ({"corpus": "newsgruops"}, "newsgruops"),
        ({"parameters": {"run": "elsewhere"}}, "no notebook has a parameter 'run' to set"),
    ],
)
def test_wrong_files_are_refused_before_anything_is_written(place, content, message):
    with pytest.raises(InputError) as caught:
        plan(place, "refused", **content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (place / "refused").exists()


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path, capsys):
    broken = tmp_path / "broken.yaml"
    broken.write_text("grid:\n  size: [1, 2\nseed: 1\n")
    assert main(["sweep", str(broken)]) == 2
    error = capsys.readouterr().err
    assert "line 3" in error
    assert error.count("\n") == 1
    with pytest.raises(InputError, match=r"missing\.yaml does not exist"):
        read_spec(tmp_path / "missing.yaml")


def test_a_grid_and_points_become_runs_each_once(place):
    swept = plan(
        place,
        parameters={"seed": 3},
        grid=[{"size": [10, 20], "pooling": ["mean", "last"]}, {"rate": [0.1]}],
        points=[{"size": 30}, {"size": 10, "pooling": "mean"}],
    )
    assert len(swept.runs) == 6  # the second point repeats a combination
    assert len({run.name for run in swept.runs}) == 6
    assert swept.spec.varied == ["size", "pooling", "rate"]
    values = swept.runs[4].values  # what a point does not name is the notebook's own
    assert (values["seed"], values["size"], values["pooling"], values["rate"]) == (3, 10, "mean", 0.1)


def test_stages_are_shared_by_what_they_depend_on(place):
    swept = plan(place, stages=["06_clustering"], grid={"seed": [0, 1], "size": [10, 20], "pooling": ["mean", "last"]})
    counts = pd.Series([job.stage.name for job in swept.jobs.values()]).value_counts()
    shared = ["01_train_language_model", "02_extract_embeddings", "10_teach_the_vectors"]
    assert counts.to_dict() == dict.fromkeys(shared, 4) | {"06_clustering": 8}
    first, second = swept.runs[:2]  # they differ in pooling alone
    assert [a.folder == b.folder for a, b in zip(first.jobs, second.jobs, strict=True)] == [True, True, True, False]
    assert [job.stage.name for job in swept.before(first.jobs[3])] == shared


def test_long_and_equal_names_get_a_digest(place):
    swept = plan(
        place, points=[{"fail": "a/b"}, {"fail": "b"}, {"fail": "x" * 300}], stages=["01_train_language_model"]
    )
    assert len({run.name for run in swept.runs}) == 3
    assert max(len(run.name) for run in swept.runs) < 120


def test_links_move_with_the_folder_and_are_renewed(tmp_path):
    first, second, run = tmp_path / "a" / "one", tmp_path / "a" / "two", tmp_path / "a" / "run"
    for folder, text in ((first, "1"), (second, "2")):
        (folder / "figures").mkdir(parents=True)
        (folder / "figures" / "shape.png").write_text(text)
        (folder / "model").mkdir()
        (folder / ".lock").touch()
    (second / "upstream").symlink_to("../one/model")
    link_results(first, run)
    link_results(second, run)
    assert sorted(path.name for path in run.iterdir()) == ["figures", "model"]
    (tmp_path / "a").rename(tmp_path / "b")
    assert (tmp_path / "b" / "run" / "figures" / "shape.png").read_text() == "2"
    drop_links(tmp_path / "b" / "run", but=[tmp_path / "b" / "one"])
    assert list((tmp_path / "b" / "run" / "figures").iterdir()) == []


def test_the_table_joins_scores_and_parameters(performed):
    table = collect_scores(performed)
    assert len(table) == 6
    assert {"run", "params.size", "params.pooling", "params.corpus", "value"} <= set(table.columns)
    assert (table["params.pooling"] == table["pooling"]).all()
    assert table.groupby("params.size")["value"].mean().diff().iloc[-1] == pytest.approx(0.1)
    pd.testing.assert_frame_equal(table, read_runs_after(performed))
    in_csv = pd.read_csv(performed.folder / "scores.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(in_csv, table, check_dtype=False)


def read_runs_after(swept: SweepPlan) -> pd.DataFrame:
    _summarise(swept, [])
    return read_runs([swept.folder])


def status_of(job):
    return job.folder / "stages" / f"{job.stage.name}.json"


def test_a_run_keeps_no_scores_of_other_parameters(performed):
    collect_scores(performed)
    first, second = performed.runs[:2]
    assert (first.folder / "scores.csv").is_file()
    status_of(first.jobs[-1]).unlink()  # as after a changed parameter whose stage then fails
    assert set(collect_scores(performed)["run"]) == {run.name for run in performed.runs[1:]}
    assert not (first.folder / "scores.csv").exists()
    assert (second.folder / "scores.csv").is_file()


def test_a_failed_comparison_stops_no_run(performed, monkeypatch, capsys):
    def fail(notebook, *_, **__):
        raise NotebookError(f"{notebook.name} failed on purpose")

    monkeypatch.setattr(stage_job, "execute", fail)
    given = [str(performed.spec.path), "--output", str(performed.folder), "--notebooks", str(performed.notebooks)]
    assert main(["sweep", *given]) == 1
    out, err = capsys.readouterr()
    assert "6 of 6 runs done, 0 failed" in out
    assert err == "unpadded sweep: some: 09_compare_runs.ipynb failed on purpose\n"


def test_a_dry_run_counts_what_other_parameters_left(performed, capsys):
    given = [str(performed.spec.path), "--output", str(performed.folder), "--notebooks", str(performed.notebooks)]
    assert main(["sweep", *given, "--dry-run"]) == 0
    assert "any more" not in capsys.readouterr().out
    for name in ("stages/06_clustering-0123", "runs/size=5"):
        (performed.folder / name).mkdir()
    assert main(["sweep", *given, "--dry-run"]) == 0
    assert "2 folders in stages/ and runs/" in capsys.readouterr().out


def test_a_torn_notebook_keeps_no_page_from_being_written(performed):
    collect_scores(performed)
    _summarise(performed, [])
    torn = performed.jobs[performed.runs[0].jobs[0].key].executed
    torn.write_text(torn.read_text()[:100])
    assert write_sweep_index(performed.folder, anew=True).is_file()
    page = (performed.runs[0].folder / "index.html").read_text()
    assert "06_clustering.ipynb" in page
    assert torn.name not in page


def test_the_shipped_comparison_reads_a_sweep(performed, tmp_path):
    collect_scores(performed)
    _summarise(performed, [])
    source = NOTEBOOKS / "09_compare_runs.ipynb"
    execute_here(source, tmp_path / source.name, {"run": str(performed.folder)}, log=tmp_path / "log")
    figures = {path.name for path in (performed.folder / "figures").glob("*.png")}
    assert figures >= {"09 v_measure.png", "09 effects on v_measure.png"}


def test_leaders_best_runs_and_minutes_of_a_sweep(performed):
    collect_scores(performed)
    scores = read_runs_after(performed)
    assert leaderboard(scores, k=1)["run"].tolist() == ["size=20,pooling=mean"]
    best = best_runs(scores, performed.folder)
    assert (performed.folder / best.notebook[0]).is_file()
    assert f'<a href="{best.notebook[0]}">06_clustering</a>' in with_links(best)
    assert len(best_of_each(scores)) == 3
    minutes = stage_minutes([performed.folder])
    assert len(minutes) == 7
    spent = sum(json.loads((job.folder / "stages" / f"{job.stage.name}.json").read_text())["seconds"]
                for job in performed.jobs.values())  # fmt: skip
    assert minutes.loc["shared stages once", "sum"] == pytest.approx(spent / 60, abs=0.01)


def test_the_page_of_a_sweep_links_what_is_there(performed):
    import re

    collect_scores(performed)
    _summarise(performed, [])
    page = write_sweep_index(performed.folder).read_text()
    links = [
        link.replace("%3D", "=").replace("%2C", ",") for link in re.findall(r'(?:href|src)="(?!data:)([^"]+)"', page)
    ]
    assert len(links) >= 6 * 4
    assert [link for link in links if not (performed.folder / link).exists()] == []
    assert "Which?" in page
    assert main(["report", str(performed.folder)]) == 0


def test_the_view_counts_and_estimates(performed, tmp_path):
    keys = list(performed.jobs)
    out = io.StringIO()
    view = SweepView(performed, keys, workers=2, out=out)
    assert view.seconds_left() is None
    view.started(keys[0])
    view.ended(keys[0])
    assert view.seconds_left() is not None
    last = performed.runs[-1].jobs[-1].key
    view.ended(last, error="on purpose")
    assert view.counts() == "[0/6 runs done, 1 failed]"
    for key in [key for key in keys if key not in (keys[0], last)]:
        view.ended(key)
    assert view.counts() == "[5/6 runs done, 1 failed]"
    assert not view.waiting
    lines = out.getvalue().splitlines()
    assert len(lines) == len(keys)
    assert "\x1b" not in out.getvalue()
    log = performed.folder / "logs" / f"{performed.runs[-1].name}.log"
    assert "failed: on purpose" in log.read_text()


def test_a_slow_job_takes_nothing_off_the_time_of_the_others(performed):
    slow, done, *others = performed.jobs
    view = SweepView(performed, performed.jobs, workers=2, out=io.StringIO())
    path = status_of(performed.jobs[done])
    write_json(path, read_json(path) | {"seconds": 60.0})
    view.ended(done)
    assert view.seconds_left() == 60 * (1 + len(others)) / 2
    view.running[slow] = time.monotonic() - 1e6
    assert view.seconds_left() == 60 * len(others) / 2
    view.running[others[0]] = time.monotonic() - 30
    assert view.seconds_left() == pytest.approx(60 * len(others) / 2 - 15, abs=1)


class Terminal(io.StringIO):
    """What a terminal of 80 columns would be sent."""

    def isatty(self):
        return True

    def shown(self) -> list[str]:
        """The lines on it: of all codes, those that move up a line or clear one count."""
        lines, row = [""], 0
        for piece in re.findall(r"\x1b\[[?\d]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if piece == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif piece == "\x1b[1A":
                row -= 1
            elif piece == "\x1b[2K":
                lines[row] = ""
            elif not piece.startswith(("\x1b", "\r")):
                lines[row] += piece
        return [line.rstrip() for line in lines if line]


def test_the_view_stays_in_place_on_a_terminal(performed, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    keys, out = list(performed.jobs), Terminal()
    with SweepView(performed, keys, workers=2, out=out) as view:
        view.started(keys[0])
        heading, job = out.shown()
        assert heading == "[0/6 runs done] 1 running, 11 waiting"
        assert re.match(r"\s+0:00  01_train_language_model  \S", job)
        assert len(job) <= 80
        view.ended(keys[0])
        view.draw()
        line, heading = out.shown()  # the table of two lines gave way
        assert line.startswith("[0/6 runs done]: 01_train_language_model of ")
        assert "left" in heading
        view.started(keys[1])
        assert [line, 3] == [out.shown()[0], len(out.shown())]
    assert out.shown() == [line]


def test_a_terminal_that_cannot_move_gets_lines(performed, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    keys, out = list(performed.jobs), Terminal()
    with SweepView(performed, keys, workers=2, out=out) as view:
        view.started(keys[0])
        view.ended(keys[0])
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().count("\n") == 1


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_sweep_fits_the_notebooks_and_says_what_it_is_for(file, tmp_path):
    spec = read_spec(file)
    runs = checked_runs(spec, tmp_path)
    assert len(runs) == len(spec.points) > 1
    head = " ".join(line.removeprefix("#").strip() for line in file.read_text().split("question:")[0].splitlines())
    assert "?" in head
    assert "on 2 cores" in head
    assert spec.question.endswith("?")


def test_there_are_shipped_sweeps():
    assert {file.stem for file in SHIPPED} >= {"pooling", "padding", "model"}
