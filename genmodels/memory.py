"""Memory of a server that runs for days: what was computed with goes back to the machine.

glibc gives each thread an arena of its own and keeps what was freed in them, so a server of many threads holds a third more
than it uses, and more with every thread that computes for the first time. Large arrays, on the other hand, it gives back one by
one, and whoever computes asks for the same pages again at every layer. Elsewhere than on glibc these do nothing.
"""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of malloc.h
KEPT = 64 * 2**20  # bytes that are kept to be used again, until `give_back`


def settle() -> None:
    """How a server's processes, which compute one turn after the other, hold memory from now on. What a user says in MALLOC_… wins.

    All threads share one arena: a second one holds 15 MB more in each process. What a layer frees is kept for the next one:
    diffusion asked for 3,000 to 6,000 pages a step, which were 2 to 9 % of its time.
    """
    if libc := _glibc():
        for option, name, value in (
            (_ARENA_MAX, "MALLOC_ARENA_MAX", 1),
            (_MMAP_THRESHOLD, "MALLOC_MMAP_THRESHOLD_", KEPT),
            (_TRIM_THRESHOLD, "MALLOC_TRIM_THRESHOLD_", KEPT),
        ):
            if name not in os.environ:
                libc.mallopt(option, value)


def give_back() -> None:
    """Give the machine what is free: milliseconds, for the end of long work."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None
