"""The pages' commands that take hours, a download or a GPU: each executed as it stands, on something small in its place.

What is put in the place of what is said once, in `SMALL`: the commands of the Makefile's recipes, and what they become.
"""

import json
import os
import runpy
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch

from conftest import make_texts
from docs_tools import ROOT
from smoke_run import SMALL as SMOKE
from smoke_run import copied, write_topics
from unpadded.evaluation.scores import read_scores

pytestmark = pytest.mark.slow

# A recipe's command, by how it begins, and what is executed: the command's own words where it says {}.
SMALL = {
    "unpadded run": ["{}", "--corpus", "topics", "--profile", "smoke", *SMOKE, "--output", "outputs/run"],
    "unpadded sweep": ["{}", "--output", "outputs/sweep", "--dry-run"],
    "python -m unpadded.report.readme": ["python", "-m", "unpadded.report.readme", "copy.md", "outputs/run"],
    "python -m unpadded.explore.lab": ["python", "-c", "import unpadded.explore.lab"],  # in a browser: test_browser.py
    "python -m pytest": ["{}", "--maxprocesses", "1", "tests/test_architecture.py", "-q", "-k", "hands_on"],
    "python benchmarks/encoding.py": [
        "{}",
        *"--models small --documents 60 --lengths short --repeat 1 --no-growth --threads 1 --side 256".split(),
        *("--precisions", "float32"),
        *("--runtimes", "ONNX Runtime int8", "OpenVINO float32"),
    ],
    "python benchmarks/training.py": [
        "{}",
        *"--models default --steps 2 --repeat 1 --vocabulary 2000 --threads 1 --side 256".split(),
    ],
    "python docs/api.py": ["python", "docs/api.py", "outputs/api"],
    "ruff": ["{}"],
    "lint-imports": ["{}"],
    "mypy": ["mypy", "--version"],  # a minute; CI's own `make test` has executed it
}
WRAPPER = """#!{python}
import json, subprocess, sys
small = json.load(open({table!r}))
words = [{name!r}, *sys.argv[1:]]
line = " ".join(words)
print("recipe:", line, flush=True)
known = max((name for name in small if line.startswith(name)), key=len)
words = [word for part in small[known] for word in (words if part == "{{}}" else [part])]
programs = {{"python": [sys.executable], "unpadded": [sys.executable, "-m", "unpadded.cli.main"]}}
programs["lint-imports"] = [{scripts!r} + "/lint-imports"]
program = programs.get(words[0], [sys.executable, "-m", words[0]])
sys.exit(subprocess.run([*program, *words[1:]]).returncode)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The project's files in a folder of their own, with a `bin` that makes each recipe small."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    for name in (n for n in listed.stdout.splitlines() if not n.startswith("outputs/") and (ROOT / n).is_file()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for compiled in (ROOT / "lib").rglob("*.nb[ic]"):  # numba's, good for sources of the same age: not compiled again
        (folder / compiled.relative_to(ROOT).parent).mkdir(parents=True, exist_ok=True)
        shutil.copy2(compiled, folder / compiled.relative_to(ROOT))
    if not (folder / "Makefile").is_file():
        pytest.skip("this copy of the project is no git clone, so its files are not known")
    shutil.copy(folder / "README.md", folder / "copy.md")
    (folder / "bin").mkdir()
    (folder / "small.json").write_text(json.dumps(SMALL))
    for name in ("unpadded", "python", "ruff", "mypy", "lint-imports"):
        path = folder / "bin" / name
        path.write_text(
            WRAPPER.format(
                python=sys.executable,
                scripts=str(Path(sys.executable).parent),
                table=str(folder / "small.json"),
                name=name,
            )
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (folder / "ready").touch()
    return folder


def within(clone: Path) -> dict[str, str]:
    """The environment of a command that is to use the clone's library and data."""
    return os.environ | {"PYTHONPATH": str(clone / "lib"), "UNPADDED_DATA": str(clone / "data")}


def make(clone: Path, *words: str) -> list[str]:
    """Execute a target of the Makefile; returns the recipe's own commands, each of which was executed small."""
    done = subprocess.run(
        ["make", *words, "BIN=bin", "READY=ready"],
        cwd=clone,
        env=within(clone),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.removeprefix("recipe: ") for line in done.stdout.splitlines() if line.startswith("recipe: ")]


