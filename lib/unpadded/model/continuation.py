"""What a language model would write: a prompt continued by drawing one token after the other."""

from typing import TYPE_CHECKING

import torch
from fastai.text.core import BOS, EOS, FLD, PAD, TK_MAJ, TK_REP, TK_UP, TK_WREP, UNK

from unpadded.common import InputError
from unpadded.model.fastai_modules import borrowed
from unpadded.tokens import BAR

if TYPE_CHECKING:
    from unpadded.model.language_model import LanguageModel

NEVER = (UNK, PAD, FLD, "xxfake")  # not text
ENDS = (BOS, EOS)  # the model begins another document, or ends this one
MOST_REPEATED = 20
RULES = {
    TK_MAJ: lambda word, _: word.capitalize(),
    TK_UP: lambda word, _: word.upper(),
    TK_REP: lambda word, times: word * max(times, 1),
    TK_WREP: lambda word, times: " ".join([word] * max(times, 1)),
}


def continue_text(
    lm: "LanguageModel", prompt: str, *, n_tokens: int = 40, temperature: float = 0.8, seed: int = 0
) -> str:
    """`prompt` and up to `n_tokens` tokens drawn from what `lm` predicts, as readable text.

    A `temperature` below 1 keeps to what is likely. The text ends where the model begins another document. A backward model
    reads the prompt from its end and writes what stands before it. The module's state is left as it was. Raises
    `InputError` for a temperature that is not positive.
    """
    if not temperature > 0:
        raise InputError(f"The temperature is {temperature!r}: give a positive number.")
    known = lm.numericalize([prompt])[0].tolist()
    backward = lm.direction == "backward"
    if backward:  # the document's first token, xxbos, is left out: a backward model reads it last
        known = known[:0:-1] or known
    drawn = lm.decode(_draw(lm, known, n_tokens, temperature, torch.Generator().manual_seed(seed)))
    text = _readable(drawn[::-1] if backward else drawn, pieces=lm.tokenizer.kind == "subword")
    return f"{text.rstrip()} {prompt}".lstrip() if backward else f"{prompt}{text}".rstrip()


@torch.no_grad()
def _draw(
    lm: "LanguageModel", ids: list[int], n_tokens: int, temperature: float, generator: torch.Generator
) -> list[int]:
    names = [token.removeprefix(BAR) for token in lm.vocab]
    banned = [i for i, name in enumerate(names) if name in NEVER]
    drawn: list[int] = []
    with borrowed(lm.module) as awd_lstm:
        device = awd_lstm.encoder.weight.device
        for _ in range(n_tokens):
            logits = lm.module(torch.tensor([ids], device=device))[0][0, -1].float().cpu()  # [vocabulary]
            logits[banned] = -torch.inf
            token = int(torch.multinomial((logits / temperature).softmax(0), 1, generator=generator))
            if names[token] in ENDS:
                break
            drawn.append(token)
            ids = [token]
    return drawn


def _readable(tokens: list[str], *, pieces: bool) -> str:
    """Tokens as text that begins with a space, unless it goes on with a word; fastai's markers become what they stand for."""
    if pieces:
        marked = (f" {t[1:]} " if t.removeprefix(BAR) in RULES else t.replace(BAR, " ") for t in tokens)
        joined = "".join(marked)
        space, tokens = joined[:1].isspace(), joined.split()
    else:
        space = True
    words, rule, times = [], "", 0
    for token in tokens:
        if token in RULES:
            rule, times = token, 0
        elif rule in (TK_REP, TK_WREP) and not times and token.isdecimal():
            times = min(int(token), MOST_REPEATED)
        else:
            words.append(RULES[rule](token, times) if rule else token)
            rule = ""
    return " " * space + " ".join(words)
