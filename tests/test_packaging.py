"""The distribution: what is built holds everything, and what is installed is what the tree says, and runs without the tree."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.promises.daemon import until

ROOT = Path(__file__).parent.parent
PACKAGES = {"ordod": ROOT, "ordoctl": ROOT, "ordo_adapters": ROOT / "adapters"}
SHARED = ("ordod.conf.example", *(f"systemd/{file.name}" for file in (ROOT / "systemd").iterdir()))
WAIT_S = 60


def project() -> dict[str, Any]:
    tables: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return tables["project"]  # type: ignore[no-any-return]


def declared_entry_points() -> set[tuple[str, str, str]]:
    groups = {"console_scripts": project()["scripts"], **project()["entry-points"]}
    return {(group, *pair) for group, points in groups.items() for pair in points.items()}


@pytest.fixture
def installed() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution("ordod")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("ordod is not installed here; `pip install -e .` installs it")


def built(tree: Path, folder: Path, kind: str) -> Path:
    """A wheel or an sdist of this tree, by the build backend's own hook, as pip and build call it."""
    pytest.importorskip("hatchling.build", reason="hatchling builds the wheel")
    if not (tree / project()["readme"]).exists():
        pytest.skip(f"the tree has no {project()['readme']}, without which nothing is built")
    folder.mkdir(parents=True, exist_ok=True)
    hook = f"import hatchling.build as b; print(b.build_{kind}({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", hook], cwd=tree, capture_output=True, text=True, check=True
    )
    return folder / done.stdout.split()[-1]


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("dist"), "wheel")


@pytest.fixture(scope="module")
def sdist_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("dist"), "sdist")


@pytest.fixture
def wheel(wheel_file: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel_file)