def test_make_run_and_make_report(clone, shared_run):
    """The same pages of a run, with the small profile; the report's second command writes into the README.

    What the run of another clone left is reused, but for the last notebook and the pages.
    """
    write_topics(clone / "topics", *make_texts(120))
    outputs = copied(shared_run, clone / "outputs" / "run")
    for left in ("09_compare_runs.ipynb", "index.html", "scores.csv"):
        (outputs / left).unlink()
    assert make(clone, "run", "PYTHON=python3") == ["unpadded run --profile quick --output outputs/quick"]
    assert {"last", "mean", "max", "concat"} <= set(read_scores(outputs / "scores.csv").pooling.dropna())
    assert (outputs / "index.html").is_file()
    assert (outputs / "09_compare_runs.ipynb").is_file()
    before = (clone / "copy.md").read_text()
    reported, written = make(clone, "report")
    assert reported == "unpadded run --profile reference --output outputs/reference"
    assert written == "python -m unpadded.report.readme README.md outputs/reference"
    assert (clone / "copy.md").read_text() != before
    assert "vectors of topics" in (clone / "copy.md").read_text()


def test_make_sweep_plans_what_it_would_do(clone):
    assert make(clone, "sweep") == ["unpadded sweep notebooks/sweeps/pooling.yaml"]


def test_make_bench_prints_its_tables(clone):
    assert make(clone, "bench") == ["python benchmarks/encoding.py", "python benchmarks/training.py"]


def test_make_test_lints_and_tests(clone):
    assert make(clone, "test") == [
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "lint-imports",
        "python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder",
    ]


def test_make_docs_and_make_lab(clone):
    pytest.importorskip("pdoc", reason="pdoc, of the extra `dev`, is not installed")
    assert make(clone, "docs") == ["python docs/api.py outputs/api"]
    assert (clone / "outputs" / "api" / "unpadded.html").is_file()
    assert make(clone, "lab") == ["python -m unpadded.explore.lab"]


def test_make_env_has_nothing_to_do_where_all_is_there():
    if not (ROOT / ".venv" / "ready").is_file():
        pytest.skip("this environment was not made by `make env`")
    assert subprocess.run(["make", "env"], cwd=ROOT, check=False).returncode == 0


