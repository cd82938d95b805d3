"""Each broker's own SDK in a virtual environment of its own, made once and kept in `.vendor-envs/`.

The SDKs pin versions that conflict with ours and with each other, so they run as processes.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["CannotInstall", "kiteconnect"]

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".vendor-envs"
INSTALL_S = 300


class CannotInstall(Exception):  # noqa: N818 - the machine's state, with pip's reason
    """An SDK cannot be had here."""


def kiteconnect(*, only_if_made: bool = False) -> Path:
    """The interpreter with Zerodha's SDK. Its ticker imports pkg_resources, which setuptools dropped with version 81.

    Raises:
        CannotInstall: pip's reason; with `only_if_made` also where it was not made before.
    """
    requirements = ("kiteconnect==5.2.2", "setuptools<81")
    return _environment("kiteconnect-5.2.2", requirements, only_if_made)


def _environment(name: str, requirements: tuple[str, ...], only_if_made: bool) -> Path:
    """The interpreter of an environment with exactly these installed. Raises CannotInstall."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ENVIRONMENTS / f"{name}-py{version}"
    wanted, done = "\n".join(requirements), folder / "complete"
    python = folder / "bin" / "python"
    if done.exists() and done.read_text() == wanted:
        return python
    if only_if_made:
        raise CannotInstall(f"the environment of {requirements[0]} is not made yet")
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", *requirements]
    installed = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if installed.returncode:
        reason = (installed.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise CannotInstall(f"{', '.join(requirements)} cannot be installed here: {reason}")
    done.write_text(wanted)
    return python
