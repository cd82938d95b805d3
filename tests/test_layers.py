"""Who may import what (the table of the style guide), read from every import there is, those inside functions too.

And what the pure parts may not touch: clocks, chance, files, sockets, threads reach the core through its ports only.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Part -> what of ours it may import besides itself. The longest prefix of a module's name is its part.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "ordod": (),
    "ordod.__main__": (
        "ordod.running",
        "ordod.demo",
        "ordod.io.signals",
    ),  # the handler comes before all else
    "ordod.running": ("ordod",),  # the real ports around app
    "ordod.demo": ("ordod.app", "ordod.config", "ordoctl"),
    "ordod.app": ("ordod",),
    "ordod.mark_file": ("ordod.core.orders.opening",),
    "ordod.notifying": ("ordod.core", "ordod.service"),
    "ordod.receivers": (
        "ordod.adapter",
        "ordod.config",
        "ordod.core",
        "ordod.domain",
        "ordod.io",
        "ordod.secrets",
    ),
    "ordod.reloading": (
        "ordod.adapter",
        "ordod.config",
        "ordod.core",
        "ordod.errors",
        "ordod.roster",
    ),
    "ordod.roster": ("ordod.adapter", "ordod.config", "ordod.core", "ordod.usable"),
    "ordod.registry": ("ordod.adapter",),
    "ordod.config": ("ordod.domain", "ordod.errors"),
    "ordod.private_file": (),
    "ordod.tokens": ("ordod.private_file",),
    "ordod.remote": (
        "ordod.config",
        "ordod.domain.references",
        "ordod.service.methods",
        "ordod.tokens",
        "ordod.wire",
    ),
    "ordod.store": ("ordod.private_file",),
    "ordod.secrets": ("ordod.adapter", "ordod.domain.references", "ordod.errors", "ordod.store"),
    "ordod.store_key": (
        "ordod.adapter",
        "ordod.domain.references",
        "ordod.private_file",
        "ordod.secrets",
        "ordod.store",
    ),
    "ordod.usable": (
        "ordod.adapter",
        "ordod.config",
        "ordod.domain",
        "ordod.registry",
        "ordod.secrets",
        "ordod.store",
        "ordod.store_key",
    ),
    "ordod.vault": ("ordod.store",),
    "ordod.logs": ("ordod.adapter", "ordod.errors", "ordod.secrets"),
    "ordod.machine": ("ordod.core.histogram",),
    "ordod.metrics": (
        "ordod.core",
        "ordod.machine",
        "ordod.service.accounts",
        "ordod.service.methods",
        "ordod.wire.connection",
        "ordod.wire.dispatch",
    ),
    "ordod.errors": (),
    "ordod.domain": (),
    "ordod.adapter": ("ordod.domain",),
    "ordod.core": ("ordod.domain", "ordod.errors", "ordod.adapter"),
    "ordod.io": ("ordod.core.ports", "ordod.adapter", "ordod.domain", "ordod.errors"),
    "ordod.service": ("ordod.core", "ordod.domain", "ordod.errors"),
    "ordod.wire": ("ordod.service", "ordod.errors"),
    "ordod.manual": (  # pages of docs, made of what the code says
        "ordod.adapter",
        "ordod.core",
        "ordod.domain",
        "ordod.errors",
        "ordod.service.described",
    ),
    "ordod.paper": ("ordod.core.ports", "ordod.adapter", "ordod.domain"),
    "ordod.sim": ("ordod.paper", "ordod.domain"),
    "ordoctl": (),
    "ordo_adapters": ("ordod.adapter",),
}

# What ordoctl may import inside a function, for the commands that work without a daemon.
OFFLINE = (
    "ordod.core.orders",
    "ordod.core.guard.gate",
    "ordod.io",
    "ordod.registry",
    "ordod.remote",
    "ordod.secrets",
    "ordod.store",
    "ordod.store_key",
    "ordod.tokens",
    "ordod.config",
    "ordod.usable",
    "ordod.wire.tls",
)

PURE = ("ordod.domain", "ordod.errors", "ordod.adapter", "ordod.core", "ordo_adapters")
IMPURE_MODULES = frozenset((
    "_thread", "concurrent", "ctypes", "fcntl", "ftplib", "glob", "http", "importlib", "mmap", "multiprocessing",
    "os", "pathlib", "random", "resource", "sched", "secrets", "select", "selectors", "shutil", "signal",
    "smtplib", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time",
    "urllib.request", "uuid", "anyio.to_thread", "anyio.from_thread", "anyio.to_process",
))  # fmt: skip
IMPURE_CALLS = frozenset((
    "open", "input", "exec", "eval", "__import__", "datetime.now", "datetime.utcnow", "datetime.today",
    "date.today", "asyncio.to_thread", "asyncio.open_connection", "asyncio.open_unix_connection",
    "asyncio.start_server", "asyncio.start_unix_server", "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell", "anyio.open_file", "anyio.Path", "anyio.connect_tcp", "anyio.connect_unix",
    "anyio.create_tcp_listener", "anyio.create_unix_listener", "anyio.create_udp_socket", "anyio.run_process",
    "anyio.open_process", "anyio.open_signal_receiver", "anyio.to_thread.run_sync",
))  # fmt: skip

# Besides the standard library: an adapter that wants more would hide what it does behind it.
ADAPTERS_THIRD_PARTY = ("msgspec",)


def source_files() -> dict[str, Path]:
    """Every module of ours by name."""
    files = {}
    for base, package in ((ROOT, "ordod"), (ROOT, "ordoctl"), (ROOT / "adapters", "ordo_adapters")):
        for file in sorted((base / package).rglob("*.py")):
            parts = file.relative_to(base).with_suffix("").parts
            files[".".join(parts).removesuffix(".__init__")] = file
    return files


MODULES = source_files()


def violations(module: str, source: str) -> list[str]:
    """What this text would do, as this module, that it may not."""
    tree = ast.parse(source)
    found = [*_wrong_imports(module, tree)]
    if _is_within(module, PURE) and module not in (
        "ordod.adapter.suite",
        "ordod.adapter.table",
    ):
        found += _impure(tree)
    return found


def _wrong_imports(module: str, tree: ast.Module) -> Iterator[str]:
    part = _part(module)
    for target, line, at_top in _imports(tree):
        if target.split(".")[0] not in ("ordod", "ordoctl", "ordo_adapters"):
            if part == "ordo_adapters" and not _is_for_adapters(target):
                yield f"line {line}: an adapter imports {target}"
        elif target == "ordod" or _home(target) == _home(module):
            continue  # the version; itself
        elif _is_within(target, MAY_IMPORT[part]):
            continue
        elif part != "ordoctl" or at_top or not _is_within(target, OFFLINE):
            yield f"line {line}: {module} imports {target}"


def _impure(tree: ast.Module) -> Iterator[str]:
    for target, line, _ in _imports(tree):
        if _is_within(target, tuple(IMPURE_MODULES)) or target in IMPURE_CALLS:
            yield f"line {line}: a pure part imports {target}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func)
        # `datetime.datetime.now` is `datetime.now` as well.
        if {name, name.removeprefix("datetime.")} & IMPURE_CALLS:
            yield f"line {node.lineno}: a pure part calls {name}"


def _imports(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """Target, line, and whether it is carried out when the module is imported."""
    inner = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(outer)
    }
    for node in ast.walk(tree):
        at_top = id(node) not in inner
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, at_top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide what is imported"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole in MODULES or whole in IMPURE_MODULES or whole in IMPURE_CALLS
                yield (whole if is_module else str(node.module)), node.lineno, at_top


def _part(module: str) -> str:
    names = module.split(".")
    prefixes = (".".join(names[:count]) for count in range(len(names), 0, -1))
    return next(prefix for prefix in prefixes if prefix in MAY_IMPORT)


def _home(module: str) -> str:
    """The part, or for adapters the broker's own package: one broker does not lean on another."""
    if module.startswith("ordo_adapters."):
        return ".".join(module.split(".")[:2])
    return _part(module)


