"""Angel One's own SDK, made ready for a run: `connect(URL)` gives a client of it.

What it would do besides its calls is kept from it: at import it asks a site on the internet for its address, it sends the
network card's number, and it writes its log into the working directory.
"""

import os
import tempfile
import uuid
from typing import Any

import requests  # type: ignore[import-untyped, unused-ignore]

__all__ = ["connect"]


def _no_internet(*_: object, **__: object) -> None:
    raise OSError("not asked in a test")


os.chdir(tempfile.mkdtemp())
uuid.getnode = lambda: 0x020000000001
_get, requests.get = requests.get, _no_internet
from SmartApi import SmartConnect  # type: ignore[import-not-found, unused-ignore]  # noqa: E402

requests.get = _get


def connect(url: str, **more: Any) -> Any:
    """One call of it takes its root from the class."""
    SmartConnect._rootUrl = url
    return SmartConnect(root=url, **more)
