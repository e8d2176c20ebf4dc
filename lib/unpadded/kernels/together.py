"""A piece of compiled work that several threads do together: they start at once, and meet on the way."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from unpadded.common import fork_safe_lock
from unpadded.kernels.numba_math import compiled

SPINS = 4_000  # looks before a thread lets others have its core: about ten microseconds
ABANDONED = 1 << 62  # more meetings than there can be: nobody waits any more
MOST_THREADS = 1 << 16  # a pool starts as many as are asked for at once: a part never waits for one of another call

# Says on which core the calling thread runs: glibc's function, for which Python has no name. PyDLL keeps Python's lock, so
# that nobody else goes on in between.
_CORE = getattr(ctypes.PyDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None
_LOCK = fork_safe_lock()
_POOLS: dict[int, ThreadPoolExecutor] = {}  # by process: a fork copies the record of threads and not the threads


def run_together(n_threads: int, function: Callable[[int, np.ndarray], None]) -> None:
    """Call `function(part, counter)` for each part below `n_threads`, each in a thread, all at once; part 0 in this one.

    `counter` is what `meet` takes. Raises what a part raises; the others then wait for it no longer.
    """
    counter = np.zeros(1, np.int64)
    elsewhere = _other_cores() if n_threads > 1 else set()

    def run(part: int) -> None:
        try:
            function(part, counter)
        except BaseException:
            counter[0] = ABANDONED
            raise

    def run_elsewhere(part: int) -> None:
        if elsewhere:
            with suppress(OSError):  # where a sandbox forbids it
                os.sched_setaffinity(0, elsewhere)  # of this thread, which is the pool's own
        run(part)

    others = [_pool().submit(run_elsewhere, part) for part in range(1, n_threads)]
    try:
        run(0)
    finally:
        failed = [error for error in (other.exception() for other in others) if error is not None]
    if failed:
        raise failed[0]


def _other_cores() -> set[int]:
    """Those that this thread may run on, but for its own where there are more; none where the system does not tell.

    Linux wakes a thread on the core of the one that wakes it, if both have been idle; there they would wait for each other.
    """
    if _CORE is None:
        return set()
    cores = os.sched_getaffinity(0)
    return cores - {_CORE()} or cores


def _pool() -> ThreadPoolExecutor:
    with _LOCK:
        if os.getpid() not in _POOLS:
            _POOLS.clear()
            _POOLS[os.getpid()] = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="unpadded")
        return _POOLS[os.getpid()]


@intrinsic
def _add_one(typing_context, counter):
    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw("add", array.data, ir.IntType(64)(1), "seq_cst")

    return types.int64(counter), generate


@intrinsic
def _look(typing_context, counter):
    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.load_atomic(array.data, "seq_cst", 8)

    return types.int64(counter), generate


if hasattr(os, "sched_yield"):
    _sched_yield = types.ExternalFunction("sched_yield", types.int32())

    @compiled
    def _give_way():
        _sched_yield()
else:

    @compiled
    def _give_way():
        pass


@compiled
def meet(counter, meeting, n_threads):
    """Wait, in compiled code, until all `n_threads` threads are at the same `meeting`, 1 for the first, 2 for the next."""
    if n_threads == 1:
        return
    _add_one(counter)
    spins = 0
    while _look(counter) < meeting * n_threads:
        spins += 1
        if spins > SPINS:
            _give_way()
