"""What documents tell to type on a machine with systemd works there: blocks marked `sh systemd`, in order, as root."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.reading import DOCUMENTS, ROOT, blocks
from tests.system.machine import Machine, missing, running

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no machine is made here: {missing()}")

MARKED = [
    document for document in DOCUMENTS if any(block.mark == "systemd" for block in blocks(document))
]
NOT_OURS = (".git", ".venv", ".vendor-envs", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache")  # fmt: skip
# Who reads has these: a checkout, a user, a secret in a file; what they type themselves is root's already.
PREPARED = """
printf '#!/bin/sh\\nexec "$@"\\n' >/usr/local/bin/sudo && chmod 755 /usr/local/bin/sudo
id asha >/dev/null 2>&1 || useradd --create-home asha
printf 'not-a-real-one\\n' >/root/kite_secret.txt && chmod 600 /root/kite_secret.txt
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout, and beside it the wheels of all that a package index would be asked for."""
    made = tmp_path_factory.mktemp("checkout")
    wheels = made / "wheels"
    for wanted in (str(ROOT), "hatchling>=1.27", "setuptools", "pip"):
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheels), wanted]
        subprocess.run(pip, check=True)
    return made


@pytest.fixture
def machine(folder: Path, tmp_path: Path) -> Iterator[Machine]:
    with running(tmp_path) as made:
        packed = ["tar", "-c", *(f"--exclude=./{name}" for name in NOT_OURS), "."]
        tar = subprocess.run(packed, cwd=ROOT, capture_output=True, check=True).stdout
        (made.root / "root/ordo").mkdir()
        unpacked = ["tar", "-xf", "-", "-C", str(made.root / "root/ordo")]
        subprocess.run(unpacked, input=tar, check=True)
        subprocess.run(["cp", "-r", str(folder / "wheels"), str(made.root / "root")], check=True)
        made.run("bash", "-euc", PREPARED)
        yield made


@pytest.mark.parametrize("document", MARKED)
def test_what_a_document_tells_to_type_on_a_machine_works(document: str, machine: Machine) -> None:
    found = [block for block in blocks(document) if block.mark == "systemd"]
    offline = "export PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels EDITOR=true\ncd /root/ordo\n"
    if not any("systemd/install.sh" in block.text for block in found):
        machine.run("bash", "-euc", f"{offline}sh systemd/install.sh --wheels /root/wheels")

    for block in found:
        machine.run("bash", "-euo", "pipefail", "-c", offline + block.text)

    assert machine.run("systemctl", "is-active", "ordod").stdout.strip() == "active"
