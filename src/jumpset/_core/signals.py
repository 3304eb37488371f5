"""Ctrl-C and SIGTERM, held while a file is written or an answer is computed."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_blocks: list[Hold] = []  # the innermost is last
_originals: dict[int, Any] = {}  # the handlers outside all blocks
_pending: list[int] = []


class Hold:
    """A block that holds Ctrl-C and SIGTERM; they are delivered when the outermost block ends.

    Blocks nest, and the innermost decides. In threads other than the main one, in which Python never runs
    signal handlers, a block does nothing.

    Parameters
    ----------
    raises
        Whether signals are delivered at once, for a loop that may be interrupted inside a block that holds.
        Set the attribute to False right after the loop: Python runs signal handlers at calls and jumps, not
        within an assignment, so no signal can come between the two and lose the answer.
    """

    def __init__(self, *, raises: bool = False) -> None:
        self.raises = raises
        self._is_active = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Hold:
        if self._is_active:
            if not _blocks:
                _install()
            _blocks.append(self)
            try:
                _deliver()
            except BaseException:  # no block was entered, which `with` would leave
                self._leave()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_active:
            self._leave()
            _deliver()

    def _leave(self) -> None:
        self.raises = False  # until the block is off the list
        try:
            if _blocks == [self]:
                _restore()
        finally:
            _blocks.remove(self)

    def take(self) -> bool:
        """Deliver the held signals now; return whether one of them interrupts."""
        self.raises = self._is_active
        try:
            if self.raises:
                _deliver()
        except KeyboardInterrupt:
            return True
        finally:
            self.raises = False
        return False


def pending() -> bool:
    """Whether a signal is held."""
    return bool(_pending)


def _install() -> None:
    for number in _NUMBERS:
        handler = signal.getsignal(number)
        # None stands for a handler that is not of Python, which could not be restored
        if handler not in (None, signal.SIG_IGN, _handle):
            _originals[number] = handler
            signal.signal(number, _handle)


def _restore() -> None:
    # A restored handler may raise here. The other signal then keeps `_handle`, which calls the original
    # handler outside all blocks, and which the next block replaces.
    for number, handler in _originals.items():
        if signal.getsignal(number) is _handle:  # unless the block has set another one
            signal.signal(number, handler)


def _handle(number: int, frame: FrameType | None) -> None:
    if _blocks and not _blocks[-1].raises:
        if number not in _pending:  # one Ctrl-C twice is one: the second would interrupt what comes after
            _pending.append(number)
    else:
        _call(number, frame)


def _deliver() -> None:
    """Deliver the held signals, unless the innermost block holds them."""
    while _pending and not (_blocks and not _blocks[-1].raises):
        _call(_pending.pop(0), None)


def _call(number: int, frame: FrameType | None) -> None:
    """Do what happens at a signal outside all blocks."""
    handler = signal.getsignal(number)
    if handler is _handle:
        handler = _originals[number]
    if callable(handler):
        handler(number, frame)
    elif handler is signal.SIG_DFL:  # ends the process
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
