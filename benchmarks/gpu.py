"""Unpadded on a CUDA device: are its vectors bit-identical in every batch, and how fast is it beside its peers there?

For each precision `certify` tries every configuration (float32 without TF32), and the script ends with status 1 where a bit
differs. Then tokens a second: Unpadded, the loop over single documents, cuDNN's LSTM on packed sequences, and on padded
batches, each on the same documents and the same card. Under eight minutes. `--device cpu` tries the script itself.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from encoding import MODELS, lengths, make_documents, make_model
from unpadded import DocumentEncoder, LanguageModel, certify
from unpadded.encoding import twin_of
from unpadded.studies import sorted_batches

PAD, LOOPED = 1, 32  # the pad id; documents that the loop runs over
LONGEST = 200  # tokens of a document that is certified: in the smallest configuration each is a step of its own


class Peer:
    """The same LSTM run by torch, which is cuDNN on a GPU; mean of the last layer's states."""

    def __init__(self, lm: LanguageModel, device: str):
        self.awd_lstm, self.device = twin_of(lm.awd_lstm).to(device), device

    @torch.no_grad()
    def loop(self, documents: list[torch.Tensor]) -> torch.Tensor:
        """One document at a time."""
        return torch.cat([self.batch([tokens], packed=False) for tokens in documents])

    @torch.no_grad()
    def batches(self, documents: list[torch.Tensor], *, size: int, packed: bool) -> torch.Tensor:
        """Batches sorted by length, [n, width], in the order given."""
        out = torch.empty(len(documents), self.awd_lstm.emb_sz, device=self.device)
        for places in sorted_batches([len(tokens) for tokens in documents], batch_size=size):
            out[torch.from_numpy(np.asarray(places)).to(self.device)] = self.batch(
                [documents[i] for i in places], packed=packed
            )
        return out

    def batch(self, documents: list[torch.Tensor], *, packed: bool) -> torch.Tensor:
        """One batch, longest first."""
        sizes = torch.tensor([len(tokens) for tokens in documents])
        ids = pad_sequence(documents, batch_first=True, padding_value=PAD).to(self.device)
        states = self.awd_lstm.encoder(ids)
        if packed:
            states = pack_padded_sequence(states, sizes, batch_first=True)
        for rnn in self.awd_lstm.rnns:
            states, _ = rnn(states)
        if packed:
            states, _ = pad_packed_sequence(states, batch_first=True)
        sizes = sizes.to(self.device)
        text = torch.arange(states.shape[1], device=self.device) < sizes[:, None]
        return (states * text[:, :, None]).sum(1) / sizes[:, None]


def certified(lm: LanguageModel, documents: list[np.ndarray], device: str, precisions: list[str]) -> pd.DataFrame:
    """One row a precision: the verdict in every configuration, and the largest difference from fastai alone."""
    rows = []
    for precision in precisions:
        encoder = DocumentEncoder(lm, pooling="mean", precision=precision, device=device)
        report = certify(encoder, documents)
        rows.append(
            {
                "precision": precision,
                "verdict": report.verdict,
                "configurations": len(report.trials),
                "largest difference": report.max_abs_diff,
                "from fastai": report.max_abs_diff_fastai,
            }
        )
    return pd.DataFrame(rows)


def speeds(lm: LanguageModel, documents: list[torch.Tensor], options, precisions: list[str]) -> pd.DataFrame:
    """One row a method: thousand tokens a second, the best of `options.repeat` turns, and times the loop."""
    arrays, peer = [tokens.numpy() for tokens in documents], Peer(lm, options.device)
    looped = documents[:: max(len(documents) // LOOPED, 1)]
    runs: dict[str, tuple[Callable, list]] = {"loop": (lambda: peer.loop(looped), looped)}
    for size in options.sizes:
        for name, packed in (("packed", True), ("padded", False)):
            runs[f"{name}, {size}"] = (
                lambda size=size, packed=packed: peer.batches(documents, size=size, packed=packed),
                documents,
            )
    for precision in precisions:
        encoder = DocumentEncoder(lm, pooling="mean", precision=precision, device=options.device)
        runs[f"unpadded {precision}"] = (lambda encoder=encoder: encoder.encode_tokens(arrays), documents)
    rates = {}
    for name, (run, read) in runs.items():
        run()  # the first turn loads kernels
        spent = min(_seconds(run, options.device) for _ in range(options.repeat))
        rates[name] = sum(map(len, read)) / spent
    return pd.DataFrame(
        [
            {"method": name, "1000 tokens/s": round(rate / 1e3, 1), "x loop": round(rate / rates["loop"], 1)}
            for name, rate in rates.items()
        ]
    )


def _seconds(run: Callable, device: str) -> float:
    start = time.perf_counter()
    run()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> int:
    """Read the options and print the tables; the exit status 1 where a bit differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--certified", type=int, default=24, help="documents of the certificate")
    parser.add_argument("--sizes", nargs="+", type=int, default=[32, 128, 512], help="of the peers' batches")
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    on_gpu = options.device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        parser.error("there is no CUDA device here: --device cpu tries the script itself")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    precisions = ["float32", "bfloat16", *(["float16"] if on_gpu else [])]
    print(f"{torch.cuda.get_device_name(options.device) if on_gpu else 'CPU'}, torch {torch.__version__}", flush=True)
    sound = True
    for name in options.models:
        rng = np.random.default_rng(0)
        lm = make_model(MODELS[name], 20_000)
        documents = make_documents(lengths("lognormal", options.documents, rng), 20_000, rng)
        print(f"\nAWD-LSTM {'/'.join(map(str, MODELS[name]))}, {sum(map(len, documents))} tokens", flush=True)
        found = certified(
            lm, [tokens.numpy()[:LONGEST] for tokens in documents[: options.certified]], options.device, precisions
        )
        print(found.to_string(index=False), flush=True)
        print(speeds(lm, documents, options, precisions).to_string(index=False), flush=True)
        sound &= (found["verdict"] == "bit-identical").all()
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
