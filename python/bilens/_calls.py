"""Calling the library: errors become exceptions, texts become str, long work reports its progress and can be interrupted.

ctypes releases the interpreter's lock during every call. A signal that arrives meanwhile is only noted by Python; its handler runs when
Python code runs again, which is when the library calls back with its progress. An exception must not leave such a callback (ctypes would
print and forget it), so during a long call in the main thread SIGINT sets a flag, the callback tells the library to stop, and the
interrupt is raised after the call has returned and cleaned up.
"""
import ctypes as c
import signal
import sys
import threading
import time

from . import _structs as s
from ._library import lib
from .errors import BY_CODE, BilensError, CancelledError, UsageError


def failed(err):
    """The exception of a bl_error."""
    text = err.message.decode("utf-8", "replace")
    kind = BY_CODE[err.code - 1] if 1 <= err.code <= len(BY_CODE) else BilensError
    return kind(text or "an unknown failure")


def call(function, *arguments):
    """function(*arguments, &err); its result, or the exception of err if that is NULL or False."""
    err = s.Error()
    result = function(*arguments, c.byref(err))
    if not result:
        raise failed(err)
    return result


def take_text(pointer):
    """A char * that is ours to free, as str."""
    try:
        return c.string_at(pointer).decode("utf-8", "replace")
    finally:
        lib.bl_free(pointer)


def call_text(function, *arguments):
    return take_text(call(function, *arguments))


def text_argument(value, what):
    """str to bytes that C can read."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: a string is expected, not {type(value).__name__}")
    data = value.encode("utf-8", "surrogatepass")
    if b"\0" in data:
        raise UsageError(f"{what}: holds a NUL character")
    return data


def strings(values):
    """A C array of strings; keep the result alive during the call."""
    return (c.c_char_p * max(1, len(values)))(*values)


def longs(values):
    return (c.c_long * max(1, len(values)))(*values)


class _Line:
    """One line on stderr that begins after two seconds."""

    def __init__(self):
        self.start, self.next, self.shown = time.monotonic(), 2.0, 0

    def __call__(self, phase, done, total):
        elapsed = time.monotonic() - self.start
        if elapsed >= self.next:
            self.next = elapsed + 0.2
            text = f"{phase}: {100 * done / total:.0f} %" if total else f"{phase}: {done:,}"
            sys.stderr.write("\r" + text.ljust(self.shown))
            sys.stderr.flush()
            self.shown = len(text)
        return True

    def close(self):
        if self.shown:
            sys.stderr.write("\r" + " " * self.shown + "\r")
            sys.stderr.flush()


def _is_watched():
    """Somebody looks at stderr: a terminal, or a notebook."""
    return sys.stderr is not None and (getattr(sys.stderr, "isatty", lambda: False)() or "ipykernel" in sys.modules)


class LongCall:
    """with LongCall(progress) as work: function(…, work.progress, …): see the head of this file.

    `progress`: a function (phase: str, done: int, total: int, 0 if unknown) that may return False to stop; True for a line on stderr
    after two seconds; False for none; None for that line where somebody looks.
    """

    def __init__(self, progress=None):
        if progress is None:
            progress = _is_watched()
        if not isinstance(progress, bool) and not callable(progress):
            raise TypeError("progress: a function (phase, done, total), True, False or None is expected")
        self.line = _Line() if progress is True else None
        self.report = self.line or (progress or None)
        self.interrupted = None
        self.failure = None
        self.previous = None
        self.callback = s.ProgressFunction(self.step)
        self.progress = s.Progress(self.callback, None)

    def step(self, _context, phase, done, total):
        try:
            if self.failure is not None or self.interrupted is not None:
                return False
            if self.report is not None and self.report(phase.decode(), done, total) is False:
                return False
            return self.interrupted is None
        except BaseException as failure:  # whatever the user's function raised; re-raised after the call
            self.failure = failure
            return False

    def interrupt(self, number, frame):
        self.interrupted = (number, frame)

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self.previous = handler
                signal.signal(signal.SIGINT, self.interrupt)
        return self

    def __exit__(self, kind, value, trace):
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
        if self.line is not None:
            self.line.close()
        self.callback = self.progress = None  # they refer to this object
        if self.failure is not None:
            raise self.failure from None
        if self.interrupted is not None:
            if value is None or isinstance(value, CancelledError):
                self.previous(*self.interrupted)  # raises KeyboardInterrupt, unless the program chose otherwise
            return isinstance(value, CancelledError) and False
        return False
