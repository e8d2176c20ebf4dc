"""Sweeps as a user starts them, on real clusters: workers and the sweep itself killed, a notebook that fails."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest

from process_tools import PATIENCE, gone, until
from sweep_tools import command, comparable, execute_here, executions, sweep, write_corpus, write_notebooks, write_sweep
from unpadded.common.errors import InputError
from unpadded.runs import stage as stage_job
from unpadded.runs.links import link_results
from unpadded.runs.sweeps import graph as sweep_graph
from unpadded.runs.sweeps.execute import execute_sweep
from unpadded.runs.sweeps.plan import plan_sweep
from unpadded.runs.sweeps.scores import collect_scores
from unpadded.runs.sweeps.spec import read_spec

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("faults")
    write_notebooks(root / "notebooks")
    write_corpus(root)
    return root


def uninterrupted(place: Path, file: Path, monkeypatch) -> pd.DataFrame:
    """The table of the same sweep, done stage by stage in this process."""
    with monkeypatch.context() as patched:
        patched.setattr(stage_job, "execute", execute_here)
        patched.setattr(stage_job, "write_page", lambda path: path.with_suffix(".html").write_text("page"))
        plan = plan_sweep(read_spec(file), place / f"{file.stem} alone", notebooks=place / "notebooks")
        for job in plan.jobs.values():
            for earlier in plan.before(job):
                link_results(earlier.folder, job.folder)
            job.perform()
    collect_scores(plan)
    return comparable(plan.folder)


def at_work(process: psutil.Process) -> list[psutil.Process]:
    """The Dask workers below a sweep that execute a notebook."""
    found = []
    for child in process.children(recursive=True):
        try:
            if "unpadded.runs.notebook" in child.cmdline():
                found.append(child.parent())
        except psutil.NoSuchProcess:  # it ended as we looked
            continue
    return [worker for worker in found if worker and worker.pid != process.pid]


def finished(output: Path) -> int:
    return sum('"finished": true' in p.read_text() for p in output.glob("stages/*/stages/*.json") if not p.is_symlink())


def heed_interrupts() -> None:
    """As a terminal starts a process; what runs in the background of a script inherits that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_kills_and_a_failure_cost_nothing_but_their_own_work(place, monkeypatch):
    broken, output = place / "broken", place / "out"
    marked = write_sweep(
        place / "marked.yaml",
        corpus="tiny.csv",
        stages=["06_clustering"],
        grid={"pooling": ["mean", "last"], "n_seeds": [1, 2]},
        points=[{"pooling": p, "n_seeds": 3, "06_clustering.fail": str(broken)} for p in ("mean", "last")],
    )
    assert len(read_spec(marked).points) == 6
    expected = uninterrupted(place, marked, monkeypatch)
    broken.touch()
    start = command(marked, output, place / "notebooks", "--jobs", "2")

    # The sweep itself, by kill -9: nothing of it lives on.
    first = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: finished(output) >= 3)
    family = psutil.Process(first.pid).children(recursive=True)
    assert len(family) >= 2
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    until(lambda: gone(family))
    done = finished(output)
    assert 3 <= done < 9

    # Started again: a worker is killed, a second sweep is refused, two notebooks fail, the others are done.
    second = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: at_work(psutil.Process(second.pid)))
    at_work(psutil.Process(second.pid))[0].kill()
    monkeypatch.setattr("unpadded.runs.sweeps.execute.LOCK_TIMEOUT", 0.1)
    with pytest.raises(InputError, match="Another sweep is at work"):
        execute_sweep(plan_sweep(read_spec(marked), output, notebooks=place / "notebooks"))
    said, complaints = second.communicate(timeout=PATIENCE)
    assert second.returncode == 1, complaints
    assert f"{9 - done} notebooks to execute" in said
    assert "4 of 6 runs done, 2 failed" in said
    assert "Dask's dashboard: http://127.0.0.1" in said
    assert complaints.count("06_clustering.ipynb failed in cell 3 (AssertionError: on purpose)") == 2
    failed = output / "runs" / "pooling=mean,n_seeds=3,fail=broken" / "06_clustering.ipynb"
    errors = [o for cell in nbformat.read(failed, as_version=4).cells for o in cell.get("outputs", [])]
    assert "AssertionError" in [o.get("ename") for o in errors]
    assert len(comparable(output)) == 4

    # Mended and started a third time: only the two, and the table is that of a sweep that nothing happened to.
    broken.unlink()
    before = executions(output, "*")
    third = sweep(marked, output, place / "notebooks", "--jobs", "2")
    assert third.returncode == 0, third.stderr
    assert executions(output, "*") == before + 2
    assert executions(output, "01_train_language_model") <= 2
    pd.testing.assert_frame_equal(comparable(output), expected)


