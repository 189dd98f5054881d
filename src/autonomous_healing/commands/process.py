"""What a process that carries traffic asks of its machine."""

import ctypes
import gc
import resource
import sys

#: mallopt(3): from which size on memory is mapped by itself, and how much may stay unused at the top.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

#: Bytes. Bodies of 100 KB come and go all the time; mapping each of them costs more than carrying it.
_MAPPED_FROM, _KEPT_FREE = 4 * 1_048_576, 32 * 1_048_576

#: Allocations before young objects are looked at: the usual 700 come with every few requests.
_YOUNG = 20_000


def carry_traffic() -> None:
    """Fixed thresholds for memory, as many files as allowed, and a collector that seldom looks."""
    _ask_glibc("mallopt", _M_MMAP_THRESHOLD, _MAPPED_FROM)
    _ask_glibc("mallopt", _M_TRIM_THRESHOLD, _KEPT_FREE)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.set_threshold(_YOUNG, 20, 50)


def settle() -> None:
    """What is there once everything has started stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    _ask_glibc("malloc_trim", 0)  # what was needed for the start alone goes back


def _ask_glibc(name: str, *arguments: int) -> None:
    """Other C libraries go without."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, name):
            getattr(libc, name)(*arguments)
