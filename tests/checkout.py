"""A copy of this checkout, as somebody has it who just cloned it."""

import shutil
from pathlib import Path

__all__ = ["copied"]

ROOT = Path(__file__).parent.parent
# What was made in it; other tests may be making some of it just now.
MADE = shutil.ignore_patterns(
    ".git", ".venv", ".vendor-envs", ".hypothesis", ".*_cache", "__pycache__"
)


def copied(place: Path) -> Path:
    """At this place, which is not there yet."""
    return Path(shutil.copytree(ROOT, place, ignore=MADE))