@pytest.fixture(scope="module")
def fresh(wheel_file: Path) -> Iterator[Path]:
    """An environment with the wheel, and what it needs, in it, and nothing of this tree. A socket's path must be short."""
    with TemporaryDirectory(prefix="ordo-") as name:
        venv = Path(name) / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        (site,) = venv.glob("lib/python*/site-packages")
        # What Ordo needs is on the path from where it is; a .pth found there is not followed, an editable Ordo's neither.
        (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = [sys.executable, "-m", "pip", "--python", f"{venv}/bin/python", "install", "--quiet"]
        options = ["--no-deps", "--no-index", "--ignore-installed", "--disable-pip-version-check"]
        subprocess.run([*pip, *options, wheel_file], cwd=name, check=True, capture_output=True)
        yield venv


def outside(fresh: Path) -> dict[str, str]:
    """Somebody's environment who has never seen the tree."""
    left_out = ("PYTHON", "ORDO", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_")
    given = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return given | {"HOME": str(fresh.parent), "XDG_RUNTIME_DIR": str(fresh.parent / "run")}


def run_in(fresh: Path, *command: str) -> str:
    """What a program of the environment says."""
    done = subprocess.run(
        [fresh / "bin" / command[0], *command[1:]],
        cwd=fresh.parent,
        env=outside(fresh),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_package_says_that_it_is_typed() -> None:
    untyped = [name for name, base in PACKAGES.items() if not (base / name / "py.typed").exists()]

    assert untyped == []


def test_the_version_is_said_once_more_and_the_same() -> None:
    text = (ROOT / "ordod/__init__.py").read_text(encoding="utf-8")

    assert f'__version__ = "{project()["version"]}"' in text


def test_the_installed_entry_points_are_those_of_the_tree(
    installed: importlib.metadata.Distribution,
) -> None:
    points = {(point.group, point.name, point.value) for point in installed.entry_points}

    assert points == declared_entry_points(), "install again after a change: pip install -e ."


def test_every_entry_point_leads_to_something(installed: importlib.metadata.Distribution) -> None:
    for point in installed.entry_points:
        assert point.load() is not None


def test_the_wheel_holds_every_file_of_the_three_packages(wheel: zipfile.ZipFile) -> None:
    expected = {
        file.relative_to(base).as_posix()
        for name, base in PACKAGES.items()
        for file in (base / name).rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }

    packed = {name for name in wheel.namelist() if not name.startswith("ordod-")}

    assert packed == expected
    assert {f"{name}/py.typed" for name in PACKAGES} <= packed


def test_the_wheel_declares_the_entry_points_of_the_tree(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    text = wheel.read(name).decode()

    points = importlib.metadata.EntryPoints._from_text_for(text, None)  # type: ignore[attr-defined]
    packed = {(point.group, point.name, point.value) for point in points}

    assert packed == declared_entry_points()


def test_the_wheel_brings_units_installer_and_example_to_share(wheel: zipfile.ZipFile) -> None:
    data = f"ordod-{project()['version']}.data/data/share/ordod/"

    packed = {name.removeprefix(data) for name in wheel.namelist() if name.startswith(data)}

    assert packed == set(SHARED)
    assert all(wheel.read(data + name) == (ROOT / name).read_bytes() for name in SHARED)


def test_the_installed_wheel_trades_without_the_tree(fresh: Path) -> None:
    where = run_in(
        fresh,
        "python",
        "-c",
        "import ordod, ordoctl, ordo_adapters as a; print(a.__path__, ordod, ordoctl)",
    )
    share = fresh / "share/ordod"
    config = str(share / "ordod.conf.example")

    checked = run_in(fresh, "ordod", "check", "--config", config)
    daemon = subprocess.Popen(
        [fresh / "bin/ordod", "--config", config],
        cwd=fresh.parent,
        env=outside(fresh),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert daemon.stderr is not None
        assert '"ready"' in daemon.stderr.readline()
        until(lambda: "READY" in run_in(fresh, "ordoctl", "status"))
        words = ("place", "buy", "1", "NSE:INFY", "--product", "CNC", "--key", "k", "--yes")
        order = json.loads(run_in(fresh, "ordoctl", "--json", *words))["order"]
        hours = run_in(fresh, "ordoctl", "call", "market.status")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(WAIT_S) == 0
    finally:
        daemon.kill()
        daemon.communicate()

    assert str(ROOT) not in where
    assert where.count(str(fresh)) >= 3
    assert "good" in checked
    assert order["key"] == "k"
    assert "NSE" in hours  # by the calendar that is in the wheel
    assert {str(file.relative_to(share)) for file in share.rglob("*") if file.is_file()} == set(
        SHARED
    )


def test_every_module_of_the_wheel_can_be_imported(fresh: Path) -> None:
    """Each reads at its import what it needs of data; and `suite` is there for plugins."""
    every = """
import importlib, pkgutil, ordod, ordoctl, ordo_adapters
for package in (ordod, ordoctl, ordo_adapters):
    for one in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not one.name.endswith("__main__"):
            importlib.import_module(one.name)
            print(one.name)
"""
    imported = run_in(fresh, "python", "-c", every).split()

    assert "ordod.adapter.suite" in imported
    assert "ordo_adapters.zerodha" in imported


def test_what_is_built_twice_is_the_same_to_the_byte(
    wheel_file: Path, sdist_file: Path, tmp_path: Path
) -> None:
    """From a copy of other times and modes, whose files came in another order."""
    copy = tmp_path / "tree"
    copy.mkdir()
    with tarfile.open(sdist_file) as sdist:
        members = [m for m in sdist.getmembers() if m.isfile() and not m.name.endswith("PKG-INFO")]
        for member in reversed(members):
            path = copy / member.name.partition("/")[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            content = sdist.extractfile(member)
            assert content is not None
            path.write_bytes(content.read())
            path.chmod(member.mode | 0o020)
            os.utime(path, (2e9, 2e9))

    assert digest(built(copy, tmp_path / "w", "wheel")) == digest(wheel_file)
    assert digest(built(copy, tmp_path / "s", "sdist")) == digest(sdist_file)


def test_the_sdist_is_the_tree(sdist_file: Path) -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("what belongs to the tree only git knows")
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tree = {name for name in told.split("\0") if name and (ROOT / name).exists()}

    with tarfile.open(sdist_file) as sdist:
        packed = {member.name.partition("/")[2] for member in sdist if member.isfile()}

    assert packed - {"PKG-INFO"} == {name for name in tree if not name.startswith(".ci/")}