def _is_within(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


def _is_for_adapters(target: str) -> bool:
    top = target.split(".")[0]
    return top in sys.stdlib_module_names or top in ADAPTERS_THIRD_PARTY


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of such an expression; "" of any other."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute() if inner := _dotted(node.value):
            return f"{inner}.{node.attr}"
        case _:
            return ""


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    assert violations(module, MODULES[module].read_text(encoding="utf-8")) == []


def test_every_module_belongs_to_a_part_of_the_table() -> None:
    strangers = [module for module in MODULES if _part(module) == "ordod" and module != "ordod"]

    assert strangers == []


def test_the_folder_of_the_adapters_is_no_package() -> None:
    assert not (ROOT / "adapters/__init__.py").exists()


# The checker is checked: each of these must be caught, and none of the others.


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ordod.core.orders.desk", "import time"),
        ("ordod.core.orders.desk", "from time import monotonic"),
        ("ordod.core.orders.desk", "def late():\n    import random"),
        ("ordod.core.orders.desk", "if True:\n    import sqlite3 as s"),
        ("ordod.core.orders.desk", "import os.path"),
        ("ordod.core.orders.desk", "import ordod.io.disk"),
        ("ordod.core.orders.desk", "from ordod import config"),
        ("ordod.core.orders.desk", "from ordod.service.methods import Role"),
        ("ordod.core.orders.desk", "data = open('x').read()"),
        ("ordod.core.orders.desk", "from datetime import datetime\nnow = datetime.now()"),
        ("ordod.core.orders.desk", "import datetime\nnow = datetime.datetime.now(tz=None)"),
        ("ordod.core.orders.desk", "from datetime import date\nday = date.today()"),
        ("ordod.core.hub", "import anyio\nasync def f():\n    await anyio.connect_tcp('x', 1)"),
        ("ordod.core.hub", "from anyio import to_thread"),
        ("ordod.core.hub", "from anyio import connect_tcp"),
        ("ordod.core.hub", "import anyio.to_thread"),
        ("ordod.domain.orders", "from ordod.errors import Kind"),
        ("ordod.errors", "from ordod.domain.orders import Side"),
        ("ordod.adapter.codes", "from ordod.errors import Kind"),
        ("ordod.io.disk", "from ordod.core.orders.records import Entry"),
        ("ordod.io.disk", "from ordod.core import guard"),
        ("ordod.wire.dispatch", "from ordod.core.ports import Clock"),
        ("ordod.service.orders", "from ordod.adapter import Secret"),
        ("ordod.service.orders", "from ordod.io.disk import RealDisk"),
        ("ordod.sim.zerodha", "from ordo_adapters.zerodha.tables import SPEC"),
        ("ordod.sim.zerodha", "from ordod.adapter import Codes"),
        ("ordod.config.reading", "from ordod.adapter import Secret"),
        ("ordo_adapters.banyan", "from ordod.domain.orders import Side"),
        ("ordo_adapters.banyan", "from ordod.errors import OrdoError"),
        ("ordo_adapters.banyan", "from ordo_adapters.acacia.rows import OrderRow"),
        ("ordo_adapters.banyan.login", "import httpx"),
        ("ordo_adapters.banyan.login", "import time"),
        ("ordo_adapters.banyan.login", "import urllib.request"),
        ("ordoctl.client", "from ordod.errors import Kind"),
        ("ordoctl.cli", "from ordod.core.orders.journal import Journal"),
        ("ordoctl.cli", "def run():\n    import ordod.app"),
    ],
)  # fmt: skip
def test_a_forbidden_import_is_caught(module: str, source: str) -> None:
    assert violations(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ordod.core.orders.desk", "import anyio, hashlib\nfrom ordod.core.ports import Clock"),
        ("ordod.core.orders.desk", "def f(clock):\n    return clock.now()"),
        ("ordod.core.orders.desk", "from ordod import __version__"),
        ("ordod.io.disk", "import os, time, threading\nfrom ordod.core.ports import Disk"),
        ("ordod.adapter.suite", "from pathlib import Path"),
        ("ordo_adapters.banyan", "import csv\nfrom urllib.parse import quote\nimport msgspec"),
        ("ordo_adapters.banyan", "from ordo_adapters.banyan.rows import OrderRow"),
        ("ordoctl.cli", "def repair():\n    from ordod.core.orders.journal import Journal"),
        ("ordod.app", "from ordod.io.tables import SqliteTables"),
    ],
)
def test_what_is_allowed_is_not_caught(module: str, source: str) -> None:
    assert violations(module, source) == []
