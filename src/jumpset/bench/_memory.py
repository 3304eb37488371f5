"""The most memory that this process held during a block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_PROCESS = Path("/proc/self")


def watch_memory() -> Callable[[], float | None]:
    """Start to watch; the function returned tells the rise to the peak since then, in MiB.

    The rise of the resident set over what it was: the picture and the libraries do not count, pages that the
    allocator had kept may be used without being seen. None where the system cannot tell (other than Linux).
    """
    try:
        (_PROCESS / "clear_refs").write_text("5")  # sets the high-water mark to what is held now
        start = _resident_peak()
    except (OSError, StopIteration):
        return lambda: None
    return lambda: max(0.0, _resident_peak() - start) / 1024


def _resident_peak() -> int:
    """The high-water mark of the resident set, in KiB."""
    lines = (_PROCESS / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
