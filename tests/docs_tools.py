"""Reads a page of the documentation as a newcomer does: its code blocks, in order, and the commands within sentences."""

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unpadded.cli import main as cli
from unpadded.embeddings.store import Embeddings
from unpadded.runs.overrides import read_overrides

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("make", "unpadded", "python", "pip", "dask", "accelerate", "export", "pre-commit", "git")
PARTIAL = {"...", "N"}  # a command that is not all there, in a sentence
PLACEHOLDERS = {"DIR", "FILE", "NAME", "tcp://HOST:8786"}  # what a reader fills in
SCRIPTS = "\n".join(path.read_text() for path in [*(ROOT / "benchmarks").glob("*.py"), ROOT / "requirements.lock"])
DIAGRAM = "Corpus --tokenize--> "  # the one indented block that is no command

# Commands that `follow` only understands, by how they begin (the longest beginning counts): the test that executes one.
EXECUTED_BY = {
    "unpadded run": "test_runs.py::test_a_run_leaves_what_it_should",
    "unpadded report": "test_pages.py::report",
    "unpadded sweep": "test_sweep_faults.py::test_kills_and_a_failure_cost_nothing_but_their_own_work",
    "unpadded sweep my.yaml --scheduler": "test_sweep_faults.py::test_a_running_cluster_does_the_same",
    "unpadded embed": "test_embedding_run.py::test_the_command_line_takes_several_poolings_a_layer_and_slots",
    "unpadded embed --scheduler": "test_embedding_cluster.py::test_a_scheduler_started_by_dasks_own_command",
    "unpadded search": "test_search.py::test_the_command_prints_rank_score_id_and_words",
    "unpadded export": "test_atlas.py::test_the_file_holds_every_document_with_its_vector_map_and_neighbours",
    "unpadded certify": "test_certify_command.py::test_the_exit_status_says_the_verdict",
    "dask": "test_sweep_faults.py::cluster",
    "accelerate launch": "test_distribution.py::test_two_processes_learn_what_one_learns",
    "python benchmarks/scale_plan.py": "test_scale_plan.py::test_the_page_is_what_the_script_computes",
    "make docs": "test_docs.py::test_the_api_reference_is_built_without_the_network",
    "make lab": "test_browser.py::test_the_exploring_notebook_in_jupyterlab",
    "make env": "test_commands.py::test_make_env_has_nothing_to_do_where_all_is_there",
    "make test": "test_commands.py::test_make_test_lints_and_tests",
    "make run": "test_commands.py::test_make_run_and_make_report",
    "make report": "test_commands.py::test_make_run_and_make_report",
    "unpadded sweep notebooks/sweeps": "test_commands.py::test_make_sweep_plans_what_it_would_do",
    "python benchmarks": "test_commands.py::test_the_scaling_benchmark_keeps_its_rows",
    "unpadded embed --device cuda": "test_commands.py::test_embedding_on_a_gpu_works_or_says_that_there_is_none",
    "python -m pytest": "test_commands.py::test_the_tests_of_one_module",
    "python tests/shapes_to_pages.py": "test_shapes_to_pages.py::test_the_script_says_which_shapes_come_to_no_page",
    "python -m unpadded.corpus.datasets": "test_commands.py::test_the_counts_of_datasets_need_the_package_index",
    "pip": "test_commands.py::test_pip_installs_the_clone_and_an_environment_without_a_network",
    "python -m pip": "test_commands.py::test_pip_installs_the_clone_and_an_environment_without_a_network",
    "pre-commit": "test_commands.py::test_the_hooks_are_installed_in_a_clone",
    "export": "test_commands.py::test_pip_installs_the_clone_and_an_environment_without_a_network",
}


@dataclass(frozen=True)
class Block:
    """A code block: `kind` is a fence's language, "shell" for an indented block, "inline" for code within a sentence."""

    kind: str
    file: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Every code block of a page in order; inline code only where it is a command or an option."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    prose, i = [], 0
    while i < len(lines):
        fence = re.match(r"( *)```(\w*) ?(\S*)", lines[i])
        first = i
        if fence:
            end = next(j for j in range(i + 1, len(lines)) if lines[j].strip() == "```")
            text = "\n".join(line.removeprefix(fence[1]) for line in lines[i + 1 : end])
            found.append(Block(fence[2], fence[3], text + "\n", first + 1))
            i = end + 1
        elif re.match(r" {4,}\S", lines[i]) and (i == 0 or not lines[i - 1].strip()):
            while i < len(lines) and (lines[i].startswith("    ") or not lines[i].strip()):
                i += 1
            found.append(Block("shell", "", "\n".join(line.strip() for line in lines[first:i]), first + 1))
        else:
            prose.append((i + 1, lines[i]))
            i += 1
    found += [Block("inline", "", code, line) for line, code in _inline(prose)]
    return sorted(found, key=lambda block: block.line)


