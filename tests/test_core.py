"""`pip install unpadded` alone is enough for a Learner's vectors; what it is not enough for is said in a sentence."""

import subprocess
import sys

import pytest

from core_only import Scripts

pytestmark = pytest.mark.slow

CORE_WORK = """
import pandas as pd
from fastai.text.all import AWD_LSTM, TextDataLoaders, awd_lstm_lm_config, language_model_learner

import unpadded
from unpadded import DocumentEncoder, LanguageModel, certify

texts = [" ".join(f"w{(i * j) % 17}" for j in range(1, 4 + i % 9)) for i in range(1, 60)]
loaders = TextDataLoaders.from_df(pd.DataFrame({"text": texts}), text_col="text", is_lm=True, bs=4, seq_len=9, seed=0)
config = awd_lstm_lm_config | {"emb_sz": SIZE, "n_hid": SIZE, "n_layers": 1}
learn = language_model_learner(loaders, AWD_LSTM, config=config, pretrained=False)
lm = LanguageModel.from_learner(learn)
encoder = DocumentEncoder(lm, pooling="mean")
assert encoder.encode(texts).shape == (59, SIZE)
assert certify(encoder, texts).bit_identical
lm.save("model")
again = DocumentEncoder(LanguageModel.load("model"), pooling="mean")
assert (again.encode(texts) == encoder.encode(texts)).all()
print("done")
"""

# Extra -> what needs it.
FEATURES = {
    "subword": "from unpadded.tokens import chosen_tokenizer; chosen_tokenizer('subword', ['a b c'] * 90, folder='pieces')",
    "corpora": "from unpadded import Corpus; open('a.parquet', 'w').close(); Corpus.load('a.parquet')",
    "search": "from unpadded.embeddings import DocumentSearch",
    "cluster": "from unpadded.embeddings import embed_on_cluster",
    "evaluate": "from unpadded.evaluation import rank_corpus",
    "runs": "from unpadded.runs import Run",
    "lab": "from unpadded.explore import Explorer",
    "mteb": "from unpadded.encoding import UnpaddedEncoder",
}


@pytest.fixture(scope="module")
def core():
    """Executes scripts where nothing but the core and what it needs can be imported."""
    with Scripts() as scripts:
        yield scripts


@pytest.mark.parametrize("size", [24, 224], ids=["narrow", "wide"])
def test_a_learners_vectors_need_the_core_alone(core, tmp_path, size):
    done = core.execute(CORE_WORK.replace("SIZE", str(size)), tmp_path)
    assert done.stdout.splitlines()[-1:] == ["done"], done.stderr
    slower = "pip install 'unpadded[narrow]' brings it. Until then a narrow model is read more slowly."
    assert (slower in done.stderr) == (size == 24)


def test_the_core_imports_no_extra(tmp_path):
    """Not even where it is installed."""
    script = "import sys; from unpadded import Corpus, DocumentEncoder, LanguageModel, certify; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not {"numba", "dask", "umap", "sentencepiece", "usearch", "papermill", "altair"} & set(done.stdout.split())


@pytest.mark.parametrize("extra", FEATURES)
def test_a_missing_extra_is_one_sentence(core, tmp_path, extra):
    done = core.execute(FEATURES[extra], tmp_path)
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert said.startswith("unpadded.common.extras.MissingExtraError: "), done.stderr
    assert said.endswith(f" is not installed: pip install 'unpadded[{extra}]' brings it.")


@pytest.mark.parametrize("command", ["run", "sweep spec.yaml", "report ."])
def test_a_command_says_it_too(core, tmp_path, command):
    (tmp_path / "spec.yaml").touch()
    script = f"import sys; from unpadded.cli.main import main; sys.exit(main({command.split()!r}))"
    done = core.execute(script, tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(" is not installed: pip install 'unpadded[runs]' brings it.\n")


def test_help_needs_no_extra(core, tmp_path):
    done = core.execute("from unpadded.cli.main import main; main(['--help'])", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
