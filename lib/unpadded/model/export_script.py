"""Write the language model in a fastai Learner to a folder without a pickle, where an older fastai is installed.

This file stands alone: it needs torch and Python 3.6, and fastai 1.0 or 2.0 to 2.7 only to read the Learner. Copy it there.

    python export_script.py export.pkl FOLDER [--backward] [--texts FILE]

In a session that has the Learner already, functions of its own script among its parts:

    from export_script import export
    export(learn, "FOLDER")

Reading export.pkl runs the code in it, as fastai's load_learner does: only for files that you trust. FOLDER then holds
weights.safetensors, vocab.json, tokenizer.json (what the Learner's tokenizer is, and what it makes of some texts) and
subword.model where there is one. LanguageModel.from_export("FOLDER") reads it, and runs nothing.

--texts FILE: a text a line, whose token ids go to FOLDER/ids.jsonl, a list a line: for a tokenizer that others do not know.
"""

import argparse
import json
import os
import struct
import sys

import torch

FORMAT = 1
# Texts that show a difference between two tokenizers: rules, capitals, accents, elisions, scripts without spaces, long lines.
TEXTS = [
    "",
    "The quick brown FOX, it's 3.5 <br /> times!!!! a/b #c d... don't won't e-mail me (see p. 12).",
    "l'été où l'on s'est dit « déjà-vu », aujourd'hui; qu'il y a-t-il? Straße, ÄPFEL, naïve, mañana, señor",
    'word word word word aaaaaa xxbos xxmaj xxunk xxpad &amp; <unk> @-@ @.@ #39; quot; nbsp; \\n \\"',
    "这是一个没有空格的句子。日本語のテキスト русский текст",
    " two  blanks\n \n lines\tand\ttabs\r\n end",
    "\n".join(f"line\tof number\t{i}" for i in range(120)),
    "snake_case camelCase $5.00 50% 1,000,000 10:30 2020-01-01 A B c. D.E. -- [1] {2} *3*",
]


def export(learn, folder, backward=None, texts=None):
    """Write the encoder, vocabulary and tokenizer of `learn`, a Learner or what an export of fastai 1 holds, to `folder`.

    backward: whether the model reads documents from their end; None where the Learner says so itself. texts: whose token ids
    are written too. Raises ValueError for a model that is no AWD_LSTM of LSTMs in one direction.
    """
    model = learn["model"] if isinstance(learn, dict) else learn.model
    tensors = tensors_of(model)
    vocab = [str(token) for token in vocabulary_of(learn)]
    n_rows = len(tensors["0.encoder.weight"])
    if len(vocab) != n_rows:
        raise ValueError(f"the vocabulary has {len(vocab)} tokens and the embedding {n_rows} rows")
    facts, pieces = tokenizer_of(learn)
    facts["format"] = FORMAT
    facts["direction"] = "backward" if (is_backward(learn) if backward is None else backward) else "forward"
    number = numericalizer_of(learn)
    known = [] if number is None else [text for text in [*TEXTS, " ".join(vocab[:500])] if _works(number, text)]
    facts["examples"] = [{"text": text, "ids": number(text)} for text in known]
    os.makedirs(str(folder), exist_ok=True)
    write_safetensors(tensors, os.path.join(str(folder), "weights.safetensors"))
    write_json(vocab, os.path.join(str(folder), "vocab.json"))
    if pieces:
        with open(os.path.join(str(folder), "subword.model"), "wb") as file:
            file.write(pieces)
    if texts is not None:
        if number is None:
            raise ValueError("the Learner has no tokenizer that numbers a text")
        with open(os.path.join(str(folder), "ids.jsonl"), "w", encoding="utf-8") as file:
            for text in texts:
                file.write(json.dumps(number(text)) + "\n")
    write_json(facts, os.path.join(str(folder), "tokenizer.json"))  # last: with it the folder is complete


def tensors_of(model):
    """The tensors of the one AWD_LSTM in a model and of its output layer, float32, under fastai's names."""
    encoders = [part for part in model.modules() if any(c.__name__ == "AWD_LSTM" for c in type(part).__mro__)]
    if len(encoders) != 1:
        raise ValueError(f"the model has {len(encoders)} AWD_LSTMs in it, not one")
    encoder = encoders[0]
    if getattr(encoder, "qrnn", False) or getattr(encoder, "n_dir", 1) != 1:
        raise ValueError("the AWD_LSTM is of QRNNs or reads both directions: only LSTMs in one can be read exactly")
    tensors = {"0." + name: tensor for name, tensor in encoder.state_dict().items()}
    for name in [name for name in tensors if name.endswith("_raw")]:  # beside it lie masked weights
        tensors.pop(name.replace(".weight_hh_l0_raw", ".module.weight_hh_l0"), None)
    decoders = [part for part in model.modules() if type(part).__name__ == "LinearDecoder"]
    if len(decoders) == 1:
        tensors.update({"1." + name: tensor for name, tensor in decoders[0].state_dict().items()})
    return {name: tensor.detach().cpu().float().contiguous() for name, tensor in tensors.items()}


