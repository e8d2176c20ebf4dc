"""Training speed and quality per minute: fastai's `fit`, plain and under autocast, against ours, all in one process.

Prints tokens/s with the share of the matrix-product limit. With `--data DIR`, a folder with train.txt, valid.txt and
test.txt of words between spaces (WikiText-2's form), and `--minutes`: with `--compare` the validation loss of both methods
after the same wall time; without, our models alone, validation perplexity against minutes as CSV and as a picture, beside
the figures of the AWD-LSTM paper. A model's curve is stored as soon as it is there; those of other models in the folder stay.
With `--layers`, single LSTM layers, forward and backward in bfloat16, through torch's kernel and through ours for wide ones.
"""

import argparse
import time
import warnings
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.data.core import DataLoaders
from fastai.text.data import LMDataLoader, TensorText
from fastai.text.learner import language_model_learner
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config

from long_training import LAST_RATE, PAPER_DROPOUTS, Averaged, GrowingDropout
from records import GOALS, PERPLEXITIES, TRAINING, keep
from unpadded import TrainingSettings, train
from unpadded.common import write_table
from unpadded.report import perplexity_curves, save_figure
from unpadded.studies import SIDE, product_rate
from unpadded.tokens import TokenizedCorpus
from unpadded.training import cross_entropy, fitting, perplexity
from unpadded.training.cpu_bfloat16.dropout import Drop
from unpadded.training.cpu_bfloat16.lstm import LayerMemory, read_window

# fastai's own sizes, with the multiplier of its dropouts that its users give; and the project's recipe.
FULL = TrainingSettings(emb_sz=400, n_hid=1152, n_layers=3, max_vocab=20_000, min_count=1)
DEFAULT = replace(TrainingSettings(), min_count=1)
TWO_LAYERS = replace(DEFAULT, n_hid=800, n_layers=2, batch_size=64)  # what an hour has room for
MODELS = {"full": FULL, "default": DEFAULT, "two layers": TWO_LAYERS}
LAYERS = ((400, 400), (1152, 400), (800, 800), (400, 1152), (1152, 1152))  # units in and out
# Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", ICLR 2018, arXiv 1708.02182, table 2.
PAPER = {"WikiText-2": {"valid": 68.6, "test": 65.8}}
WARM_UP = 2  # steps that are not timed


class Pace(Callback):
    """Time `steps` steps of a Learner after a few to warm up, then end the fit; `.rate` is in tokens/s."""

    order, run_valid = 90, False

    def __init__(self, steps: int, clock):
        self.steps, self.clock, self.done, self.tokens, self.rate = steps, clock, 0, 0, 0.0

    def after_batch(self):
        self.done += 1
        if self.done == WARM_UP:
            self.began = self.clock()
        elif self.done > WARM_UP:
            self.tokens += self.xb[0].numel()
        if self.done == WARM_UP + self.steps:
            self.rate = self.tokens / (self.clock() - self.began)
            raise CancelFitException()


class Autocast(Callback):
    """The stronger peer: fastai's `fit` under torch's bfloat16."""

    def before_batch(self):
        self.low = torch.autocast("cpu", torch.bfloat16)
        self.low.__enter__()

    def after_loss(self):
        self.low.__exit__(None, None, None)


class Limit(Callback):
    """End the fit after so many minutes."""

    order, run_valid = 91, False

    def __init__(self, minutes: float):
        self.minutes = minutes

    def before_fit(self):
        self.began = time.monotonic()

    def after_batch(self):
        if time.monotonic() - self.began >= 60 * self.minutes:
            raise CancelFitException()


class Curve(Callback):
    """Perplexity of two texts every `every` minutes of training; the minutes do not count the measuring."""

    order, run_valid = 92, False

    def __init__(self, module_of, texts: dict[str, TokenizedCorpus], *, every: float, measured=nullcontext):
        self.module_of, self.texts, self.every, self.rows = module_of, texts, every, []
        self.measured = measured  # a context in which the model has the weights to measure

    def after_batch(self):
        minutes = self.training_log.minutes
        if minutes >= self.every * (len(self.rows) + 1):
            before = time.monotonic()
            with self.measured():
                found = perplexities(self.module_of(self.model), self.texts)
            self.training_log.started += time.monotonic() - before  # no part of the training's budget
            self.rows.append({"minutes": minutes, "tokens": self.training_log.tokens, **found})
            said = ", ".join(f"{value:.1f}" for value in found.values())
            print(f"  {minutes:6.1f} min, {self.training_log.tokens:12,} tokens: {said}", flush=True)


def perplexities(module, texts: dict[str, TokenizedCorpus]) -> dict[str, float]:
    """Those of the validation and the test text, by the names of their columns."""
    return {f"{name}_perplexity": perplexity(module, tokens) for name, tokens in texts.items()}