def test_an_interrupt_ends_all_of_it_with_one_sentence(place):
    """Ctrl-C in a terminal reaches every process of the group, Dask's workers too."""
    file = write_sweep(
        place / "long.yaml", corpus="tiny.csv", stages=["01_train_language_model"], parameters={"wait": 600.0}
    )
    start = command(file, place / "long", place / "notebooks", "--jobs", "1")
    process = subprocess.Popen(
        start,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    until(lambda: any((place / "long").glob("stages/*/executed-*.txt")))
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 3  # worker, papermill, kernel
    os.killpg(process.pid, signal.SIGINT)
    _, complaints = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert complaints == "unpadded: stopped; the same command goes on from here\n"
    until(lambda: gone(family))
    assert finished(place / "long") == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system that holds the first stages of a sweep; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root, and a machine that lets one be mounted")
    yield folder
    subprocess.run(["umount", folder], check=True)


SMALL = "112k"


def test_a_full_disk_is_said_in_one_sentence_and_loses_nothing(place, small_disk, monkeypatch):
    file = write_sweep(
        place / "full.yaml", corpus="tiny.csv", stages=["06_clustering"], grid={"pooling": ["mean", "last"]}
    )
    output = small_disk / "out"
    stopped = sweep(file, output, place / "notebooks", "--jobs", "1")  # one by one, so that it ends in the same place
    assert stopped.returncode == 1
    assert stopped.stderr
    for line in stopped.stderr.splitlines():
        assert "is full: make room and run the same command again" in line
    done = finished(output)
    assert 1 <= done < 5
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    before = executions(output, "01_train_language_model")
    resumed = sweep(file, output, place / "notebooks", "--jobs", "2")
    assert resumed.returncode == 0, resumed.stderr
    assert f"{5 - done} notebooks to execute" in resumed.stdout
    assert executions(output, "01_train_language_model") == before
    pd.testing.assert_frame_equal(comparable(output), uninterrupted(place, file, monkeypatch))


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and a worker as Dask's own command line starts them; yields the scheduler's address."""
    dask = [sys.executable, "-m", "dask"]
    address = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(address)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *options], **quiet
    )
    worker = subprocess.Popen([*dask, "worker", *options, "--nthreads", "1", "--no-dashboard"], **quiet)
    until(address.exists)

    yield json.loads(address.read_text())["address"]
    for process in (worker, scheduler):
        process.terminate()
        process.wait(timeout=PATIENCE)


def test_a_running_cluster_does_the_same(place, cluster, monkeypatch):
    file = write_sweep(
        place / "remote.yaml", corpus="tiny.csv", stages=["06_clustering"], grid={"pooling": ["mean", "last"]}
    )
    output = place / "remote"
    done = sweep(file, output, place / "notebooks", "--scheduler", cluster)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs done" in done.stdout
    assert executions(output, "*") == 5
    pd.testing.assert_frame_equal(comparable(output), uninterrupted(place, file, monkeypatch))


def test_no_scheduler_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sweep_graph, "TIMEOUT", 0.5)
    with (
        pytest.raises(InputError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 .*: start one"),
        sweep_graph.connected(jobs=1, scheduler="tcp://127.0.0.1:9"),
    ):
        raise AssertionError