def test_the_scaling_benchmark_keeps_its_rows(tmp_path):
    options = "--model small --workers 1 --documents 60 --growth 60 --words 10 --shard-size 32 --threads 1".split()
    csv = tmp_path / "scaling.csv"
    command = [sys.executable, "benchmarks/scaling.py", *options, "--csv", str(csv)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    assert len(pd.read_csv(csv)) == 2


def test_the_gpu_benchmark_certifies_and_times_on_what_is_here():
    options = "--device cpu --models small --documents 6 --certified 2 --sizes 4 --repeat 1".split()
    command = [sys.executable, "benchmarks/gpu.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bit-identical") == 2
    assert all(name in done.stdout for name in ("loop", "packed, 4", "padded, 4", "unpadded bfloat16"))


def test_the_recipe_benchmark_measures_a_point_once(clone):
    corpus = clone / "labelled"
    for i, (text, label) in enumerate(zip(*make_texts(60), strict=True)):
        (corpus / label).mkdir(parents=True, exist_ok=True)
        (corpus / label / f"{i:03d}.txt").write_text(f"{text} number{i}")
    also = "{'emb_sz': 8, 'n_hid': 8, 'negatives': 9, 'min_count': 1, 'batch_size': 2}"
    options = [
        "--corpus",
        str(corpus),
        "--points",
        "default",
        "backward",
        "baselines",
        "--also",
        also,
        "--table",
        "recipe.csv",
    ]
    command = [sys.executable, "benchmarks/recipe.py", *options]
    for _ in range(2):  # the second time all points are there
        assert subprocess.run(command, cwd=clone, env=within(clone), check=False).returncode == 0
        table = pd.read_csv(clone / "recipe.csv")
        assert table.point.tolist()[:4] == ["default", "default", "backward", "backward"]
        assert {"tfidf", "lsa", "word_vectors", "fasttext"} <= set(table.pooling[table.point == "baselines"])
        assert table.perplexity.isna().equals(table.point == "baselines")
        assert table.v_measure.between(0, 1).all()


def test_embedding_on_a_gpu_works_or_says_that_there_is_none(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    pd.DataFrame({"text": make_texts(9)[0]}).to_csv(tmp_path / "mine.csv", index=False)
    command = [sys.executable, "-m", "unpadded.cli.main", "embed", "--device", "cuda", "--model", "model"]
    command += ["--input", "mine.csv", "--output", "vectors"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if torch.cuda.is_available():
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        assert "cuda" in done.stderr.lower()


def test_the_tests_of_one_module():
    command = [sys.executable, "-m", "pytest", "tests/corpus/test_corpus.py"]
    assert subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_the_counts_of_datasets_need_the_package_index(tmp_path):
    environment = os.environ | {"UNPADDED_DATA": str(tmp_path), "PIP_NO_INDEX": "1"}
    command = [sys.executable, "-m", "unpadded.corpus.datasets"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert done.stdout.startswith("| dataset |")


def test_the_hooks_are_installed_in_a_clone(tmp_path):
    pytest.importorskip("pre_commit", reason="pre-commit, of the extra `dev`, is not installed")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    command = [sys.executable, "-m", "pre_commit", "install"]
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    assert "pre-commit" in (tmp_path / ".git" / "hooks" / "pre-commit").read_text()


def test_pip_installs_the_clone_and_an_environment_without_a_network(clone, tmp_path, monkeypatch):
    """The wheels that one machine fetched are all that another one, without a network, asks for."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    built = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path / "index"), str(clone)]
    subprocess.run([*pip, *built], check=True, capture_output=True)  # what `pip install PATH_OF_THIS_CLONE` builds
    wheel = next((tmp_path / "index").glob("unpadded-*.whl"))
    packed = zipfile.ZipFile(wheel).namelist()
    assert "unpadded/explore/lab_settings" in "".join(packed)
    panels = ("wheel.js", "wheel.css", "follow_view.js", "moving.js", "in_view.js", "in_view.css", "theme.js")
    assert {f"unpadded/explore/panels/{name}" for name in panels} <= set(packed)
    assert {"unpadded/report/templates/page.html", "unpadded/report/templates/style.css"} <= set(packed)
    (tmp_path / "requirements.lock").write_text("unpadded\n")  # the lock itself is gigabytes
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))  # stands for the package index
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    fetched = ["download", "-r", "requirements.lock", "-d", "wheels", "--no-deps"]
    subprocess.run([*pip, *fetched], cwd=tmp_path, check=True, capture_output=True)
    shutil.rmtree(tmp_path / "index")
    installed = ["bash", "-c", 'export PIP_NO_INDEX=1 PIP_FIND_LINKS=wheels; exec "$0" "$@"']
    target = ["install", "--no-deps", "--target", "site", "unpadded"]
    subprocess.run([*installed, *pip, *target], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "site" / "unpadded" / "encoding" / "encoder.py").is_file()


def test_one_document_alone_is_measured_and_kept_among_the_records(tmp_path):
    """Twice: the rows of the second run take the places of those of the first, and of nobody else."""
    options = "--models narrow --lengths 1 --turns 2 --requests 4 --vocabulary 100 --records".split()
    path = tmp_path / "RECORDS.md"
    command = [sys.executable, "benchmarks/few.py", *options, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "callers" in done.stdout
    assert "unpadded float32" in done.stdout
    records = runpy.run_path(str(ROOT / "benchmarks" / "records.py"))
    rows = records["read"](path)
    assert set(rows.method) >= {"loop", "unpadded float32"}
    assert set(rows.model) == {"200/200/1"}
    other = rows.iloc[:1].assign(lengths="another mix")
    records["keep"](path, other, model="400/400/1", threads=2)
    assert len(records["read"](path)) == len(rows) + 1
    records["keep"](path, other.assign(method="new"), model="400/400/1", threads=2)
    assert records["read"](path).method.tolist() == [*rows.method, "new"]
    served = records["read"](path, records["REQUESTS"])
    assert set(served.callers) == {"1", "2", "8"}
    assert set(served.loc[served.method.str.startswith("loop"), "times the loop"]) == {"1.0"}