def zipf_corpus(n_types: int, n_tokens: int, seed: int = 0) -> TokenizedCorpus:
    """Documents of 200 tokens with Zipf's frequencies, in which every type occurs; enough to measure speed on."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, n_types + 1)
    ids = np.concatenate([np.arange(n_types), rng.choice(n_types, max(n_tokens - n_types, 0), p=share / share.sum())])
    ids = rng.permutation(ids).astype(np.int32)
    return TokenizedCorpus(ids, np.append(np.arange(0, len(ids), 200), len(ids)), [f"t{i}" for i in range(n_types)])


def word_corpora(folder: Path) -> dict[str, TokenizedCorpus]:
    """train, valid and test of a folder, an article a document, a line's end the token <eos>; one list of types."""
    index, corpora = {}, {}
    for name in ("train", "valid", "test"):
        ids, offsets = [], [0]
        for line in (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] == ["="] and words[:2] != ["=", "="] and len(ids) > offsets[-1]:  # an article's title
                offsets.append(len(ids))
            ids += [index.setdefault(word, len(index)) for word in [*words, "<eos>"]]
        corpora[name] = (np.array(ids, np.int32), np.array([*offsets, len(ids)]))
    return {name: TokenizedCorpus(*arrays, list(index)) for name, arrays in corpora.items()}


def fastai_learner(corpus: TokenizedCorpus, vocab: list[str], settings: TrainingSettings):
    """What a user of fastai writes: LMDataLoader, language_model_learner; float32."""
    items = [TensorText(torch.from_numpy(corpus[i].astype(np.int64))) for i in range(len(corpus))]
    options = {"bs": settings.batch_size, "seq_len": settings.window, "lens": list(corpus.lengths)}
    loaders = DataLoaders(
        LMDataLoader(items, shuffle=True, **options), LMDataLoader(items[:9], bs=2, lens=list(corpus.lengths[:9]))
    )
    loaders.vocab = vocab
    sizes = {"emb_sz": settings.emb_sz, "n_hid": settings.n_hid, "n_layers": settings.n_layers}
    config = {**awd_lstm_lm_config, **sizes}
    return language_model_learner(loaders, AWD_LSTM, config=config, drop_mult=settings.dropout, pretrained=False)


def operations(settings: TrainingSettings, n_outputs: int) -> float:
    """Floating-point operations of a token, forward and backward: 6 for each weight of the products it passes through."""
    widths = [settings.emb_sz, *[settings.n_hid] * (settings.n_layers - 1), settings.emb_sz]
    lstm = sum(4 * out * (inner + out) for inner, out in pairwise(widths))
    return 6.0 * (lstm + settings.emb_sz * n_outputs)


def speeds(name: str, settings: TrainingSettings, options) -> list[dict]:
    """Tokens/s of both methods, the best of `options.repeat` turns, in which one runs after the other."""
    clock = CLOCKS[options.clock]
    corpus = zipf_corpus(settings.max_vocab - 9, settings.batch_size * settings.window * (options.steps + 9) + 50_000)
    vocab = corpus.build_vocab(max_size=settings.max_vocab, min_count=1)
    fits = {"fastai fit": [], "fastai fit, autocast": [Autocast()]}
    turns, precision = {method: [] for method in (*fits, "unpadded")}, "float32"
    for _ in range(options.repeat):
        for fit, callbacks in fits.items():
            learn, pace = fastai_learner(corpus.with_vocab(vocab), vocab, settings), Pace(options.steps, clock)
            with learn.no_bar(), learn.no_logging():
                learn.fit(1, cbs=[pace, *callbacks])
            turns[fit].append(pace.rate)
        pace = Pace(options.steps, clock)
        lm = train(corpus, settings, progress=False, callbacks=(pace,))
        turns["unpadded"].append(pace.rate)
        precision = lm.card["precision"]
    rates = {method: max(found) for method, found in turns.items()}
    of_turns = {method: np.sort(np.divide(found, turns["fastai fit"])) for method, found in turns.items()}
    limits = {
        kind: 2 * product_rate(clock, dtype=getattr(torch, kind), side=options.side)
        for kind in ("float32", "bfloat16", precision)
    }
    done = {
        "fastai fit": (len(vocab), "float32"),
        "fastai fit, autocast": (len(vocab), "bfloat16"),
        "unpadded": (settings.negatives or len(vocab), precision),
    }
    return [
        {
            "model": f"{name} {settings.emb_sz}/{settings.n_hid}/{settings.n_layers}, {len(vocab)} words",
            "method": method,
            "precision": done[method][1],
            "tokens/s": round(rate),
            "times fastai": round(rate / rates["fastai fit"], 2),
            "of its turns": "{:.2f} {:.2f} {:.2f}".format(*np.quantile(of_turns[method], [0, 0.5, 1])),
            "share of limit": round(rate * operations(settings, done[method][0]) / limits[done[method][1]], 3),
        }
        for method, rate in rates.items()
    ]


