"""Peak memory of this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_PROCESS = Path("/proc/self")


def watch_memory() -> Callable[[], float | None]:
    """Start to record; the returned function gives the increase of memory to the peak since then, in MiB.

    The increase is of the resident set: the image and the libraries do not count, and reuse of pages that the
    allocator had kept is not seen. The function returns None on systems other than Linux.
    """
    try:
        (_PROCESS / "clear_refs").write_text("5")  # resets the high-water mark
        start = _resident_peak()
    except (OSError, StopIteration):
        return lambda: None
    return lambda: max(0.0, _resident_peak() - start) / 1024


def _resident_peak() -> int:
    """Return the high-water mark of the resident set, in KiB."""
    lines = (_PROCESS / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
