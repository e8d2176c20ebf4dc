"""Two processes on the CPU (gloo), started by accelerate's own launcher as the documentation says."""

import json
import os
import socket
import subprocess
import sys

import pytest
from fastai.torch_core import rank_distrib

from unpadded.cli.train_distributed import main, settings_from
from unpadded.common.errors import InputError
from unpadded.evaluation.classification import training_documents
from unpadded.evaluation.reading import tokenized
from unpadded.model.language_model import LanguageModel
from unpadded.training import distributed as distribution
from unpadded.training.loader import StreamLoader
from unpadded.training.loop import train
from unpadded.training.settings import TrainingSettings

pytestmark = pytest.mark.slow

SMALL = {"emb_sz": 12, "n_hid": 16, "n_layers": 2, "min_count": 1, "dropout": 0.1, "batch_size": 4, "window": 8}
SMALL |= {"epochs": 6, "negatives": 20, "learning_rate": 0.02}


@pytest.fixture
def table(tiny_corpus, tmp_path):
    path = tmp_path / "tiny.jsonl"
    rows = [{"text": text, "label": label} for text, label in zip(tiny_corpus.texts, tiny_corpus.labels, strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_two_processes_learn_what_one_learns(table, tiny_corpus, tmp_path):
    launch = [sys.executable, "-W", "ignore", "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [
        "-m",
        "unpadded.cli.train_distributed",
        "--cpu",
        "--corpus",
        str(table),
        "--output",
        str(tmp_path / "lm"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "UNPADDED_DATA": str(tmp_path), "HF_HOME": str(tmp_path)}
    assignments = [f"{name}={value}" for name, value in SMALL.items()]
    done = subprocess.run(
        [*launch, *command, *assignments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shared = LanguageModel.load(tmp_path / "lm")
    assert shared.card["processes"] == 2
    assert shared.card["corpus"] == "tiny"
    assert not list((tmp_path / "lm" / "checkpoints").glob("*"))
    alone = train_alone(table)
    assert shared.card["tokens_seen"] == alone.card["tokens_seen"]
    assert shared.training.step.max() == alone.training.step.max()
    first = alone.training.valid_perplexity.dropna().iloc[0]
    assert shared.card["valid_perplexity"] < 0.8 * first
    assert shared.card["valid_perplexity"] == pytest.approx(alone.card["valid_perplexity"], rel=0.15)


DIVERGES = """
import atexit, sys
import torch
from fastai.callback.core import Callback
from unpadded.tokens import TokenizedCorpus
from unpadded.training import TrainingSettings, checkpoint, rank, train

class Diverge(Callback):
    order = 50
    def after_loss(self):
        if self.training and rank() == 1 and self.training_log.step == 4:
            self.learn.loss = self.learn.loss * float("nan")

atexit.register(lambda: print("connected at the end:", torch.distributed.is_initialized()))  # after the library's own
checkpoint.CHECKPOINT_EVERY = 0.0
try:
    train(
        TokenizedCorpus.open({tokens!r}), TrainingSettings(**{settings!r}), device="cpu", progress=False,
        checkpoints={folder!r}, callbacks=(Diverge(),),
    )
except FloatingPointError as error:
    print(error)
    sys.exit(7)
"""


def test_a_loss_that_is_not_finite_in_one_process_ends_all(tiny_tokens, tmp_path):
    tiny_tokens.save(tmp_path / "tokens")
    script = DIVERGES.format(tokens=str(tmp_path / "tokens"), settings=SMALL, folder=str(tmp_path / "kept"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in both:
            out, err = process.communicate(timeout=300)
            assert process.returncode == 7, err[-3000:]
            assert "The training loss of process 1 is nan at step 5" in out
            assert "the model of step 4 is kept in" in out
            assert "connected at the end: False" in out  # or a thread of the connection may end the process its own way
    finally:
        for process in both:
            process.kill()
    assert LanguageModel.load(tmp_path / "kept" / "last_good_model").vocab


def train_alone(table):
    from unpadded.corpus.corpora import load_corpus

    corpus = load_corpus(str(table))
    return train(tokenized(corpus).select(training_documents(corpus)), TrainingSettings(**SMALL), progress=False)


def test_every_process_reads_its_own_streams(tiny_tokens, monkeypatch):
    whole = list(StreamLoader(tiny_tokens, batch_size=6, window=7, seed=1))
    shares = []
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        assert rank_distrib() == distribution.rank() == rank
        shares.append(list(StreamLoader(tiny_tokens, batch_size=6, window=7, seed=1)))
    for parts, (x, y, _) in zip(zip(*shares, strict=True), whole, strict=True):
        assert [part[0].tolist() for part in parts] == [x[i : i + 2].tolist() for i in (0, 2, 4)]
        assert [part[1].tolist() for part in parts] == [y[i : i + 2].tolist() for i in (0, 2, 4)]
    with pytest.raises(InputError, match="batch size 4 cannot be divided among 3"):
        StreamLoader(tiny_tokens, batch_size=4, window=7)


def test_settings_are_read_by_their_types(capsys, tmp_path):
    assert settings_from(["epochs=3", "dropout=0.5", "direction=both"]) == {
        "epochs": 3,
        "dropout": 0.5,
        "direction": "both",
    }
    with pytest.raises(InputError, match="no training setting 'epoch'"):
        settings_from(["epoch=3"])
    with pytest.raises(InputError, match="epochs is 'many': give a int"):
        settings_from(["epochs=many"])
    assert main(["--corpus", str(tmp_path / "nowhere.csv"), "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
