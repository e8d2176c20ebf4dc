"""One list of versions: pyproject names what is needed, the lock pins it, conda and make install the lock."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import unpadded
from core_only import CORE, with_dependencies
from unpadded.common.extras import EXTRA_OF

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


# What distributions are called whose modules have another name.
PROVIDED_BY = {
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "PIL": "pillow",
    "jscatter": "jupyter-scatter",
    "vl_convert": "vl-convert-python",
    "ir_measures": "ir-measures",
    "fasttext": "fasttext-community",
    "yaml": "pyyaml",
}
# fastai asks for torchvision, which nothing of its text needs; the package index's does not fit the CPU build of torch, and
# then transformers and sentence-transformers, which import it where it is, cannot be imported.
LEFT_OUT = "fastai {version} requires torchvision, which is not installed."


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution_of(requirement: str) -> str:
    return canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0])


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith(("#", "--"))]
    assert all(len(pin) == 2 for pin in pins)
    return {canonical(name): version for name, version in pins}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def declared(project) -> dict[str, set[str]]:
    """Extra ("" is the core) -> the distributions it names, without those of the extras that it takes in."""
    lists = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {distribution_of(line) for line in lines} - {"unpadded"} for extra, lines in lists.items()}


def outside_modules() -> set[str]:
    """Top-level modules that the library imports and that are neither its own nor Python's."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "lib").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name for name in imported if name not in sys.stdlib_module_names and name != "unpadded"}


def test_the_lock_pins_everything_that_run_and_test_need(locked, declared):
    assert set().union(*(names for extra, names in declared.items() if extra != "dev")) <= set(locked)


def test_the_core_is_small(declared):
    assert declared[""] == {"fastai", "numpy", "pandas", "safetensors", "torch"}


def test_the_lock_names_no_cuda_package(locked):
    assert not [name for name in locked if name.startswith(("nvidia-", "cuda", "triton"))]
    assert re.fullmatch(r"\d+\.\d+\.\d+", locked["torch"])


def test_what_is_imported_is_declared(declared):
    """Every package that the library imports is in pyproject, not there by way of another."""
    named = set().union(*(names for extra, names in declared.items() if extra not in ("test", "dev")))
    assert {canonical(PROVIDED_BY.get(name, name)) for name in outside_modules()} <= named


def test_the_sentence_about_a_missing_module_names_an_extra_that_brings_it(declared):
    for module, extra in EXTRA_OF.items():
        assert canonical(PROVIDED_BY.get(module, module)) in declared[extra], module
    brought = with_dependencies(CORE)
    missing = {name for name in outside_modules() if canonical(PROVIDED_BY.get(name, name)) not in brought}
    assert missing <= set(EXTRA_OF)


def test_sentence_transformers_imports():
    script = "import sentence_transformers, transformers; print(transformers.PreTrainedModel.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "PreTrainedModel", done.stderr


def pip_section() -> list[str]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    return next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))


def test_conda_installs_the_same_lock():
    links, *installed = pip_section()
    assert links.startswith("--find-links https://download.pytorch.org/whl/cpu/")
    assert installed == ["--requirement requirements.lock", "--editable ."]


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
    assert done.stdout.splitlines() == [LEFT_OUT.format(version=version("fastai"))], done.stdout


def test_every_line_of_environment_yml_says_why():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    listed = [line for line in lines if re.match(r"\s+- ", line) and not line.rstrip().endswith((":", "conda-forge"))]
    assert all("#" in line for line in listed)
