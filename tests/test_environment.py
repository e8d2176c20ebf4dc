"""One list of versions: pyproject names what is needed, the lock pins it, conda and make install the lock."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import unpadded

ROOT = Path(__file__).parents[1]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith(("#", "--"))]
    assert all(len(pin) == 2 for pin in pins)
    return {canonical(name): version for name, version in pins}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_lock_pins_everything_that_run_and_test_need(locked, project):
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0]) for requirement in wanted}
    assert names <= set(locked)


def test_the_lock_names_no_cuda_package(locked):
    assert not [name for name in locked if name.startswith(("nvidia-", "cuda", "triton"))]
    assert re.fullmatch(r"\d+\.\d+\.\d+", locked["torch"])


def test_what_is_imported_is_declared(project):
    """Every package that the library imports is in pyproject, not there by way of another."""
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["mteb"] + extras["static"]
    declared = {canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0]) for requirement in wanted}
    provided_by = {
        "sklearn": "scikit-learn",
        "umap": "umap-learn",
        "PIL": "pillow",
        "jscatter": "jupyter-scatter",
        "vl_convert": "vl-convert-python",
        "ir_measures": "ir-measures",
        "fasttext": "fasttext-community",
        "cycler": "matplotlib",  # matplotlib's own module for colour cycles
        "fastcore": "fastai",  # fastai's own lists
        "tokenizers": "wordllama",  # reads the tokenizer that wordllama ships
        "yaml": "pyyaml",
    }
    trees = [ast.parse(path.read_text()) for path in (ROOT / "lib").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    outside = {name for name in imported if name not in sys.stdlib_module_names and name != "unpadded"}
    assert {canonical(provided_by.get(name, name)) for name in outside} <= declared


def pip_section() -> list[str]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    return next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))


def test_conda_installs_the_same_lock():
    assert pip_section() == ["--requirement requirements.lock", "--editable ."]


def test_condas_pip_section_resolves():
    """A dry run of what conda hands to pip: everything is there already, so nothing but this package may be left."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--retries", "0", "--no-deps"]
    command += [*" ".join(pip_section()).split(), "--no-build-isolation"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    left = [line for line in done.stdout.splitlines() if line.startswith("Would install")]
    assert left in ([], [f"Would install unpadded-{unpadded.__version__}"])


def test_the_locked_versions_suit_one_another():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_line_of_environment_yml_says_why():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    listed = [line for line in lines if re.match(r"\s+- ", line) and not line.rstrip().endswith((":", "conda-forge"))]
    assert all("#" in line for line in listed)
