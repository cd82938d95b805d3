"""What documents tell to type on a machine with systemd works there: as it stands, in order, in one shell, as root.

One machine for all of them, as one person has who reads one after the other. What a document shows of the configuration is put
into it where it is shown; what a reader is said to have already (a user, a secret in a file, orders in the log) is made before.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import copied
from tests.documents.marks import ON_A_MACHINE, RUNNABLE
from tests.documents.reading import DOCUMENTS, ROOT, Block, blocks
from tests.ordoctl.person import at_a_terminal
from tests.system.machine import Machine, missing, running

BLOCK_S = "150"  # an installation, on a busy machine
CONFIG = "etc/ordod/ordod.conf"
ACCOUNT = '[accounts.kite]\nbroker = "paper"\n'  # what the documents call theirs
A_SECRET = "not-a-real-one"
# Who reads has these; what they type themselves is root's already. `asha` may log in by a key, as over SSH.
PREPARED = f"""
printf '#!/bin/sh\\nexec "$@"\\n' >/usr/local/bin/sudo && chmod 755 /usr/local/bin/sudo
useradd --create-home --shell /bin/bash asha
printf '{A_SECRET}\\n' >/root/kite_secret.txt && chmod 600 /root/kite_secret.txt
echo '127.0.0.1 localhost trade.example' >>/etc/hosts
mkdir -m 700 -p /run/user /run/user/1000 /root/.ssh ~asha/.ssh
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub ~asha/.ssh/authorized_keys && chown -R asha: ~asha/.ssh
sed 's/^/trade.example /' /etc/ssh/ssh_host_ed25519_key.pub >/root/.ssh/known_hosts
"""
# A shell in the checkout, no index, and Ordo's environment behind the system's own commands: `python3` is its Python.
BEGIN = """
export PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels EDITOR=true HOME=/root
export PATH=/usr/local/sbin:/usr/local/bin:/opt/ordod/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root/ordo
"""
SHELL = "/root/shell"  # where the shell of a document stands, between one block and the next
END = f'{{ export -p; printf "cd %q; umask %s\\n" "$PWD" "$(umask)"; }} >{SHELL}'
ALL = [block for document in DOCUMENTS for block in blocks(document)]
INSTALLS = "systemd/install.sh"
KEY = re.compile(r'\.key == "([^"]+)"')
LOG_ID = re.compile(r'\.log_id == "([^"]+)"')
TOKEN = re.compile(r"^ordo_\S+$", re.MULTILINE)


def typed(document: str) -> list[Block]:
    """What is done of it here; [] where nothing is. What `remote` blocks use, runnable ones before them make."""
    found = blocks(document)
    marks = {block.mark for block in found if block.mark in ON_A_MACHINE}
    if "remote" in marks:
        marks.add(RUNNABLE)
    done = [("toml", ""), *(("sh", mark) for mark in marks)]
    return [block for block in found if marks and (block.language, block.mark) in done]


def _word(block: Block) -> str:
    return block.mark or block.language


def _installs(document: str) -> bool:
    return any(INSTALLS in block.text for block in typed(document))


MARKED = sorted(filter(typed, DOCUMENTS), key=lambda document: not _installs(document))


class Reader:
    """Somebody at the machine, who does what the documents tell."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.config = machine.root / CONFIG

    def follows(self, document: str) -> None:
        self.machine.write(SHELL, BEGIN)
        if self.config.exists():
            self._shown(ACCOUNT)
        for block in typed(document):
            self.does(block)

    def does(self, block: Block) -> None:
        getattr(self, f"_{_word(block)}")(block)

    def sh(self, text: str) -> str:
        """What it printed; AssertionError where it fails, as `set -euo pipefail` has it."""
        script = f". {SHELL}\n{text}\n{END}"
        bash = ("timeout", BLOCK_S, "bash", "-euo", "pipefail", "-c", script)
        done = self.machine.run(*bash, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _systemd(self, block: Block) -> None:
        self.sh(block.text)

    _runnable = _systemd

    def _toml(self, block: Block) -> None:
        self._shown(block.text)

    def _shown(self, lines: str) -> None:
        self.config.write_text(merged(self.config.read_text(), lines))

    def _remote(self, block: Block) -> None:
        """What was shown once as a token is kept, where the documents look for it."""
        if token := TOKEN.search(self.sh(block.text)):
            self.machine.write("/root/.config/ordod/token", f"{token[0]}\n", 0o600)

    def _trace(self, block: Block) -> None:
        """There are an order of each key that it names, refused by the broker, and a line of each bug."""
        keys, log_ids = set(KEY.findall(block.text)), set(LOG_ID.findall(block.text))
        for key in keys:
            words = f"--product CNC --account paper --key {key} --yes"
            self.sh(f"! ordoctl place buy 10000 NSE:INFY {words}")
        for log_id in log_ids:
            line = json.dumps({"event": "call_failed", "log_id": log_id})
            fields = f"MESSAGE={line}\\nOBJECT_SYSTEMD_UNIT=ordod.service\\n"
            self.sh(f"printf '{fields}' | logger --journald")
        self.sh("journalctl --sync")
        printed = self.sh(block.text)

        lines = list(read(printed))
        assert keys or log_ids, block.place
        for key in keys:
            of_key = [line for line in lines if line.get("key") == key]
            assert any("event" in line for line in of_key), f"no line of the log: {printed}"
            assert any(line.get("type") == "intent" for line in of_key), f"no record: {printed}"
        assert {line["log_id"] for line in lines if "log_id" in line} == log_ids
        assert all(line.get("key") in keys or line.get("log_id") in log_ids for line in lines)

    def _secret(self, block: Block) -> None:
        """Typed twice at a terminal, and kept for who the daemon runs as."""
        (line,) = block.text.splitlines()
        name = line.split()[-1]
        command = self.machine.command("bash", "-c", f". {SHELL}\n{line}")
        with at_a_terminal(command, {"TERM": "xterm", "PATH": "/usr/sbin:/usr/bin"}) as person:
            person.answers(f"{name}: ", A_SECRET)
            person.answers("once more: ", A_SECRET)
            assert person.ends() == 0, person.shown

        listed = json.loads(self.sh("ordoctl --json secret list"))["secrets"]
        owner = self.sh("stat -c %U:%a /var/lib/ordod/secrets.store").strip()
        assert A_SECRET not in person.shown
        assert name in {secret["name"] for secret in listed}
        assert owner == "ordod:600"


def read(printed: str) -> Iterator[dict[str, object]]:
    """The objects of what jq printed, on one line or many."""
    decoder, rest = json.JSONDecoder(), printed.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].lstrip()