def layer_times(n_in: int, width: int, options) -> dict:
    """Milliseconds of a layer's forward and backward pass, batch and window of the full model, the median of turns."""
    clock, lstm, memory = CLOCKS[options.clock], torch.nn.LSTM(n_in, width, batch_first=True), LayerMemory()
    x = torch.randn(FULL.batch_size, FULL.window, n_in, requires_grad=True)
    state = torch.zeros(1, FULL.batch_size, width), torch.zeros(1, FULL.batch_size, width)

    def torchs() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return lstm(x, state)[0]

    def ours() -> torch.Tensor:
        return read_window(lstm, lstm.weight_hh_l0, x, state, Drop(0.2, 0), memory)[0]

    times: dict[str, list[float]] = {"torch": [], "stepped_lstm": []}
    for _ in range(options.steps):
        for name, run in zip(times, (torchs, ours), strict=True):
            x.grad = None
            lstm.zero_grad()
            began = clock()
            run().float().square().mean().backward()
            times[name].append(1_000 * (clock() - began))
    return {"in": n_in, "units": width} | {name: round(median(found[WARM_UP:])) for name, found in times.items()}


def qualities(name: str, settings: TrainingSettings, corpora: dict[str, TokenizedCorpus], options) -> list[dict]:
    """Validation loss of both methods after the same minutes of training."""
    vocab = corpora["train"].build_vocab(max_size=settings.max_vocab, min_count=settings.min_count)
    valid, rows = corpora["valid"].with_vocab(vocab), []
    learn = fastai_learner(corpora["train"].with_vocab(vocab), vocab, settings)
    with learn.no_bar(), learn.no_logging():
        learn.fit(10_000, lr=options.rate, cbs=Limit(options.minutes))
    rows.append({"model": name, "method": "fastai fit", "valid loss": cross_entropy(learn.model, valid)})
    timed = replace(settings, max_minutes=options.minutes, epochs=10_000)
    lm = train(corpora["train"], timed, valid=corpora["valid"], progress=False)
    rows.append(
        {
            "model": name,
            "method": "unpadded",
            "valid loss": cross_entropy(lm.module, corpora["valid"].with_vocab(lm.vocab)),
        }
    )
    return [{**row, "minutes": options.minutes, "valid loss": round(row["valid loss"], 3)} for row in rows]


def curve(name: str, corpora: dict[str, TokenizedCorpus], options) -> pd.DataFrame:
    """Train a model of ours for `options.minutes`; validation and test perplexity against minutes."""
    settings = replace(MODELS[name], max_vocab=60_000, max_minutes=options.minutes, epochs=10_000)
    vocab = corpora["train"].build_vocab(max_size=60_000, min_count=1)
    texts = {part: corpora[part].with_vocab(vocab) for part in ("valid", "test")}
    growing = [GrowingDropout(last_dropouts(options.dropout[1]))] if len(options.dropout) > 1 else []
    averaged = [Averaged(options.average, options.last_rate)] if options.average else []
    measured = averaged[0].applied if averaged else nullcontext
    points = Curve(_network, texts, every=options.every, measured=measured)
    print(f"{name}: {len(vocab)} words", flush=True)
    lm = train(
        corpora["train"],
        settings,
        valid=corpora["valid"],  # nothing is held out, so the vocabulary is the whole training text's
        progress=False,
        callbacks=(*growing, *averaged, points),
        checkpoints=options.output / "checkpoints",
    )
    texts = {part: tokens.with_vocab(lm.vocab) for part, tokens in corpora.items() if part in texts}
    found = perplexities(lm.module, texts)
    rows = [*points.rows, {"minutes": lm.card["minutes"], "tokens": lm.card["tokens_seen"], **found}]
    print(f"{name}: {found} after {lm.card['minutes']:.1f} minutes", flush=True)
    return pd.DataFrame(rows)


def differences(options) -> list[str]:
    """What a curve's name says of how its model was trained."""
    said = ["dropout " + " to ".join(options.dropout)] if options.dropout else []
    if options.average:
        said.append("averaged" if options.last_rate == LAST_RATE else f"averaged, rate to {options.last_rate:g}")
    return [*said, f"warmup {options.warmup:g}"] if options.warmup else said


