"""Models named as on the Hugging Face hub: the environment that decides about cache, endpoint and token, as the command line and the Python
library huggingface_hub read it."""
import os
from pathlib import Path

from ._calls import LongCall, c_text, call, keep, path_argument, text_of
from ._library import ffi, lib
from .errors import BilensError, CancelledError, UsageError

UNASKED = 8 << 30  # bytes that loading a model may bring with it; `bilens fetch` knows no such limit


def variable(*names):
    """The first of the variables that is set to something."""
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def is_true(value):
    return (value or "").lower() in ("1", "on", "yes", "true")


def expand(folder):
    """~ and $VARIABLES as huggingface_hub replaces them, in its order."""
    return os.path.expandvars(os.path.expanduser(folder))


def place(own, rest):
    """A folder or file of the hub's home: `own` names it alone, otherwise it is HF_HOME/rest."""
    home = expand(variable("HF_HOME") or os.path.join(variable("XDG_CACHE_HOME") or "~/.cache", "huggingface"))
    return expand(own or os.path.join(home, rest))


def token():
    given = variable("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    if given is None and not is_true(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN")):
        path = Path(place(variable("HF_TOKEN_PATH"), "token"))
        given = path.read_text() if path.exists() else None
    words = (given or "").split()
    if len(words) > 1:
        raise UsageError("the hub's token has white space within it (HF_TOKEN, HF_TOKEN_PATH)")
    return words[0] if words else None


def is_model(name):
    """True of a hub's name when no directory of that name is here."""
    return not os.path.exists(name) and lib.bl_hub_is_name(path_argument(name, "model"))


def load(name, progress):
    """A bl_model from the cache, or from the hub where the cache lacks it."""
    parsed = ffi.new("bl_hub_name *")
    call(lib.bl_hub_parse, os.fsencode(name), parsed)
    if parsed.data:
        raise UsageError(f"{name!r} is the address of a data set, not of a model")
    text = lambda value: c_text(None if value is None else os.fsencode(value))  # noqa: E731
    snapshot = ffi.NULL
    try:
        with LongCall(progress) as work:
            texts = {"cache": text(place(variable("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"), "hub")), "endpoint": text(variable("HF_ENDPOINT")),
                     "token": text(token()), "ca_file": text(variable("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))}
            options = keep(ffi.new("bl_hub_options *", dict(
                texts, offline=is_true(variable("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")), prefer_cache=True, max_bytes=UNASKED,
                progress=work.progress)), texts)
            request = ffi.new("bl_hub_request *", {"name": parsed.repository, "revision": parsed.revision})
            snapshot = call(lib.bl_hub_fetch, request, options)
        revision = text_of(parsed.revision)
        shown = (text_of(parsed.repository) + (f"@{revision}" if revision else "")).encode()
        return call(lib.bl_model_load_as, lib.bl_hub_snapshot_directory(snapshot), shown)
    except CancelledError:
        raise
    except BilensError as failure:
        if snapshot:
            raise
        raise type(failure)(f"no such model directory: {name!r}; as a name on the hub: {failure}") from None
    finally:
        lib.bl_hub_snapshot_free(snapshot)
