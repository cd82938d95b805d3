"""The distribution: what is built holds everything, and what is installed is what the tree says."""

import importlib.metadata
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"ordod": ROOT, "ordoctl": ROOT, "ordo_adapters": ROOT / "adapters"}


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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling builds the wheel")
    if not (ROOT / project()["readme"]).exists():
        pytest.skip(f"the tree has no {project()['readme']}, without which nothing is built")
    folder = tmp_path_factory.mktemp("dist")
    (built,) = builders.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(built)


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

    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert packed == expected
    assert {f"{name}/py.typed" for name in PACKAGES} <= packed


def test_the_wheel_declares_the_entry_points_of_the_tree(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    text = wheel.read(name).decode()

    points = importlib.metadata.EntryPoints._from_text_for(text, None)  # type: ignore[attr-defined]
    packed = {(point.group, point.name, point.value) for point in points}

    assert packed == declared_entry_points()
