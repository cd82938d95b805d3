"""What others wrote, for tests that run it: each broker's own SDK in a virtual environment of its own, a client from npm.

Made once and kept in `.vendor-envs/`, under a lock: tests may run side by side. The SDKs pin versions that conflict with ours
and with each other, so they run as processes.
"""

import fcntl
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["SDKS", "CannotInstall", "jayson", "sdk", "xts"]

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".vendor-envs"
INSTALL_S = 300
JAYSON = "5.0.0"
XTS = {"xts-interactive-api": "3.0.3", "xts-marketdata-api": "3.0.7"}
SDKS = {  # broker -> what is installed; the SDK itself first
    # It does not name all that it imports.
    "angelone": ("smartapi-python==1.5.5", "logzero", "websocket-client"),
    "upstox": ("upstox-python-sdk==2.30.0",),
    # Its ticker imports pkg_resources, which setuptools dropped with version 81.
    "zerodha": ("kiteconnect==5.2.2", "setuptools<81"),
    "dhan": ("dhanhq==2.3.0",),
    "fyers": ("fyers-apiv3==3.2.0",),
    # Kambala's, who makes the order system: with OAuth, and the older one, whose token goes in the body.
    "shoonya": ("norenrestapioauth==0.0.41",),
    "flattrade": ("norenrestapipy==0.0.22", "requests", "websocket-client"),
}


class CannotInstall(Exception):  # noqa: N818 - the machine's state, with pip's reason
    """An SDK cannot be had here."""


def sdk(broker: str, *, only_if_made: bool = False) -> Path:
    """The interpreter with this broker's own SDK (`SDKS`).

    Raises:
        CannotInstall: pip's reason; with `only_if_made` also where it was not made before.
    """
    requirements = SDKS[broker]
    return _environment(requirements[0].replace("==", "-"), requirements, only_if_made)


def jayson() -> Path:
    """A folder where Node finds jayson, a JSON-RPC client. Raises CannotInstall."""
    return _node_folder("node", {"jayson": JAYSON})


def xts() -> Path:
    """Node's interpreter, with Symphony's SDKs in `.vendor-envs/xts-node`. Raises CannotInstall."""
    _node_folder("xts-node", XTS)
    return Path(shutil.which("node") or "node")


def _node_folder(name: str, packages: Mapping[str, str]) -> Path:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise CannotInstall("npm or node is missing")
    folder = ENVIRONMENTS / name
    with _locked(name):
        if all(_version(folder, package) == wanted for package, wanted in packages.items()):
            return folder
        folder.mkdir(exist_ok=True)
        wanted = [f"{package}@{version}" for package, version in packages.items()]
        _install([npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), *wanted])
    return folder


def _version(folder: Path, package: str) -> str:
    told = folder / "node_modules" / package / "package.json"
    return str(json.loads(told.read_text())["version"]) if told.exists() else ""


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """One maker at a time."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        raise CannotInstall(f"{command[-1]} cannot be installed here: {reason}")


def _environment(name: str, requirements: tuple[str, ...], only_if_made: bool) -> Path:
    """The interpreter of an environment with exactly these installed. Raises CannotInstall."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ENVIRONMENTS / f"{name}-py{version}"
    wanted, done = "\n".join(requirements), folder / "complete"
    python = folder / "bin" / "python"
    with _locked(folder.name):
        if done.exists() and done.read_text() == wanted:
            return python
        if only_if_made:
            raise CannotInstall(f"the environment of {requirements[0]} is not made yet")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _install([str(python), "-m", "pip", "install", "--quiet", *requirements])
        done.write_text(wanted)
    return python
