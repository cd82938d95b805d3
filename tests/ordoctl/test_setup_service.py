"""`sudo ordoctl setup` where `systemd/install.sh` has been: root, a user `ordod` of its own, /etc and /var/lib as they are then.

In a mount namespace of its own, over this machine's folders: real users, owners and files. Only systemd itself is played, by a
`systemctl` that starts the daemon as the unit says; with a real one it is looked at in tests/system.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORLD = """
set -e
mount --make-rprivate /
for folder in etc root; do
    mkdir -p "$T/$folder.new" "$T/$folder.work"
    chmod 755 "$T/$folder.new"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$T/$folder.new,workdir=$T/$folder.work" "/$folder"
done
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
echo 'ordod:x:941:941::/var/lib/ordod:/usr/sbin/nologin' >> /etc/passwd
echo 'ordod:x:941:' >> /etc/group
mkdir -p /run/systemd/system /run/ordod /etc/systemd/system /etc/ordod /var/lib/ordod
chown ordod:ordod /run/ordod /var/lib/ordod
chmod 700 /var/lib/ordod
chgrp ordod /etc/ordod
chmod 750 /etc/ordod
cp "$ROOT/systemd/ordod.service" /etc/systemd/system/
install -m 640 -g ordod "$ROOT/ordod.conf.example" /etc/ordod/ordod.conf
setpriv --reuid ordod --regid ordod --clear-groups "$PYTHON" -c 'import ordod.running'
"""
SYSTEMCTL = """#!/bin/bash
case "$1" in
show) printf '%s\\n' LoadState=loaded ActiveState=active UnitFileState=enabled NRestarts=0 WatchdogUSec=30s "MainPID=$(cat /run/pid)" ;;
enable | restart)
    if [ -e /run/pid ]; then
        kill "$(cat /run/pid)"
        while kill -0 "$(cat /run/pid)" 2>/dev/null; do sleep 0.05; done
    fi
    setsid setpriv --reuid ordod --regid ordod --clear-groups env -i HOME=/var/lib/ordod STATE_DIRECTORY=/var/lib/ordod \\
        RUNTIME_DIRECTORY=/run/ordod PYTHONPATH="$PYTHONPATH" "$PYTHON" -m ordod --config /etc/ordod/ordod.conf </dev/null >/run/log 2>&1 &
    echo $! > /run/pid ;;
esac
"""
DAY = """
trap 'kill "$(cat /run/pid)"; wait' EXIT
ordoctl() { "$PYTHON" -m ordoctl.cli "$@"; }
echo a-pin-of-mine | ordoctl setup --yes --json --broker dhan --account dhan --user-id 1000000001 \\
    --base-url http://127.0.0.1:9 --secret pin=- >/dev/null 2>"$T/said" || true
stat -c '%n %U:%G %a' /etc/ordod/* /var/lib/ordod/secrets.store
diff "$ROOT/ordod.conf.example" /etc/ordod/ordod.conf || true
echo ==
ordoctl secret list --json
echo ==
ordoctl doctor --offline --json || true
echo ==
ordoctl journal verify /var/lib/ordod --json
echo ==
ordoctl setup --yes --json --broker paper --account paper
"""


def cannot() -> str:
    """Why no such world can be made here; "" where it can."""
    if os.getuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "setsid"))):
        return "it takes root, unshare and setpriv"
    tried = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, check=False
    )
    return "" if tried.returncode == 0 else "this root may not mount"


@pytest.mark.skipif(bool(cannot()), reason=f"no world of its own can be made here: {cannot()}")
def test_root_sets_the_service_up_and_its_user_reads_what_root_wrote(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "systemctl").write_text(SYSTEMCTL)
    (commands / "systemctl").chmod(0o755)
    paths = (ROOT, ROOT / "adapters", os.environ.get("PYTHONPATH", ""))
    environment = {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "HOME": "/root",
        "T": str(tmp_path),
        "ROOT": str(ROOT),
        "PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    made = ["unshare", "-m", "--propagation", "private", "bash", "-c"]
    world = subprocess.run([*made, WORLD], env=environment, capture_output=True, text=True, check=False)  # fmt: skip
    if world.returncode != 0:
        pytest.skip(f"the user ordod cannot run this Python here: {world.stderr.strip()[-200:]}")
    for folder in ("etc", "root"):
        shutil.rmtree(tmp_path / f"{folder}.new")
        shutil.rmtree(tmp_path / f"{folder}.work")

    day = subprocess.run([*made, WORLD + DAY], env=environment, capture_output=True, text=True, timeout=120, check=False)  # fmt: skip

    files, secrets, doctor, verified, again = day.stdout.split("==\n")
    assert "/etc/ordod/ordod.conf root:ordod 640\n" in files, day.stderr
    assert "/etc/ordod/store.key ordod:ordod 600\n" in files
    assert "/var/lib/ordod/secrets.store ordod:ordod 600\n" in files
    assert '> store_key = "file:/etc/ordod/store.key"\n' in files
    assert '> pin = "store:dhan_pin"\n' in files
    assert "\n< " not in files  # nothing of the example went
    assert [one["name"] for one in json.loads(secrets)["secrets"]] == ["dhan_pin"]
    checks = {one["check"]: one for one in json.loads(doctor)["checks"]}
    assert {name for name, one in checks.items() if one["result"] == "problem"} <= {"session"}
    assert checks["service"]["result"] == checks["store_key"]["result"] == "ok"
    assert checks["state_dir"]["message"] == "/var/lib/ordod, mode 0700, of ordod"
    assert json.loads(verified)["good"] is True
    assert json.loads(again)["order"]["replayed"] is True
    assert "a-pin-of-mine" not in day.stdout + (tmp_path / "said").read_text()
