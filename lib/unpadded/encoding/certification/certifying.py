"""`certify`: does *this* encoder depend on the batch, how much, does it matter, and which two texts show it?"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from unpadded.common import InputError
from unpadded.encoding.certification import trials
from unpadded.encoding.certification.calls import Caller, OutOfCalls
from unpadded.encoding.certification.certificate import Certificate
from unpadded.encoding.certification.evidence import certificate_of
from unpadded.encoding.certification.example import COINCIDE, DIFFER, Example
from unpadded.encoding.certification.finding import Finding
from unpadded.encoding.certification.history import keyed_by_length
from unpadded.encoding.certification.items import Item, items_of
from unpadded.encoding.certification.lab import Lab
from unpadded.encoding.certification.own import ORDERS, certify_own
from unpadded.encoding.certification.own import configurations as own_configurations
from unpadded.encoding.certification.precision import checked_precision
from unpadded.encoding.certification.shrinking import smallest_example
from unpadded.encoding.certification.verdicts import judged, refined, settled
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.validation import checked_count

MAX_CALLS, SAMPLE = 1500, 32
FEWEST = 8  # calls: two documents alone, together, and again
RESERVE = 200  # calls kept for confirming a finding and making it small, of a quarter of them at most
SOUND = ("bit-identical", "rounding")


def certify(
    encoder,
    texts: Iterable,
    *,
    max_calls: int = MAX_CALLS,
    sample: int = SAMPLE,
    precision: str | None = None,
    seed: int = 0,
    progress: bool | None = None,
    configurations: int | None = None,
    orders: Sequence[str] = ORDERS,
) -> Certificate:
    """Encode documents alone, in batches of every shape, and again, and say what a batch changes and why.

    `encoder`: any callable from a list of texts to rows [n, d] (numpy, torch, lists, sparse), any object with `encode` or
    `transform`, or a `DocumentEncoder`. `texts`: list of str, or 1-D arrays of token ids if that is what the encoder takes.
    `sample`: how many of them are tried, from the shortest to the longest. `max_calls`: calls made at most; those that are
    left are spent on the same call, for up to ten seconds. `precision`: what the encoder computes in ("float32", "tf32",
    "bfloat16", "float16", "float64"), where its vectors do not show it. `progress`: a line on stderr (None: on a terminal).

    A `DocumentEncoder` is tried with all of `texts`: in `configurations` of its own ways of working (None: all of them), in
    `orders` with what it chooses, and by fastai's encoder on each document alone.

    Raises `InputError` for what is no encoder, for no texts, and for an encoder that fails on every text or every batch.
    """
    checked_precision(precision)
    items, kind = items_of(texts)
    if not isinstance(encoder, DocumentEncoder):
        return _certify_any(Caller(encoder, kind, limit=max_calls, progress=progress), items, sample, precision, seed)
    given = [np.array(item, np.int64) if isinstance(item, tuple) else item for item in items]
    found = certify_own(encoder, given, own_configurations(encoder, orders, configurations), seed=seed)
    if found.bit_identical:
        return found
    ids = encoder.lm.numericalize(items) if kind is str else given
    caller = Caller(encoder.encode_tokens, np.ndarray, limit=max_calls, progress=progress)
    other = _certify_any(caller, items_of(list(ids))[0], sample, precision or encoder.precision, seed)
    if other.bit_identical:  # only other configurations than the encoder's own differ
        return found
    named = {name: getattr(other, name) for name in ("verdict", "follows", "reason", "example", "notes")}
    return replace(found, n_calls=found.n_calls + other.n_calls, **named)


def assert_batch_invariant(encode, texts: Iterable, tolerance: float | None = None, **options) -> Certificate:
    """For tests: raise `AssertionError` with the verdict and the smallest example if a batch changes a vector.

    `tolerance`: largest difference allowed; without it, what rounding explains is. `options`: those of `certify`, whose
    `Certificate` is returned. Raises `InputError` as `certify` does.
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    report = certify(encode, texts, **options)
    if report.worse_than("rounding") if tolerance is None else not report.max_abs_diff <= tolerance:
        allowed = "rounding" if tolerance is None else f"{tolerance:g}"
        raise AssertionError(f"vectors differ by more than {allowed}\n{report}")
    return report


def _certify_any(caller: Caller, items: Sequence[Item], sample: int, precision: str | None, seed: int) -> Certificate:
    max_calls = checked_count(caller.limit, "max_calls", least=FEWEST)
    documents = trials.sampled(items, min(checked_count(sample, "sample"), max_calls // 6 + 1))
    if not documents:
        raise InputError("There are no texts: give some, of several lengths.")
    caller.limit = max_calls - min(max_calls // 4, RESERVE)
    lab = Lab(caller, precision)
    documents = _that_can_be_encoded(lab, documents)
    try:
        trials.run(lab, documents, seed=seed)
        trials.ask_for_a_str(lab, documents)
        if settled(lab).verdict in SOUND:
            trials.soak(lab, min(documents, key=len))
    except OutOfCalls:
        caller.notes[f"{caller.limit} calls were not enough for every trial"] = None
    if not any(seen.rows is not None or seen.miscounted for seen in lab.seen if len(seen.batch) > 1):
        raise InputError(f"The encoder takes no batch: it {_problem(lab)}.")
    caller.limit = max_calls
    finding, example = _found(lab, documents)
    return certificate_of(lab, documents, finding, example)


def _that_can_be_encoded(lab: Lab, documents: list[Item]) -> list[Item]:
    found = [item for item in documents if lab.reference(item) is not None]
    if not found:
        raise InputError(
            f"The encoder gives no vector for any text alone: it {_said(str(lab.failures[documents[0]]))}."
        )
    if len(found) < len(documents):
        failure = next(lab.failures[item] for item in documents if lab.alone[item] is None)
        lab.caller.notes[f"it fails on {len(documents) - len(found)} of {len(documents)} texts alone ({failure})"] = (
            None
        )
    return found


def _found(lab: Lab, documents: Sequence[Item]) -> tuple[Finding, Example | None]:
    try:
        finding = judged(lab)
        if finding.verdict in SOUND and len(documents) > 1:
            cached = keyed_by_length(lab, documents[0], documents[-1])
            if cached:
                calls = tuple((item,) for item in cached[1])
                return cached[0], Example(cached[0].verdict, calls, shows=COINCIDE, difference=0.0)
    except OutOfCalls:
        finding = settled(lab)
    example = smallest_example(lab, finding)
    if example and example.shows == DIFFER:
        with suppress(OutOfCalls):
            finding = refined(lab, finding, example.calls[-1], example.rows[-1])
    return finding, example


def _said(problem: str) -> str:
    text = problem.rstrip(".")
    return text if text.startswith("returned") else f"raised {text}"


def _problem(lab: Lab) -> str:
    problem = next((seen.problem for seen in lab.seen if seen.problem), None)
    return _said(problem) if problem else "was not asked for one"
