"""What a server gives back. In processes of their own, because arenas are chosen once."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
HELD = """
import numpy as np, psutil
from genmodels import memory

def resident():
    return psutil.Process().memory_info().rss / 1e6

blocks = [np.ones(8000) for _ in range(4000)]  # 64 kB each: below the size for which glibc asks the kernel each time
last = np.ones(8000)
full = resident()
del blocks  # `last` lies above them, so glibc keeps what was freed
kept = resident()
memory.give_back()
print(full - kept, full - resident())
"""
THREADS = """
import ctypes, re, threading
from genmodels import memory

memory.settle()
go = threading.Barrier(12)

def work():
    go.wait()
    held = [bytearray(2000) for _ in range(200)]
    go.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
[t.start() for t in threads]
[t.join() for t in threads]
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
"""
AGAIN = """
import resource
import numpy as np
from genmodels import memory

def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def compute():
    for _ in range(20):
        np.ones(2**20)  # 8 MB

memory.settle()
compute()
before = pages()
compute()
print(pages() - before)
"""


def said(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**environment}
    )
    return result.stdout


def test_what_was_freed_goes_back_to_the_machine() -> None:
    before, after = map(float, said(HELD).split())
    assert before < 60
    assert after > 200


@pytest.mark.parametrize(("environment", "most"), [({}, 1), ({"MALLOC_ARENA_MAX": "5"}, 5)])
def test_all_threads_share_an_arena(environment: dict[str, str], most: int) -> None:
    assert said(THREADS, **environment).count("<heap nr=") == most


@pytest.mark.parametrize(("environment", "again"), [({}, False), ({"MALLOC_MMAP_THRESHOLD_": "65536"}, True)])
def test_what_a_layer_freed_is_there_for_the_next(environment: dict[str, str], again: bool) -> None:
    assert (int(said(AGAIN, **environment)) > 10_000) == again
