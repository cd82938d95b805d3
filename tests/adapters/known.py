"""Every adapter of this repository, by the entry points it declares, installed or not yet."""

import tomllib
from importlib import import_module
from pathlib import Path

from ordod.adapter import Adapter

__all__ = ["ADAPTERS", "samples_of"]

ROOT = Path(__file__).parents[2]


def _declared() -> dict[str, Adapter]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for broker, place in project["entry-points"]["ordod.adapters"].items():
        module, _, name = place.partition(":")
        found[broker] = getattr(import_module(module), name)
    return found


ADAPTERS: dict[str, Adapter] = _declared()


def samples_of(adapter: Adapter) -> Path:
    return ROOT / "tests" / "adapters" / adapter.spec.id / "samples"
