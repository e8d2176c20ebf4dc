"""How a Learner's texts become token ids: by a tokenizer of ours where it is checked to do the same, or else by its own.

fastai's datasets write a blank within a token as a bar (`defaults.text_postproc_rules`), its Learners given a text do not:
what `learn.dls.tokenizer` and `learn.predict` do is followed here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pandas as pd
from fastai.text.core import SentencePieceTokenizer, SpacyTokenizer, Tokenizer
from fastai.text.data import Numericalize

from unpadded.common import fork_safe_lock
from unpadded.tokens import BAR, HARD_TEXTS, MARKERS_OF_BEGIN, RULES, TokenizerSettings, tokenize

N_TEXTS, N_WORDS = 5, 2_000  # of the Learner's own texts and of its vocabulary, that both tokenizers read
LOCK = fork_safe_lock()  # somebody's tokenizer need not be made for several threads


def tokenizer_of(learn, vocab: Sequence[str]) -> TokenizerSettings:
    """How to make the ids that `learn.dls.numericalize(learn.dls.tokenizer(text))` makes.

    One of our tokenizers, where it reads the Learner's own texts and hard ones as the Learner does; or else the Learner's own
    code, in memory; or, where its data says nothing of texts, a custom tokenizer that is not known.
    """
    steps = _steps(learn)
    if not steps:
        return TokenizerSettings("custom")
    own, filler = LearnerTokens(steps), bool((getattr(steps[-1], "o2i", None) or {}).get("xxfake"))
    known = _known(steps[0], vocab) if len(steps) == 2 else None
    known = known and replace(known, filler=filler)
    if known is not None and any(marker in vocab for marker in MARKERS_OF_BEGIN) and _same(own, known, learn, vocab):
        return known
    return TokenizerSettings("custom", own=own, filler=filler)


def text_lists(learn) -> list:
    """fastai's lists of transformed items in a Learner's data: of its texts, and of its targets where it has any."""
    items = getattr(learn.dls, "train_ds", None)
    return [one for one in getattr(items, "tls", None) or [items] if hasattr(one, "tfms")]


class LearnerTokens:
    """A Learner's own way from a text to its tokens, those of the vocabulary: others become its first, xxunk."""

    def __init__(self, steps: Sequence):
        self._steps, self._vocab = list(steps), list(steps[-1].vocab)

    def __call__(self, text: str) -> list[str]:
        return [self._vocab[i] for i in self.ids(text)]

    def ids(self, text: str) -> list[int]:
        """The token ids of a text, as the Learner makes them."""
        with LOCK:
            for step in self._steps:
                text = step(text, split_idx=1)  # as for what is validated: without augmentation
        return [int(i) for i in text]


def _steps(learn) -> list:
    """The transforms from a text to its ids, the last of them a Numericalize; none where the Learner's data has no such."""
    for items in text_lists(learn):
        steps = list(items.tfms.fs)
        places = {
            kind: i
            for i, step in reversed(list(enumerate(steps)))
            for kind in (Tokenizer, Numericalize)
            if isinstance(step, kind)
        }
        if Numericalize not in places:
            continue
        try:
            first = places[Tokenizer] if Tokenizer in places else items.infer_idx("")
        except AssertionError:  # nothing takes a str
            return []
        tok = getattr(steps[first], "tok", None)
        untrained = (
            isinstance(tok, SentencePieceTokenizer) and tok.tok is None
        )  # it would learn from the first text it is given
        return [] if untrained else steps[first : places[Numericalize] + 1]
    return []


def _known(step, vocab: Sequence[str]) -> TokenizerSettings | None:
    """Our tokenizer with the settings of fastai's, as far as its parts say."""
    if type(step) is not Tokenizer or list(step.rules) != list(RULES):
        return None
    if type(step.tok) is SentencePieceTokenizer:
        return TokenizerSettings("subword", subword_model=step.tok.tok.serialized_model_proto())
    language = _language(step.tok)
    if language is None:
        return None
    # Where no token of the vocabulary has a blank in it or a bar, such a token is unknown, however it is written.
    return TokenizerSettings("word", language, bars=not any(BAR in token or " " in token for token in vocab))


def _language(tok) -> str | None:
    """The language of a spaCy tokenizer that nobody has changed: its rules are those of a new one."""
    spacy = getattr(getattr(tok, "pipe", None), "__self__", None)
    if type(tok) is not SpacyTokenizer or spacy is None or spacy.pipe_names:
        return None
    try:
        new = SpacyTokenizer(spacy.lang).pipe.__self__.tokenizer
        same = new.to_bytes(exclude=["vocab"]) == spacy.tokenizer.to_bytes(exclude=["vocab"])
    except (ImportError, AttributeError, NotImplementedError):
        return None
    return spacy.lang if same else None


def _same(own: LearnerTokens, known: TokenizerSettings, learn, vocab: Sequence[str]) -> bool:
    texts = [*HARD_TEXTS, " ".join([*vocab[:N_WORDS], "xxfake"]), *_own_texts(learn)]
    ours = tokenize(texts, known, n_workers=1).with_vocab(vocab, filler=known.filler)
    try:
        return all(own.ids(text) == ours[i].tolist() for i, text in enumerate(texts))
    except Exception:  # somebody's code need not take these texts
        return False


def _own_texts(learn) -> Iterator[str]:
    """The first of the Learner's texts, where they are at hand; of a table, which fastai tokenizes, its tokens."""
    items = getattr(getattr(learn.dls, "train_ds", None), "items", ())
    if isinstance(items, pd.DataFrame):
        items = [cell for _, row in items.head(N_TEXTS).iterrows() for cell in row]
    for item in islice(items, N_TEXTS * 10):
        if isinstance(item, str):
            yield item
        elif isinstance(item, Path) and item.is_file():
            yield item.read_text(encoding="utf-8", errors="replace")
        elif isinstance(item, Sequence) and all(isinstance(token, str) for token in item):
            yield " ".join(item)
