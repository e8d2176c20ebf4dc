"""Locks that a fork waits for."""

import multiprocessing
import subprocess
import sys

import pytest

# A thread holds one lock and, once the fork has begun, takes another. In both orders of their making.
NESTED = """
import os, threading, time
from unpadded.common import fork_safe_lock

one, two = fork_safe_lock(), fork_safe_lock()
for outer, inner in ((one, two), (two, one)):
    holds = threading.Event()

    def nest():
        with outer:
            holds.set()
            time.sleep(0.3)
            with inner:
                time.sleep(0.1)

    thread = threading.Thread(target=nest)
    thread.start()
    holds.wait()
    child = os.fork()
    if not child:
        with one, two:
            os._exit(7)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with one, two:
        print("both are free again")
"""
# Threads that fork at once, while others take the locks.
MANY = """
import os, threading
from unpadded.common import fork_safe_lock

locks = [fork_safe_lock() for _ in range(5)]
end = threading.Event()

def nest(order):
    while not end.is_set():
        with locks[order[0]], locks[order[1]], locks[order[2]]:
            pass

def fork():
    for _ in range(10):
        child = os.fork()
        if not child:
            for lock in locks:
                lock.acquire()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print("forked")

nesting = [threading.Thread(target=nest, args=(order,)) for order in ((0, 1, 2), (1, 2, 4), (0, 3, 4))]
forking = [threading.Thread(target=fork) for _ in range(2)]
for thread in nesting + forking:
    thread.start()
for thread in forking:
    thread.join()
end.set()
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.parametrize(("script", "said"), [(NESTED, "both are free again"), (MANY, "forked")])
def test_a_fork_waits_for_locks_that_threads_take_one_in_the_other(script, said):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [said, said]
