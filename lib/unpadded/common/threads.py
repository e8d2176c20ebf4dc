"""Threads and forks: locks that a fork does not leave locked, and computing in a process that was forked.

OpenMP keeps the threads with which a thread has shared its loops. A fork copies the record of them but not the threads, so in
the new process the thread that forked would wait for them forever. A new thread has no such record.
"""

import os
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
CAN_FORK = hasattr(os, "register_at_fork")
_END = object()
_forked_thread: int | None = None  # the one thread of this process that a fork has copied


_locks: list[threading.RLock] = []
_held_at_fork: list[threading.RLock] = []


def fork_safe_lock() -> threading.RLock:
    """A lock to be held for a short while. A fork waits until all of them are free, so a new process finds them free.

    A thread that holds one may take another, in whatever order.
    """
    lock = threading.RLock()
    _locks.append(lock)
    return lock


def _acquire_all() -> None:
    """Hold every lock. One is waited for only while no other is held: who has it may want another one first."""
    wanted = list(_locks)
    while True:
        wanted[0].acquire()
        held = [wanted[0]]
        for lock in wanted[1:]:
            if not lock.acquire(blocking=False):
                break
            held.append(lock)
        else:
            _held_at_fork[:] = held
            return
        for lock in held:
            lock.release()
        taken = wanted.pop(len(held))
        wanted.insert(0, taken)


def _release_all() -> None:
    held = list(_held_at_fork)
    _held_at_fork.clear()  # before another thread that forks may hold them
    for lock in held:
        lock.release()


MAKING = fork_safe_lock()  # held while something is made that all threads then share
# Held while the header of a .npy file is read: NumPy has Python parse it, and Python 3.11's parser counts all threads' depth
# in one number, so that now and then two of them end in a SystemError (https://github.com/python/cpython/issues/106905).
READING_HEADERS = fork_safe_lock()


def computed(function: Callable[..., T], *arguments) -> T:
    """`function(*arguments)`, in a new thread where this one was copied by a fork."""
    if threading.get_ident() != _forked_thread:
        return function(*arguments)
    with ThreadPoolExecutor(1) as new:
        return new.submit(function, *arguments).result()


def iterated(generator: Generator[T]) -> Iterator[T]:
    """What `generator` yields; it runs in a new thread where this one was copied by a fork."""
    if threading.get_ident() != _forked_thread:
        yield from generator
        return
    with ThreadPoolExecutor(1) as new:
        try:
            while (item := new.submit(next, generator, _END).result()) is not _END:
                yield item
        finally:
            new.submit(generator.close).result()


def _remember_this_thread() -> None:
    global _forked_thread
    _forked_thread = threading.get_ident()


if CAN_FORK:
    os.register_at_fork(before=_acquire_all, after_in_parent=_release_all, after_in_child=_release_all)
    os.register_at_fork(after_in_child=_remember_this_thread)