def merged(config: str, shown: str) -> str:
    """The configuration with these lines in the tables that they stand below, for those of the same names there."""
    for table, lines in re.findall(r"^\[([^\]]+)\]\n((?:[^\[\n].*\n?|\n)*)", shown, re.MULTILINE):
        before, header, after = f"\n{config}".partition(f"\n[{table}]\n")
        own, bracket, others = after.partition("\n[")
        for key in tomllib.loads(lines):
            own = re.sub(rf"(?m)^{re.escape(key)} = .*\n?", "", own)
        header = header or f"\n[{table}]\n"
        config = f"{before}{header}{lines}{own}{bracket}{others}".lstrip("\n")
    return config


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of Ordo, and of all that a package index would be asked for."""
    made = tmp_path_factory.mktemp("checkout") / "wheels"
    wanted = (str(ROOT), "hatchling>=1.27", "setuptools", "pip")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(made), *wanted]
    subprocess.run(pip, check=True)
    return made


@pytest.fixture(scope="module")
def machine(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With a checkout; nothing is installed yet."""
    with running(tmp_path_factory.mktemp("machine")) as made:
        copied(made.root / "root/ordo")
        subprocess.run(["cp", "-r", str(wheels), str(made.root / "root")], check=True)
        made.run("bash", "-euc", PREPARED)
        yield made


@pytest.mark.skipif(bool(missing()), reason=f"no machine is made here: {missing()}")
@pytest.mark.parametrize("document", MARKED)
def test_what_a_document_tells_to_type_on_a_machine_works(document: str, machine: Machine) -> None:
    reader = Reader(machine)
    if not reader.config.exists() and document != MARKED[0]:
        reader.follows(MARKED[0])

    reader.follows(document)

    machine.run("systemctl", "reset-failed", "ordod")  # it counts a person's restarts, too
    machine.run("systemctl", "restart", "ordod")
    assert machine.run("systemctl", "is-active", "ordod").stdout.strip() == "active"


def test_every_block_that_wants_a_machine_is_done_in_a_way_of_its_word() -> None:
    wanted = {block.place for block in ALL if block.mark in ON_A_MACHINE}
    done = [block for document in MARKED for block in typed(document)]

    assert set(ON_A_MACHINE) <= {block.mark for block in done}
    assert wanted <= {block.place for block in done}
    assert [block.place for block in done if not hasattr(Reader, f"_{_word(block)}")] == []


@pytest.mark.parametrize(
    ("config", "shown", "whole"),
    [
        ("[a]\n# x\n[b]\ny = 1\n", "[a]\nx = 1\n", "[a]\nx = 1\n# x\n[b]\ny = 1\n"),
        ("[a]\nx = 1\nz = 2\n[b]\nx = 3\n", "[a]\nx = 4\n", "[a]\nx = 4\nz = 2\n[b]\nx = 3\n"),
        ("[a]\nx = 1\n", "[b]\ny = 2\n[c.d]\nz = 3\n", "[a]\nx = 1\n[b]\ny = 2\n[c.d]\nz = 3\n"),
    ],
)
def test_what_is_shown_of_a_configuration_is_put_where_it_belongs(
    config: str, shown: str, whole: str
) -> None:
    assert tomllib.loads(merged(config, shown)) == tomllib.loads(whole)