def last_dropouts(end: str) -> dict[str, float]:
    """The probabilities that dropouts grow to, by fastai's names: a number times fastai's, or the AWD-LSTM paper's."""
    if end == "paper":
        return PAPER_DROPOUTS
    return {name: float(end) * p for name, p in awd_lstm_lm_config.items() if name.endswith("_p")}


def minutes_to(found: pd.DataFrame) -> pd.DataFrame:
    """One row: when the test perplexity of a curve was first at most each of GOALS, and the least that it came to."""
    best = found.loc[found.test_perplexity.idxmin()]
    reached = {str(goal): found.minutes[found.test_perplexity <= goal].min() for goal in GOALS}
    row = reached | {"best": best.test_perplexity, "minutes": best.minutes}
    return pd.DataFrame([row]).round(1).astype(object).fillna("not reached")


def store_curve(folder: Path, found: pd.DataFrame) -> None:
    """Put a model's curve in the place of its former one in the folder's table, and draw all curves anew."""
    table = folder / "perplexity.csv"
    frames = [found]
    if table.exists():
        kept = pd.read_csv(table)
        frames.insert(0, kept[~kept.model.isin(found.model)])
    frame = pd.concat(frames, ignore_index=True)
    write_table(table, frame)
    save_figure(perplexity_curves(frame, PAPER["WikiText-2"]), folder / "perplexity.png")


def _network(model):
    """The language model within what fastai trains."""
    return model.module


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["full", "default"])
    parser.add_argument("--steps", type=int, default=12, help="timed steps of each turn")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--minutes", type=float, default=0.0, help="of training, for quality per minute")
    parser.add_argument("--rate", type=float, default=5e-3, help="learning rate of plain fastai fit")
    parser.add_argument("--data", type=Path, help="folder with train.txt, valid.txt and test.txt")
    parser.add_argument("--every", type=float, default=2.0, help="minutes between two points of a curve")
    parser.add_argument("--output", type=Path, default=Path("outputs/wikitext2"), help="folder of CSV and picture")
    parser.add_argument("--vocabulary", type=int, help="words of the models, where it is not theirs")
    parser.add_argument(
        "--dropout",
        nargs="+",
        default=[],
        help="times fastai's, where it is not theirs; second: at the end, or `paper`: those of the AWD-LSTM paper",
    )
    parser.add_argument("--average", type=float, default=0.0, help="part of the steps whose weights are averaged")
    parser.add_argument("--last-rate", type=float, default=LAST_RATE, help="with --average: of the peak, at the end")
    parser.add_argument("--warmup", type=float, help="share of the training until the peak, where it is not theirs")
    parser.add_argument("--wide", type=int, default=fitting.WIDE, help="weights from which a layer is not torch's")
    parser.add_argument("--compare", action="store_true", help="with --data: both methods after --minutes, no curves")
    parser.add_argument("--side", type=int, default=SIDE, help="of the square matrices whose product is the limit")
    parser.add_argument("--layers", action="store_true", help="milliseconds of single layers, no models")
    parser.add_argument("--records", type=Path, help="a file of records (Markdown) to put the rows into")
    options = parser.parse_args()
    if options.dropout:
        try:
            float(options.dropout[0])
            last_dropouts(options.dropout[-1])
        except ValueError as error:
            parser.error(f"--dropout takes a number for the start, and a number or `paper` for the end ({error})")
    if len(options.dropout) > 2:
        parser.error("--dropout takes one number or two: at the start and at the end")
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")  # fastai's own
    fitting.WIDE = options.wide
    given = {"max_vocab": options.vocabulary, "warmup": options.warmup}
    settings = {name: value for name, value in given.items() if value}
    if options.dropout:
        settings["dropout"] = float(options.dropout[0])
    MODELS.update({name: replace(model, **settings) for name, model in MODELS.items()})
    if options.layers:
        print(pd.DataFrame([layer_times(*sizes, options) for sizes in LAYERS]).to_string(index=False))
        return
    if options.data is None:
        print(f"\n{options.threads} threads, {options.clock} time")
        for name in options.models:
            table = pd.DataFrame(speeds(name, MODELS[name], options))
            print(table.to_string(index=False), flush=True)
            if options.records:
                keep(options.records, table, TRAINING, model=table.model[0], threads=options.threads)
        return
    corpora = word_corpora(options.data)
    if options.compare:
        rows = [row for name in options.models for row in qualities(name, MODELS[name], corpora, options)]
        print(pd.DataFrame(rows).to_string(index=False))
        return
    for name in options.models:
        called = ", ".join([name, *differences(options)])
        found = curve(name, corpora, options).assign(model=called)
        store_curve(options.output, found)
        if options.records:
            keep(options.records, minutes_to(found), PERPLEXITIES, model=called, threads=options.threads)


if __name__ == "__main__":
    main()
