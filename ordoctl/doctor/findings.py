"""What a check says: one line, and where something is to be done, the command that does it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

__all__ = ["Finding", "Result", "counted", "is_good", "ok", "problem", "skipped", "told", "warning"]


class Result(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


class Finding(Struct, frozen=True, kw_only=True):
    """One check's result.

    Args:
        check: its name, which stays: `config`, `clock` ...
        about: of what, where there is one for each: an account, a host; "" otherwise.
        mend: a command, or what to do; "" where nothing is.
    """

    check: str
    about: str = ""
    result: Result
    message: str
    mend: str = ""


def ok(check: str, message: str, *, about: str = "") -> Finding:
    return Finding(check=check, about=about, result=Result.OK, message=message)


def warning(check: str, message: str, mend: str, *, about: str = "") -> Finding:
    return Finding(check=check, about=about, result=Result.WARNING, message=message, mend=mend)


def problem(check: str, message: str, mend: str, *, about: str = "") -> Finding:
    return Finding(check=check, about=about, result=Result.PROBLEM, message=message, mend=mend)


def skipped(check: str, why: str, mend: str = "", *, about: str = "") -> Finding:
    """Not looked at, and why; never a judgement."""
    return Finding(check=check, about=about, result=Result.SKIPPED, message=why, mend=mend)


def counted(count: int, what: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def is_good(findings: Sequence[Finding]) -> bool:
    return all(finding.result is not Result.PROBLEM for finding in findings)


def told(findings: Sequence[Finding]) -> dict[str, Any]:
    """As `--json` has it."""
    counts = {result.value: 0 for result in Result}
    for finding in findings:
        counts[finding.result.value] += 1
    return {"good": is_good(findings), "counts": counts, "checks": findings}
