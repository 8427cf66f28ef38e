"""Ctrl-C stays Ctrl-C, whatever a library makes of the exception it raises; a request to terminate is treated alike.

Python turns the signal into a `KeyboardInterrupt` wherever the main thread is. Some libraries wrap that into an error of
their own (torch, while it writes a file) or print and drop it (callbacks, finalisers). The command line therefore
remembers that it was interrupted; in a notebook, where nothing listens, the chain of exceptions tells.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from etudes.errors import chain

_received = 0
_signal = int(signal.SIGINT)
_held = 0
_concluded = False


def exit_until_listening() -> None:
    """Let Ctrl-C end the process at once, in silence, while a command is only being loaded."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: sys.exit(exit_status()))


def exit_status() -> int:
    """What shells report of a command that the signal ended: 130 for Ctrl-C."""
    return 128 + _signal


def listen() -> None:
    """Remember every interrupt from now on; a command calls this when it begins."""
    forget()
    if threading.current_thread() is not threading.main_thread():  # only there Python lets handlers be set
        return
    for each in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(each) is not signal.SIG_IGN:  # a shell's background jobs ignore Ctrl-C
            signal.signal(each, _receive)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _drop_quietly


def request() -> None:
    """Interrupt from another thread: the next `check` raises."""
    global _received  # noqa: PLW0603
    _received += 1


def forget() -> None:
    """What was requested was of earlier work in this process."""
    global _received, _concluded
    _received, _concluded = 0, False


def conclude() -> None:
    """The work is done: an interrupt from now on changes nothing any more."""
    global _concluded  # noqa: PLW0603  a process has one signal handler
    if signal.getsignal(signal.SIGINT) is _receive:
        _concluded = True
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # our handler would be taken away before the process ends


def check() -> None:
    """Raise the interrupt that a library dropped; called between nodes, at checkpoints and live metrics.

    Raises:
        KeyboardInterrupt: one has been received.
    """
    if _received and not _concluded:
        raise KeyboardInterrupt


def is_interrupt(error: BaseException | None) -> bool:
    """Whether an error is, wraps or followed an interrupt."""
    return bool(_received and not _concluded) or any(
        isinstance(each, KeyboardInterrupt) for each in chain(error)
    )


@contextmanager
def held() -> Iterator[None]:
    """Let an interrupt wait for the end of the block, which must be short; a second one does not wait.

    For steps that belong together: a run is opened and known to be open, a version is made and gets its alias.
    """
    global _held  # noqa: PLW0603
    before = _received
    _held += 1
    try:
        yield
    finally:
        _held -= 1
    if not _held and _received > before:
        check()


def _drop_quietly(dropped: sys.UnraisableHookArgs) -> None:
    """Python's own hook prints a traceback of an interrupt that hit a finaliser; here it is remembered."""
    if not isinstance(dropped.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)


def _receive(signum: int, frame: FrameType | None) -> None:
    global _received, _signal
    _received, _signal = _received + 1, signum
    if not _concluded and (not _held or _received > 1):
        raise KeyboardInterrupt