def _inline(prose: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    text = "\n".join(line for _, line in prose)
    for code in re.finditer(r"(?<!`)`([^`]+)`(?!`)", text):
        words = command(" ".join(code[1].split()))
        if words and (words[0] in PROGRAMS or words[0] == "-p" or words[0].startswith("--")):
            yield prose[text[: code.start()].count("\n")][0], " ".join(code[1].split())


def commands(block: Block) -> list[list[str]]:
    """The words of each command of a block; a line that is none is there too, and will be known to nobody."""
    return [words for line in block.text.splitlines() if (words := command(line))]


def command(line: str) -> list[str]:
    """The words of a command line without its comment, the variables before it, and the environment's folder."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a quote that is left open: prose
        return []
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return [words[0].removeprefix(".venv/bin/"), *words[1:]] if words else []


def links(page: Path) -> list[str]:
    """The files that a page links to or shows, without those on the network and without places within a page."""
    found = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    return [link for link in found if not link.startswith(("http://", "https://"))]


def first_column(page: Path, heading: str) -> set[str]:
    """The names, in code, of the first column of all tables of the section under `heading` (a line's text)."""
    section = re.split(r"^#+ ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading))
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def accounted_for(words: list[str]) -> str:
    """The longest beginning of a command in the table of tests; empty where it has none."""
    line = " ".join(words)
    return max((name for name in EXECUTED_BY if line.startswith(name)), key=len, default="")


def follow(words: list[str]) -> bool:
    """Execute a command that is cheap; of any other check that what it names is there and takes the arguments.

    Returns whether it was executed.
    """
    program, *arguments = words
    if words == ["make"]:
        return "\ntest " in subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    if words[:2] == ["python", "-c"]:
        exec(arguments[1], {})
        return True
    if program == "unpadded":
        return _unpadded(arguments)
    if program == "make":
        text = (ROOT / "Makefile").read_text()
        for name in arguments:
            variable, _, value = name.partition("=")
            assert re.search(rf"^{variable} \?= " if value else rf"^{name}:", text, re.MULTILINE), name
    elif program == "python" and arguments[0] == "-m":
        _module(arguments[1], arguments[2:])
    elif program == "python":
        assert (ROOT / arguments[0]).is_file()
        _check_options(arguments[1:])
    elif program in ("pip", "pre-commit"):
        _module(program.replace("-", "_"), arguments)
    elif program == "accelerate":
        _launch(arguments)
    elif program == "dask":
        _dask(arguments)
    elif program == "export":
        for assignment in arguments:
            _variable(assignment.partition("=")[0])
    elif program.startswith("--"):
        _check_options(words)
    elif program == "-p":
        read_overrides(arguments, ROOT / "notebooks")
    else:
        raise AssertionError(f"no check is known for {words}")
    return False


def _unpadded(arguments: list[str]) -> bool:
    subcommands = _subcommands()
    if not arguments[1:] or PARTIAL & set(arguments):
        assert not arguments or arguments[0] in subcommands
        known = subcommands[arguments[0]]._option_string_actions if arguments else {}
        assert all(word in known for word in arguments if word.startswith("--")), arguments
        return False
    args = cli._parser().parse_args(arguments)
    needed = [word for word in arguments if word.endswith((".yaml", ".csv", ".jsonl")) or word == "model"]
    if PLACEHOLDERS & set(arguments) or getattr(args, "corpus", "") == "newsgroups":
        return False  # a folder of the reader's own, a cluster, or a download
    if arguments[0] == "sweep" and not Path(needed[0]).exists():
        assert (ROOT / needed[0]).is_file()  # one of the project's own, about corpora that would be downloaded
        return False
    assert cli.main([*arguments, *(["--dry-run"] if arguments[0] == "sweep" else [])]) == 0
    if arguments[0] == "embed":
        assert len(Embeddings.open(args.output)) > 0
    return arguments[0] in ("embed", "search") or "--dry-run" in arguments  # a run is only planned, by test_docs


def _subcommands() -> dict[str, argparse.ArgumentParser]:
    actions = cli._parser()._actions
    return next(action.choices for action in actions if isinstance(action, argparse._SubParsersAction))


def _check_options(words: list[str]) -> None:
    """Every option is one of our commands' or scripts' (or of the lock, which is a list of pip's options)."""
    known = {name for parser in _subcommands().values() for name in parser._option_string_actions}
    for word in words:
        if word.startswith("--"):
            assert word in known or f'"{word}"' in SCRIPTS or f"\n{word} " in SCRIPTS, word


def _module(name: str, arguments: list[str]) -> None:
    if name == "pip":
        from pip._internal.commands import create_command

        create_command(arguments[0]).parse_args(arguments[1:])
    elif name == "pytest":
        assert all((ROOT / word).exists() for word in arguments if word.startswith("tests"))
    elif name == "pre_commit":
        assert arguments[0] in ("install", "run")
        assert (ROOT / ".pre-commit-config.yaml").is_file()
    else:
        assert name.startswith("unpadded.")
        module = ROOT / "lib" / name.replace(".", "/")
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file(), name
        if name == "unpadded.report.readme":
            assert all((ROOT / word).exists() for word in arguments)


def _launch(arguments: list[str]) -> None:
    from accelerate.commands.launch import launch_command_parser

    from unpadded.cli.train_distributed import _parser, settings_from

    args = launch_command_parser().parse_args(arguments[1:])
    assert (args.module, args.training_script) == (True, "unpadded.cli.train_distributed")
    own = args.training_script_args
    if "..." in own:
        own = [*(word for word in own if word != "..."), "--corpus", "newsgroups", "--output", "DIR"]
    settings_from(_parser().parse_args(own).settings)


def _dask(arguments: list[str]) -> None:
    from distributed.cli import dask_scheduler, dask_worker

    command = {"scheduler": dask_scheduler, "worker": dask_worker}[arguments[0]].main
    command.make_context(arguments[0], list(arguments[1:]))


def _variable(name: str) -> None:
    """A variable of the environment that somebody reads: this package, pip, what `make` runs, or all that use a network."""
    from pip._internal.commands import create_command

    if name.startswith("PIP_"):
        option = "--" + name.removeprefix("PIP_").lower().replace("_", "-")
        assert create_command("install").parser.has_option(option)
    else:
        sources = "\n".join(path.read_text() for path in (ROOT / "lib" / "unpadded").rglob("*.py"))
        told = re.search(rf"^[a-z ]+: export {name} := ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert name == "HTTPS_PROXY" or f'"{name}"' in sources or told, name
