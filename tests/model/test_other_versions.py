"""What other versions of fastai left behind: read without running anything, or said in one sentence how it can be."""

import ast
import json
import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.text.all import (
    AWD_LSTM,
    SentencePieceTokenizer,
    TextDataLoaders,
    WordTokenizer,
    awd_lstm_clas_config,
    awd_lstm_lm_config,
    get_language_model,
    language_model_learner,
    text_classifier_learner,
)

from conftest import make_texts
from unpadded.common.errors import InputError
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model import export_script
from unpadded.model.fastai_modules import EMBEDDING, TWIN, weights_of
from unpadded.model.language_model import LanguageModel
from unpadded.model.weights_file import read_inert

SIZES = {"emb_sz": 8, "n_hid": 12, "n_layers": 2}
TEXTS = make_texts(30)[0] + ["L'été, l'homme qu'on\n  n'attendait plus.", "THE End!!!! Of it all"] * 4
FRAME = pd.DataFrame({"text": TEXTS, "label": ["a", "b"] * (len(TEXTS) // 2)})
DOCUMENTS = [np.array([2, 9, 4, 11]), np.array([2]), np.arange(20)]


class Runs:
    """A pickle of it would create a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def learner(path, *, classifier=False, **options):
    config = {**(awd_lstm_clas_config if classifier else awd_lstm_lm_config), **SIZES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target = {"label_col": "label"} if classifier else {"is_lm": True}
        dls = TextDataLoaders.from_df(FRAME, path=path, text_col="text", bs=4, seq_len=8, **target, **options)
        build = text_classifier_learner if classifier else language_model_learner
        return build(dls, AWD_LSTM, config=config, pretrained=False, path=path)


def vectors(lm):
    return DocumentEncoder(lm, pooling="mean").encode_tokens(DOCUMENTS)


def same(one, other):
    mine, theirs = weights_of(one.module), weights_of(other.module)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


# Weights


def test_what_learn_save_writes_by_default(tmp_path):
    learn = learner(tmp_path)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    path = learn.save("with optimizer")
    assert set(read_inert(path)) == {"model", "opt"}
    lm = LanguageModel.from_weights(path, learn.dls.vocab)
    assert same(lm, LanguageModel.from_learner(learn))


def test_code_beside_the_weights_is_not_run(tmp_path, tiny_model):
    trap = tmp_path / "was here"
    state = {
        "model": weights_of(tiny_model.module),
        "opt": {"state": [Runs(trap), {"a": Runs(trap)}], "hypers": Runs(trap)},
    }
    for n, zipped in enumerate((True, False)):  # torch's format, and that of before 1.6
        torch.save(state, tmp_path / f"{n}.pth", _use_new_zipfile_serialization=zipped)
        assert same(LanguageModel.from_weights(tmp_path / f"{n}.pth", tiny_model.vocab), tiny_model)
    assert not trap.exists()
    torch.load(tmp_path / "0.pth", weights_only=False)
    assert trap.exists()  # the trap works


def test_weights_of_a_classifier_are_its_encoders(tmp_path):
    learn = learner(tmp_path, classifier=True)
    lm = LanguageModel.from_weights(learn.save("classifier"), learn.dls.vocab[0])
    assert same(lm, LanguageModel.from_learner(learn))


def old_names(state, weight_drop=True):
    """As fastai 0.7 named its tensors."""
    renamed = {}
    for name, tensor in state.items():
        name = name.replace("encoder_dp.emb", "encoder_with_dropout.embed")
        name = name.replace(".weight_hh_l0_raw", ".module.weight_hh_l0_raw")
        renamed[name if weight_drop else name.replace("module.", "").replace("_raw", "")] = tensor
    return renamed


@pytest.mark.parametrize("weight_drop", [True, False])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_names_of_fastai_07(tmp_path, weight_drop, prefix):
    module = get_language_model(AWD_LSTM, 30, {**awd_lstm_lm_config, **SIZES, "out_bias": False})
    lm = LanguageModel(module, [f"t{i}" for i in range(30)])
    state = {prefix + name: tensor for name, tensor in old_names(module.state_dict(), weight_drop).items()}
    assert not {EMBEDDING.replace("encoder.", "encoder_dp."), TWIN} & set(state)
    torch.save(state, tmp_path / "fwd_wt103.h5", _use_new_zipfile_serialization=False)
    found = LanguageModel.from_weights(tmp_path / "fwd_wt103.h5", lm.vocab)
    assert np.array_equal(vectors(found), vectors(lm))
    encoder = {name.removeprefix(f"{prefix}0."): tensor for name, tensor in state.items() if "decoder" not in name}
    torch.save(encoder, tmp_path / "encoder.h5")
    assert np.array_equal(vectors(LanguageModel.from_weights(tmp_path / "encoder.h5", lm.vocab)), vectors(lm))


def test_masked_weights_beside_the_true_ones_are_left_out(tmp_path, tiny_model):
    for first in (True, False):
        state = weights_of(tiny_model.module)
        masked = {f"0.rnns.{n}.module.weight_hh_l0": torch.zeros(4 * 20, 20) for n in range(2)}
        torch.save({**masked, **state} if first else {**state, **masked}, tmp_path / "w.pth")
        assert same(LanguageModel.from_weights(tmp_path / "w.pth", tiny_model.vocab), tiny_model)


def test_weights_of_other_cells_are_refused(tmp_path):
    both = AWD_LSTM(30, **SIZES, bidir=True).state_dict()
    torch.save(both, tmp_path / "both.pth")
    with pytest.raises(InputError, match="bidirectional"):
        LanguageModel.from_weights(tmp_path / "both.pth", ["a"])
    qrnn = {"0.encoder.weight": torch.zeros(3, 2), "0.rnns.0.layers.0.linear.weight_raw": torch.zeros(3, 2)}
    torch.save(qrnn, tmp_path / "qrnn.pth")
    with pytest.raises(InputError, match="not an LSTM's"):
        LanguageModel.from_weights(tmp_path / "qrnn.pth", ["a"])


# Files that are no export of this fastai


@pytest.mark.parametrize("trusted", [True, False])
def test_weights_given_as_a_learner_are_named(tmp_path, trusted):
    learn = learner(tmp_path)
    for path in (learn.save("one", with_opt=False), learn.save("two")):
        with pytest.raises(InputError, match=r"holds weights, not a Learner: .*from_weights"):
            LanguageModel.from_learner(path, run_its_code=trusted)


@pytest.fixture
def foreign(monkeypatch):
    """Makes a module that is there while something is pickled, and then taken away."""

    def make(name, **parts):
        module = types.ModuleType(name)
        for key, part in parts.items():
            part.__module__, part.__qualname__ = name, key
            setattr(module, key, part)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


def test_an_export_that_needs_its_makers_script_says_what(tmp_path, foreign, monkeypatch):
    learn = learner(tmp_path)
    module = foreign("makers_script", label_of=lambda row: row)
    learn.own_part = module.label_of
    learn.export("export.pkl")
    del module.label_of
    with pytest.raises(InputError, match=r"needs label_of of makers_script, .*define or import it"):
        LanguageModel.from_learner(tmp_path / "export.pkl", run_its_code=True)
    monkeypatch.delitem(sys.modules, "makers_script")
    with pytest.raises(InputError, match="needs the module makers_script"):
        LanguageModel.from_learner(tmp_path / "export.pkl", run_its_code=True)
    foreign("makers_script", label_of=lambda row: row)
    assert LanguageModel.from_learner(tmp_path / "export.pkl", run_its_code=True).vocab == list(learn.dls.vocab)


def test_an_export_of_another_fastai_says_which_script_to_run(tmp_path, foreign, monkeypatch):
    part = foreign("fastcore.dispatch", TypeDispatch=type("TypeDispatch", (), {})).TypeDispatch()
    torch.save(part, tmp_path / "two.pkl")
    monkeypatch.delitem(sys.modules, "fastcore.dispatch")
    torch.save({"model": part.__dict__, "data": {}, "cls": None}, tmp_path / "one.pkl")
    for name, words in (("two.pkl", "another version of fastai"), ("one.pkl", "exported by fastai 1")):
        with pytest.raises(InputError, match=rf"{words}.*export_script\.py.*from_export"):
            LanguageModel.from_learner(tmp_path / name, run_its_code=True)
    torch.save([1, 2], tmp_path / "list.pkl")
    with pytest.raises(InputError, match="holds a list, no Learner"):
        LanguageModel.from_learner(tmp_path / "list.pkl", run_its_code=True)


# The script


def test_the_script_stands_alone():
    source = Path(export_script.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 6))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert names - sys.stdlib_module_names == {"torch"}
    assert "pickle" not in names


@pytest.mark.parametrize(
    "options",
    [{}, {"tok_tfm": WordTokenizer("fr"), "backwards": True}, {"tok_tfm": "SentencePiece"}],
    ids=["words", "French, backwards", "SentencePiece"],
)
def test_a_learner_by_way_of_the_script(tmp_path, options):
    if options.get("tok_tfm") == "SentencePiece":
        options = {"tok_tfm": SentencePieceTokenizer(vocab_sz=90, cache_dir=tmp_path / "pieces")}
    learn = learner(tmp_path, **options)
    learn.export("export.pkl")
    asked = ["the rocket", "l'été"]
    if "tok_tfm" in options:  # once as a command, which imports fastai
        export_script.export(export_script.read(tmp_path / "export.pkl"), tmp_path / "folder", texts=asked)
    else:
        (tmp_path / "texts.txt").write_text("\n".join(asked) + "\n", encoding="utf-8")
        command = [sys.executable, export_script.__file__, "export.pkl", "folder", "--texts", "texts.txt"]
        subprocess.run(command, cwd=tmp_path, check=True, env={"PATH": "", "OMP_NUM_THREADS": "1"})
    folder, expected = tmp_path / "folder", LanguageModel.from_learner(learn)
    assert not [path for path in folder.iterdir() if path.suffix in (".pkl", ".pth")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lm = LanguageModel.from_export(folder)
    assert same(lm, expected)
    assert (lm.vocab, lm.direction) == (expected.vocab, expected.direction)
    assert [a.tolist() for a in lm.numericalize(TEXTS)] == [a.tolist() for a in expected.numericalize(TEXTS)]
    ids = [json.loads(line) for line in (folder / "ids.jsonl").read_text().splitlines()]
    assert ids == [a.tolist() for a in lm.numericalize(asked)]
    assert LanguageModel.load(lm.save(tmp_path / "saved")).fingerprint == lm.fingerprint


class Tokenize:
    """As fastai 1 has it: a step of a text's processing, with a tokenizer of other rules."""

    def __init__(self):
        self.tokenizer = types.SimpleNamespace(lang="en", tok_func=WordTokenizer, pre_rules=[str.strip], post_rules=[])

    def process_one(self, item):
        return ["xxbos", *item.lower().split(" ")]


class Number:
    def __init__(self, words):
        self.vocab = types.SimpleNamespace(itos=words)

    def process_one(self, item):
        return np.array([self.vocab.itos.index(word) if word in self.vocab.itos else 0 for word in item])


def test_what_fastai_1_holds(tmp_path):
    words = ["xxunk", "xxpad", "xxbos", "the", "rocket,"]
    module = get_language_model(AWD_LSTM, len(words), {**awd_lstm_lm_config, **SIZES})
    state = {"model": module, "data": {"x_proc": [Tokenize(), Number(words)]}, "cls": None}
    export_script.export(state, tmp_path, backward=True, texts=["The rocket, the"])
    with pytest.warns(UserWarning, match=r"fastai 1\) makes other tokens than those here.*--texts"):
        lm = LanguageModel.from_export(tmp_path)
    assert (lm.vocab, lm.direction) == (words, "backward")
    assert same(lm, LanguageModel(module, words))
    assert json.loads((tmp_path / "ids.jsonl").read_text()) == [2, 3, 4, 3]
    with pytest.raises(InputError, match="encode token ids"):
        lm.numericalize(["The rocket, the"])
    live = types.SimpleNamespace(
        model=module,
        data=types.SimpleNamespace(
            backwards=True,
            train_ds=types.SimpleNamespace(x=types.SimpleNamespace(processor=[Tokenize(), Number(words)])),
            vocab=None,
        ),
    )
    export_script.export(live, tmp_path / "live")
    assert (tmp_path / "live" / "tokenizer.json").read_text() == (tmp_path / "tokenizer.json").read_text()


def test_the_script_refuses_what_cannot_be_read(tmp_path):
    learn = learner(tmp_path)
    learn.model[0].n_dir = 2
    with pytest.raises(ValueError, match="only LSTMs in one"):
        export_script.export(learn, tmp_path / "folder")
    learn.model = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="0 AWD_LSTMs"):
        export_script.export(learn, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no export: tokenizer\.json"):
        LanguageModel.from_export(tmp_path)
    export_script.export(learner(tmp_path), tmp_path / "folder")
    facts = (tmp_path / "folder" / "tokenizer.json").read_text()
    (tmp_path / "folder" / "tokenizer.json").write_text(facts.replace('"format": 1', '"format": 9'))
    with pytest.raises(InputError, match="format 9"):
        LanguageModel.from_export(tmp_path / "folder")
    (tmp_path / "folder" / "tokenizer.json").write_text(facts[:30])
    with pytest.raises(InputError, match="cannot be read as an export"):
        LanguageModel.from_export(tmp_path / "folder")
    (tmp_path / "folder" / "tokenizer.json").write_text(facts)
    path = tmp_path / "folder" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError, match="cannot be read as an export"):
        LanguageModel.from_export(tmp_path / "folder")
