"""One file that holds a stopped run: tensors and facts under a checksum, replaced atomically."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from unpadded.common import InputError, atomic_write, in_short


def write_state(path: Path, tensors: dict[str, torch.Tensor], facts: dict) -> None:
    """Write `tensors` as safetensors with the JSON-ready `facts` and a SHA-256 of both in the file's header."""
    whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    text = json.dumps(facts)
    with atomic_write(path) as file:
        file.write(save(whole, metadata={"run": text, "sha256": _digest(whole, text)}))


def read_state(path: Path, *, key: str) -> tuple[dict[str, torch.Tensor], dict] | None:
    """Read what `write_state` wrote with `facts["key"] == key`: (tensors, facts), or None where there is no file.

    Raises `InputError` for a file that is truncated, altered or somebody else's.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
            header = file.metadata()
        facts = json.loads(header["run"])
        whole = header["sha256"] == _digest(tensors, header["run"]) and facts["key"] == key
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        reason = in_short(error)
        raise InputError(
            f"The checkpoint {path} cannot be read ({reason}): delete it to train from the start."
        ) from error
    if not whole:
        raise InputError(f"The checkpoint {path} is altered or another run's: delete it to train from the start.")
    return tensors, facts


def _digest(tensors: dict[str, torch.Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"\x00{name} {value.dtype} {tuple(value.shape)}\x00".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
