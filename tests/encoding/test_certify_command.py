"""unpadded certify: the exit status says the verdict, wrong input is one line."""

import json
import sys

import pandas as pd
import pytest

from conftest import make_texts
from unpadded.cli.certify import VERDICTS, named_encoder
from unpadded.cli.main import main
from unpadded.encoding.certification.example import Example
from unpadded.encoding.certification.precision import VERDICTS as ORDER

MODULE = """
import numpy as np

def sound(texts):
    return [[len(text), text.count("e")] for text in texts]

def padded(texts):
    longest = max(map(len, texts))
    return [[text.count("e") / longest, 1.0] for text in texts]

def noisy(texts):
    return np.random.default_rng().normal(size=(len(texts), 3))

class Holder:
    class model:
        encode = staticmethod(padded)
    model = model()

number = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "my_encoders.py").write_text(MODULE)
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('no\\nluck')")
    pd.DataFrame({"body": make_texts(12)[0]}).to_csv("reviews.csv", index=False)
    (tmp_path / "lines.txt").write_text("one text\n\nanother text there\nof three\n")
    yield tmp_path
    sys.modules.pop("my_encoders", None)


def test_the_exit_status_says_the_verdict(here, capsys):
    csv = ["--texts", "reviews.csv", "--column", "body", "--max-calls", "150"]
    assert main(["certify", "my_encoders:sound", *csv]) == 0
    assert capsys.readouterr().out.startswith("bit-identical: ")
    assert main(["certify", "my_encoders:padded", *csv, "--smallest", "small.json", "--picture", "picture.png"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("depends on the batch: longer texts")
    assert "smallest example, 2 in one call" in shown
    assert Example.load("small.json").reproduces(named_encoder("my_encoders:padded"))
    assert (here / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert main(["certify", "my_encoders:Holder.model", *csv, "--at-most", "depends on the batch"]) == 0
    assert main(["certify", "my_encoders:noisy", *csv, "--at-most", "depends on the batch"]) == 1


def test_json_is_all_that_is_printed(here, capsys):
    assert main(["certify", "my_encoders:padded", "--texts", "lines.txt", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "depends on the batch"
    assert found["follows"] == "longer texts"
    assert found["rows"]
    assert len(found["smallest"]) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["my_encoders", "--texts", "lines.txt"], "is not MODULE:NAME"),
        (["my_encoders:nothing", "--texts", "lines.txt"], "has no 'nothing'"),
        (["no_such_module:f", "--texts", "lines.txt"], "cannot be imported (ModuleNotFoundError"),
        (["broken_module:f", "--texts", "lines.txt"], "cannot be imported (RuntimeError: no)"),
        (["my_encoders:number", "--texts", "lines.txt"], "The encoder is int"),
        (["my_encoders:Holder", "--texts", "lines.txt"], "the class Holder"),
        (["my_encoders:sound", "--texts", "none.txt"], "cannot be read"),
        (["my_encoders:sound", "--texts", "none.csv"], "neither a file or folder"),
        (["my_encoders:sound", "--texts", "reviews.csv"], "has no column 'text'"),
        (["my_encoders:sound", "--texts", "lines.txt", "--max-calls", "2"], "max_calls is 2"),
        (["my_encoders:sound", "--texts", "lines.txt", "--precision", "x"], "'x' is not known"),
        (["my_encoders:sound", "--texts", "lines.txt", "--max-calls", "9", "--picture", "x.doc"], "cannot be saved"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(here, capsys, arguments, sentence):
    assert main(["certify", *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_the_command_knows_the_verdicts_without_importing_torch():
    assert VERDICTS == ORDER
