"""Ctrl-C and the signals that end a process: raised where that is safe, and never forgotten."""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

# SIGHUP is not on Windows.
ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

# A signal that comes again so soon, in seconds, does not interrupt the cleaning up: `timeout` sends
# SIGTERM to a process and then to its group.
SAME_SIGNAL = 5.0
MAX_DEFERRAL = 10.0  # seconds that a signal waits for the end of an import
RETRY = 0.01  # seconds until a signal that waits is tried again

# Modules in whose calls nothing may be raised. An import that was interrupted fails later and
# elsewhere, or aborts the process in its C++ code; LLVM's callbacks forget what is raised in them.
_IMPORTS = frozenset(("importlib._bootstrap", "_frozen_importlib"))
_CALLBACKS = "llvmlite"
_uninterrupted: set[CodeType] = set()


class SignalledError(KeyboardInterrupt):
    """A signal has come that ends the process, once everything is cleaned up as after ctrl-C."""

    def __init__(self, number: int) -> None:
        self.number = signal.Signals(number)


class EndingSignals:
    """Which signal came first, for the length of a command; each is raised as `SignalledError`.

    Attributes
    ----------
    first : signal.Signals or None
        What came first, whether or not it has been raised yet, and whatever became of it.
    """

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self._outermost: FrameType | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._came = self._deferred_since = -math.inf
        self._waiting: signal.Signals | None = None  # deferred, and to be raised yet
        self._retrying = self._installed = False
        self._sending = threading.Lock()

    def install(self, outermost: FrameType) -> None:
        """Handle the signals that nobody else handles; the frame bounds what is looked at."""
        self._outermost, self._unraisable = outermost, sys.unraisablehook
        defaults = (signal.SIG_DFL, signal.default_int_handler)
        self._installed = True
        sys.unraisablehook = self._forgotten
        for number in ENDING:
            if (before := signal.getsignal(number)) in defaults:
                self._before[number] = before
                signal.signal(number, self._handle)

    def uninstall(self) -> None:
        """Give the signals back."""
        with self._sending:  # what was sent before is handled before the handlers go
            self._installed = False
        for number, before in self._before.items():
            signal.signal(number, before)
        sys.unraisablehook = self._unraisable
        self._outermost = None

    def raise_waiting(self) -> None:
        """Raise the signal that waits, if one does."""
        if (number := self._waiting) is not None:
            self._waiting = None
            raise SignalledError(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        came = signal.Signals(number)
        self.first = self.first or came
        if not self._installed:
            return
        now = time.monotonic()
        if self._retrying:
            self._retrying = False
            if self._waiting is None:  # another one was raised in the meantime
                return
            must = now - self._deferred_since > MAX_DEFERRAL
        else:
            must = self._waiting is not None and now - self._came > SAME_SIGNAL
            soon = now - self._came <= SAME_SIGNAL
            self._came = now
            if soon and number != signal.SIGINT:
                return
        if must or self._may_raise(frame) or not self._defer(came, now):
            self._waiting = None
            raise SignalledError(number)

    def _may_raise(self, frame: FrameType | None) -> bool:
        while frame is not None and frame is not self._outermost:
            module = frame.f_globals.get("__name__") or ""
            if module in _IMPORTS or module.partition(".")[0] == _CALLBACKS:
                return False
            if frame.f_code in _uninterrupted:
                return False
            frame = frame.f_back
        return True

    def _defer(self, number: signal.Signals, now: float) -> bool:
        """Send a signal again in a moment; return False where that cannot be done."""
        if self._waiting is None:
            self._deferred_since = now
        timer = threading.Timer(RETRY, self._send, (number,))
        timer.daemon = True
        try:
            timer.start()
        except (RuntimeError, MemoryError):  # no thread is left
            return False
        self._waiting = number
        return True

    def _send(self, number: signal.Signals) -> None:
        with self._sending:
            if not self._installed:
                return
            self._retrying = True
            if hasattr(signal, "pthread_kill"):  # wakes a main thread that sleeps, too
                signal.pthread_kill(threading.main_thread().ident or 0, number)
            else:
                signal.raise_signal(number)

    def _forgotten(self, problem: Any) -> None:
        """Raise again what was raised in a callback or a finalizer, which Python only prints."""
        if isinstance(problem.exc_value, SignalledError):
            self._defer(problem.exc_value.number, time.monotonic())
        elif self.first is None:
            self._unraisable(problem)


_current: EndingSignals | None = None


@contextmanager
def ending_signals() -> Iterator[EndingSignals]:
    """Raise SIGINT, SIGTERM and SIGHUP as `SignalledError` for the length of a block.

    While modules are imported and in LLVM's callbacks a signal waits, at most `MAX_DEFERRAL`
    seconds or until it comes again. Signals with a handler of somebody else are left alone. A
    block within another one shares its signals.

    Yields
    ------
    EndingSignals
        Knows of a signal that came, even if a library made an error of its own of it.
    """
    global _current
    if threading.current_thread() is not threading.main_thread():
        yield EndingSignals()  # only the main thread gets signals
        return
    if _current is not None:
        yield _current
        return
    # The frames between this one and the block are contextlib's and whoever has the `with`.
    signals = _current = EndingSignals()
    signals.install(sys._getframe(2))
    try:
        yield signals
    finally:
        _current = None
        signals.uninstall()


def raise_waiting_signal() -> None:
    """Raise the signal that came while modules were imported, if one did."""
    if _current is not None and threading.current_thread() is threading.main_thread():
        _current.raise_waiting()


def uninterrupted(function: F) -> F:
    """Let signals wait for the end of a short function: it makes what its caller will remove."""
    _uninterrupted.add(cast(FunctionType, function).__code__)
    return function


@contextmanager
def lasting_interrupts() -> Iterator[None]:
    """Raise again, at the end of a block, the interruption that a signal's handler raised in it.

    torch's exporter turns any exception into errors of its own, an interrupted import fails later
    and elsewhere, and an exception in a finalizer is only printed. Without an interruption, errors
    stay as they are.

    Raises
    ------
    KeyboardInterrupt
        The first that was raised.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    raised: list[KeyboardInterrupt] = []
    handlers = {number: signal.getsignal(number) for number in ENDING}
    unraisable = sys.unraisablehook

    def handle(number: int, frame: Any) -> None:
        handler: Callable[[int, Any], Any] | Any = handlers[signal.Signals(number)]
        try:
            handler(number, frame)
        except KeyboardInterrupt as interrupt:
            raised.append(interrupt)
            raise

    def ignore_after_interrupt(problem: Any) -> None:
        if not raised:
            unraisable(problem)

    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, handle)
    sys.unraisablehook = ignore_after_interrupt
    try:
        yield
    except BaseException:
        if not raised:
            raise
    finally:
        sys.unraisablehook = unraisable
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
    if raised:
        raise raised[0] from None
