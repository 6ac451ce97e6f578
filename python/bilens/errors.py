"""What can go wrong. Each is a BilensError and, besides, the built-in exception that a Python program would expect."""


class BilensError(Exception):
    """Any failure of the library. `code` is its kind: "usage", "input", "unsupported", "io", "memory", "numeric", "cancelled"."""

    code = ""


class UsageError(BilensError, ValueError):
    """An argument is wrong: an unknown token, an index out of range, a shape that does not fit."""

    code = "usage"


class InputError(BilensError, OSError):
    """A file that was given is missing, unreadable or malformed, or an output cannot be created."""

    code = "input"


class UnsupportedError(BilensError, NotImplementedError):
    """Valid, but bilens cannot do it: a gated MLP asked for its eigenvectors."""

    code = "unsupported"


class WorkError(BilensError, OSError):
    """Reading or writing failed while working: the disk is full, an I/O error."""

    code = "io"


class OutOfMemoryError(BilensError, MemoryError):
    """An allocation failed."""

    code = "memory"


class NumericError(BilensError, ArithmeticError):
    """LAPACK did not converge, or a value became NaN."""

    code = "numeric"


class CancelledError(BilensError):
    """The progress callback returned False."""

    code = "cancelled"


class LibraryError(BilensError, ImportError):
    """libbilens.so was not found, or is of another version than this package."""

    code = "library"


# By bl_code, from 1.
BY_CODE = (UsageError, InputError, UnsupportedError, WorkError, OutOfMemoryError, NumericError, CancelledError)
