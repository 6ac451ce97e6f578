"""Calling the library: errors become exceptions, texts become str, long work reports its progress and can be interrupted.

cffi releases the interpreter's lock during every call. A signal that arrives meanwhile is only noted by Python; its handler runs when Python
code runs again. So during every call of the main thread the library watches for SIGINT itself (bl_interrupt_watch) and ends its work, and Python
raises the interrupt after the call has returned and cleaned up. Where the library calls back with its progress, Python code runs in between. An
exception must not leave such a callback, so SIGINT has a handler of ours during these calls, which notes it for later. While a function of the
user's runs within the callback, the interrupt is raised there, as in any Python code.
"""
import json
import os
import signal
import sys
import threading
import time
import weakref

from ._library import ffi, lib
from .errors import BY_CODE, BilensError, CancelledError, UsageError

_alive = weakref.WeakKeyDictionary()  # C data -> what it points to


def keep(data, *parts):
    """`data`, with a promise that `parts` live as long."""
    _alive[data] = parts
    return data


def failed(err):
    """The exception of a bl_error."""
    text = ffi.string(err.message).decode("utf-8", "replace")
    code = int(err.code)
    kind = BY_CODE[code - 1] if 1 <= code <= len(BY_CODE) else BilensError
    return kind(text or "an unknown failure")


def call(function, *arguments):
    """function(*arguments, &err); its result, or the exception of err if that is NULL or False."""
    err = ffi.new("bl_error *")
    if threading.current_thread() is threading.main_thread():
        try:
            lib.bl_interrupt_watch(True)
            result = function(*arguments, err)
        finally:
            lib.bl_interrupt_watch(False)
    else:
        result = function(*arguments, err)
    if not result:
        raise failed(err)
    return result


def owned(function, free, *arguments):
    """The same for a function that makes a handle: `free` is called when nothing refers to it any more."""
    return ffi.gc(call(function, *arguments), free)


def text_of(pointer):
    """A C string as str; None for NULL."""
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else None


def take_text(pointer):
    """A char * that is ours to free, as str."""
    try:
        return text_of(pointer)
    finally:
        lib.bl_free(pointer)


def call_text(function, *arguments):
    return take_text(call(function, *arguments))


def tree_text(tree):
    """The JSON of a bl_tree."""
    return call_text(lib.bl_tree_text, tree)


def tree(function, *arguments):
    """A result, as a handle."""
    return owned(function, lib.bl_tree_free, *arguments)


def parsed_tree(data):
    """A result from Python's own lists and dicts."""
    return tree(lib.bl_tree_parse, json.dumps(data).encode(), b"a result")


def text_argument(value, what):
    """str to bytes that C can read."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: a string is expected, not {type(value).__name__}")
    data = value.encode("utf-8", "surrogatepass")
    if b"\0" in data:
        raise UsageError(f"{what}: holds a NUL character")
    return data


def path_argument(value, what):
    """A path (str, bytes, os.PathLike) to bytes that C can read."""
    data = os.fsencode(value)
    if b"\0" in data:
        raise UsageError(f"{what}: a path holds a NUL character")
    return data


def c_text(data):
    """bytes as a char array for a field of a struct; None stays NULL. The struct must be made with `keep`."""
    return ffi.NULL if data is None else ffi.new("char[]", data)


def strings(values):
    """A C array of strings (bytes), which it keeps alive."""
    texts = [ffi.new("char[]", value) for value in values]
    return keep(ffi.new("char *[]", texts or 1), texts)


def longs(values):
    return ffi.new("long[]", list(values) or 1)


class Unique:
    """A base of objects that own memory of the library: they are neither copied nor pickled."""

    def _refuse(self, *_):
        raise TypeError(f"a bilens {type(self).__name__} can be neither copied nor pickled: it owns memory of the C library. "
                        "It never changes, so share it, or make it again from its model")

    __copy__ = __deepcopy__ = __reduce_ex__ = _refuse


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

    active = []  # the main thread's, the outermost first: a callback may make a long call itself

    def __init__(self, progress=None):
        if progress is None:
            progress = _is_watched()
        if not isinstance(progress, bool) and not callable(progress):
            raise TypeError("progress: a function (phase, done, total), True, False or None is expected")
        self.line = _Line() if progress is True else None
        self.report = self.line or (progress or None)
        self.in_report = False  # the user's function is running
        self.interrupted = None
        self.failure = None
        self.previous = None  # the program's handler of SIGINT, in the outermost of these calls
        self.is_main = threading.current_thread() is threading.main_thread()
        self.callback = ffi.callback("bl_progress_fn", self.step, error=False)
        self.progress = ffi.new("bl_progress *", {"report": self.callback})[0]

    def step(self, _context, phase, done, total):
        try:
            if self.failure is not None or self.interrupted is not None:
                return False
            if self.report is not None:
                self.in_report = True
                go_on = self.report(ffi.string(phase).decode(), done, total)
                self.in_report = False
                if go_on is False:
                    return False
            return self.interrupted is None
        except BaseException as failure:  # whatever the user's function raised; re-raised after the call
            self.failure = failure
            return False
        finally:
            self.in_report = False

    @classmethod
    def interrupt(cls, number, frame):
        """SIGINT: the innermost call decides. In the user's function the interrupt is raised, in the library it is noted."""
        inner = cls.active[-1]
        if inner.in_report:
            lib.bl_interrupt_forget()
            cls.active[0].previous(number, frame)
        else:
            inner.interrupted = (number, frame)

    def __enter__(self):
        if self.is_main:
            handler = signal.getsignal(signal.SIGINT)
            if not self.active and callable(handler):
                self.previous = handler
                signal.signal(signal.SIGINT, self.interrupt)
            if self.active or self.previous is not None:
                self.active.append(self)
        return self

    def __exit__(self, kind, value, trace):
        handler = None
        if self in self.active:
            handler = self.active[0].previous
            self.active.remove(self)
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
        if self.line is not None:
            self.line.close()
        self.callback = self.progress = None  # they refer to this object
        if self.failure is not None:
            raise self.failure from None
        if self.interrupted is not None and (value is None or isinstance(value, CancelledError)):
            handler(*self.interrupted)  # raises KeyboardInterrupt, unless the program chose otherwise
        return False
