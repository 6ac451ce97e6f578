"""Where the model and the stories that come with bilens lie."""
import os
from pathlib import Path

from . import _library
from .errors import InputError


def folders():
    named = os.environ.get("BILENS_DATA")
    if named:
        yield Path(named)
        return
    yield _library.PACKAGE / "data"
    yield _library.PACKAGE.parent.parent / "data"  # the source tree
    library = Path(_library.path)
    if library.is_absolute():
        for parent in list(library.resolve().parents)[1:4]:  # PREFIX/lib, PREFIX/lib/<triplet>
            yield parent / "share" / "bilens"
    yield Path("/usr/share/bilens")
    yield Path("/usr/local/share/bilens")


def find(name):
    """The path of "stories.txt" or "stories-1-256"."""
    for folder in folders():
        if (folder / name).exists():
            return str(folder / name)
    raise InputError(f"the {name} that comes with bilens is not here; looked in " + ", ".join(str(f) for f in folders()) +
                     ": name a model or corpus, or set BILENS_DATA")