def vocabulary_of(learn):
    """The tokens in the order of the embedding's rows."""
    if hasattr(learn, "dls"):  # fastai 2: of a classifier it is [tokens, classes]
        vocab = learn.dls.vocab
        return vocab if not len(vocab) or isinstance(vocab[0], str) else vocab[0]
    found = [step.vocab for step in processors_of(learn) if getattr(step, "vocab", None) is not None]
    return found[-1].itos if found else learn.data.vocab.itos


def processors_of(learn):
    """The steps from a text to ids of fastai 1."""
    found = learn["data"]["x_proc"] if isinstance(learn, dict) else learn.data.train_ds.x.processor
    return list(found) if isinstance(found, (list, tuple)) else [found]


def numericalizer_of(learn):
    """A function from a text to its token ids, as the Learner makes them; None where it does not tell."""
    if not hasattr(learn, "dls"):
        steps = [step for step in processors_of(learn) if step is not None]

        def through(text):
            for step in steps:
                text = step.process_one(text)
            return [int(i) for i in text]

        return through
    tokenizer, numericalize = (getattr(learn.dls, name, None) for name in ("tokenizer", "numericalize"))
    if tokenizer is None or numericalize is None:
        return None
    return lambda text: [int(i) for i in numericalize(tokenizer(text))]


def tokenizer_of(learn):
    """Facts about the tokenizer, ready for JSON, and the bytes of a SentencePiece model (or None)."""
    if hasattr(learn, "dls"):
        tokenizer = getattr(learn.dls, "tokenizer", None)
        tok = getattr(tokenizer, "tok", None)
        rules, version = getattr(tokenizer, "rules", None) or [], 2
        language = getattr(getattr(getattr(tok, "pipe", None), "__self__", None), "lang", None)
        name = type(tok).__name__
    else:
        tok = next((step for step in processors_of(learn) if hasattr(step, "sp_model")), None)
        tokenizer = next((step.tokenizer for step in processors_of(learn) if hasattr(step, "tokenizer")), None)
        rules = list(getattr(tokenizer or tok, "pre_rules", None) or [])
        rules, version = rules + list(getattr(tokenizer or tok, "post_rules", None) or []), 1
        language = getattr(tokenizer, "lang", None)
        name = (
            type(tok).__name__ if tok is not None else getattr(getattr(tokenizer, "tok_func", None), "__name__", "None")
        )
    pieces = pieces_of(tok)
    kind = "subword" if pieces else "word" if language else "custom"
    names = [getattr(rule, "__name__", str(rule)) for rule in rules]
    return {"fastai": version, "kind": kind, "class": name, "language": language, "rules": names}, pieces


def pieces_of(tok):
    """The SentencePiece model in fastai's tokenizer, or in the file that it names."""
    processor = getattr(tok, "tok", None)
    if hasattr(processor, "serialized_model_proto"):
        return processor.serialized_model_proto()
    path = getattr(tok, "sp_model", None)
    if path is None or not os.path.isfile(str(path)):
        return None
    with open(str(path), "rb") as file:
        return file.read()


def is_backward(learn):
    """Whether the Learner's data turn documents round."""
    if isinstance(learn, dict):
        return False  # an export of fastai 1 does not say
    if not hasattr(learn, "dls"):
        return bool(
            getattr(learn.data, "backwards", False) or getattr(learn.data.train_dl.dl.dataset, "backwards", False)
        )
    steps = [step for items in getattr(learn.dls.train_ds, "tls", []) for step in items.tfms.fs]
    return "reverse_text" in [getattr(step, "name", getattr(step, "__name__", "")) for step in steps]


def write_safetensors(tensors, path):
    """The safetensors format: the length of a JSON header, the header, the numbers."""
    header, at = {}, 0
    for name in sorted(tensors):
        size = 4 * tensors[name].numel()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(tensors[name].numpy().astype("<f4").tobytes())


def write_json(value, path):
    """A value as JSON in UTF-8."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=True)


def read(path):
    """What an exported Learner's file holds; runs the code in it."""
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except TypeError:  # an older torch has no such option
        return torch.load(path, map_location="cpu")


def _works(number, text):
    try:
        number(text)
    except Exception:  # somebody's tokenizer need not take every text
        return False
    return True


def main():
    """Read an exported Learner and write its folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("export", help="what Learner.export wrote; reading it runs the code in it")
    parser.add_argument("folder", help="where to write")
    parser.add_argument(
        "--backward", action="store_true", help="the model reads documents from their end (fastai 1 exports)"
    )
    parser.add_argument("--texts", help="a file with a text a line, whose token ids are written to ids.jsonl")
    options = parser.parse_args()
    texts = None
    if options.texts:
        with open(options.texts, encoding="utf-8") as file:
            texts = file.read().split("\n")
        texts = texts[:-1] if texts and not texts[-1] else texts
    try:
        export(read(options.export), options.folder, backward=options.backward or None, texts=texts)
    except ValueError as error:
        sys.exit(f"{options.export}: {error}")


if __name__ == "__main__":
    main()
