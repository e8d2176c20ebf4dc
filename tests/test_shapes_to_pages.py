"""The script that takes corpora of all shapes to their pages, with runs that take no time."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import shapes_to_pages
from test_any_corpus import MEASURED, no_heading, without_labels


@pytest.mark.parametrize(
    ("status", "page", "stderr", "said"),
    [
        (0, True, "", "three_documents: page; 06_clustering left out, why;"),
        (1, True, "07 failed in cell 3", "three_documents: exit status 1: 07 failed in cell 3;"),
        (2, False, "no such corpus", "exit status 2: no such corpus; no page; nothing left out"),
        (0, True, "a warning", "said on standard error: a warning"),
    ],
)
def test_the_script_says_which_shapes_come_to_no_page(monkeypatch, tmp_path, capsys, status, page, stderr, said):
    def run(command: list[str], **_) -> SimpleNamespace:
        output = Path(command[command.index("--output") + 1])
        if page:
            output.mkdir(parents=True)
            (output / "index.html").touch()
            summary = {"stages": {}, "failures": {}, "left_out": dict.fromkeys(MEASURED, "why")}
            (output / "run.json").write_text(json.dumps(summary))
        return SimpleNamespace(returncode=status, stderr=stderr)

    monkeypatch.setattr(shapes_to_pages.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["shapes_to_pages.py", "--output", str(tmp_path), "three_documents"])
    assert shapes_to_pages.main() == (0 if said.startswith("three_documents: page") else 1)
    assert said in capsys.readouterr().out


def test_the_script_gives_the_command_line_what_a_shape_says(tmp_path):
    said = shapes_to_pages.arguments(no_heading(tmp_path), tmp_path / "run")
    assert said[said.index("--text") :] == ["--text", "2", "--label", "1", "--no-heading"]
    said = shapes_to_pages.arguments(without_labels(tmp_path), tmp_path / "run")
    assert said[said.index("--text") :] == ["--text", "text", "--label", ""]
