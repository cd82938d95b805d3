"""The units, as far as they can be looked at without a machine of their own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
EXPOSED_MAX = 12  # tenths


def analyze(*asked: str) -> "subprocess.CompletedProcess[str]":
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    return subprocess.run(["systemd-analyze", *asked], capture_output=True, text=True, check=False)


def test_the_service_is_as_little_exposed_as_it_can_be() -> None:
    done = analyze(
        "security", "--offline=true", f"--threshold={EXPOSED_MAX}", str(UNITS / "ordod.service")
    )
    if "Unknown option" in done.stderr or "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at files")

    assert done.returncode == 0, done.stdout[-600:]


@pytest.mark.parametrize("name", ["ordod.service", "ordod.socket"])
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    for unit in ("ordod.service", "ordod.socket"):
        text = (
            (UNITS / unit)
            .read_text()
            .replace("/opt/ordod/bin/ordod ", "/bin/true ")
            .replace("/opt/ordod/bin/ordoctl ", "/bin/true ")
        )
        (tmp_path / unit).write_text(text)

    done = analyze("verify", "--man=no", str(tmp_path / name))

    assert done.stderr == ""
    assert done.returncode == 0


def test_units_and_program_name_the_same_places() -> None:
    socket = (UNITS / "ordod.socket").read_text()
    service = (UNITS / "ordod.service").read_text()

    assert "ListenStream=/run/ordod/ordod.sock" in socket
    assert "--config /etc/ordod/ordod.conf" in service
    assert "WatchdogSec=30" in service  # twice what a loop or a disk may take: ordod/notifying.py
    assert re.search(r"^Restart=on-failure$", service, re.MULTILINE)
    assert "PrivateUsers=yes" not in service  # the other end's user id must be its own


def test_the_installer_is_a_shell_script_without_mistakes() -> None:
    done = subprocess.run(["sh", "-n", str(UNITS / "install.sh")], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--wheel", "x"], "what is --wheel?"),
        (["--wheels"], "--wheels wants a folder"),
        (["--wheels", "/no/such/folder"], "--wheels /no/such/folder: that is no folder"),
        (["--purge"], "--purge goes with --uninstall"),
        (["--uninstall", "--wheels", "/"], "--wheels does not go with --uninstall"),
        (["--uninstall", "now"], "what is now?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_installer_does_nothing_on_words_that_it_does_not_know(
    asked: list[str], told: str
) -> None:
    done = subprocess.run(
        ["sh", str(UNITS / "install.sh"), *asked], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"ordo: {told} (usage: ")
    assert done.stdout == ""
