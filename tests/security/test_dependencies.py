"""What an installation brings along: what we name, what those need, and nothing else."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent
# Whom the named ones need. A new name here is a new party to trust: look at it before it is added.
BROUGHT = frozenset(
    [
        "attrs",
        "certifi",
        "cffi",
        "httpcore",
        "idna",
        "jsonschema",
        "jsonschema-specifications",
        "markdown-it-py",
        "mdurl",
        "oslash",
        "pycparser",
        "pygments",
        "referencing",
        "rpds-py",
        "tenacity",
        "typing-extensions",
    ]
)


def _project() -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def named() -> list[Requirement]:
    listed = _project()["dependencies"]
    assert isinstance(listed, list)
    return [Requirement(text) for text in listed]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(names: list[str]) -> Iterator[str]:
    """These and all they need, on this system."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = plain(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        yield name
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # pip check says whether it should be there
        waiting += [
            each.name
            for each in map(Requirement, requires)
            if each.marker is None or each.marker.evaluate({"extra": ""})
        ]


def test_every_dependency_has_a_lower_bound_and_comes_from_an_index_by_name() -> None:
    for requirement in named():
        operators = {each.operator for each in requirement.specifier}

        assert operators & {">=", "==", "~="}, f"{requirement} may be any old version"
        assert requirement.url is None, requirement


def test_an_installation_brings_nobody_along_who_is_not_known() -> None:
    ours = {plain(requirement.name) for requirement in named()}

    assert set(needed([*ours])) - ours - BROUGHT == set()


def test_what_is_installed_fits_together() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout
