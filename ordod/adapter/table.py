"""The brokers' table: what each can, what proves it, how one logs in, what limits hold. Made of code and samples, not written by hand.

    python -m ordod.adapter.table [TESTS]

TESTS (default `tests/adapters`) holds `<broker>/samples`. What proves an operation, the strongest of

- `client`: the broker's own SDK sends the request that the adapter sends (`samples/vendor/requests.json`, what the SDK sent);
- `samples`: answers that the broker sent, or published as samples;
- `documentation`: answers composed from what its documentation says.

The numbers are the answers that are played: those that end well and those of faults.
"""

import json
import re
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

from ordod.adapter import OPERATIONS, Adapter, HttpRequest, supports
from ordod.adapter.suite import Bench, Samples, load

__all__ = ["main", "table"]

Shape = tuple[str, str]  # method and path, identifiers aside

_IDENTIFIER = re.compile(r"[^/]*\d[^/]*")


def table(brokers: Mapping[Adapter, Path | None]) -> str:
    """Markdown. `-`: the broker or its adapter cannot; `not proved`: it can, and nothing here shows it."""
    adapters = sorted(brokers, key=lambda adapter: adapter.spec.id)
    samples = {
        adapter: load(folder) if folder and (folder / "suite.json").exists() else None
        for adapter, folder in brokers.items()
    }
    ids = [adapter.spec.id for adapter in adapters]
    lines = [_row("operation", *ids), _row(*("---" for _ in range(len(ids) + 1)))]
    for operation in OPERATIONS:
        cells = (_proof(adapter, operation, samples[adapter]) for adapter in adapters)
        lines.append(_row(f"`{operation}`", *cells))
    cells = (_stream_proof(adapter, samples[adapter]) for adapter in adapters)
    lines.append(_row("`stream`", *cells))
    lines += ["", _row("broker", "login", "tag", "limits"), _row("---", "---", "---", "---")]
    lines += [_facts(adapter) for adapter in adapters]
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _proof(adapter: Adapter, operation: str, samples: Samples | None) -> str:
    if not supports(adapter, operation):
        return "-"
    every = samples.of(operation) if samples else ()
    if samples is None or not every:
        return "not proved"
    well = samples.of(operation, ending_well=True)
    bench = Bench(adapter, samples, "")
    requests = [request for one in well for request in bench.play(one).requests]
    sent = _sent_by_the_sdk(samples)
    if any(_is_sent(_shape(one.method, one.path), sent) for one in _telling(requests)):
        proof = "client"
    elif any(one.source == "sample" for one in every):
        proof = "samples"
    else:
        proof = "documentation"
    return f"{proof} {len(well)}" + (f"+{len(every) - len(well)}" if len(every) > len(well) else "")


def _stream_proof(adapter: Adapter, samples: Samples | None) -> str:
    if not supports(adapter, "stream"):
        return "-"
    if samples is None or not samples.streams:
        return "not proved"
    is_sample = any(one.source == "sample" for one in samples.streams)
    return f"{'samples' if is_sample else 'documentation'} {len(samples.streams)}"


def _telling(requests: list[HttpRequest]) -> list[HttpRequest]:
    """Those that are the operation's own: where it writes, not what it asks for before."""
    return [one for one in requests if one.writes] or requests


def _sent_by_the_sdk(samples: Samples) -> set[Shape]:
    file = samples.folder / "vendor" / "requests.json"
    if not file.exists():
        return set()
    sent = json.loads(file.read_bytes())["sent"]
    return {_shape(one["request"]["method"], one["request"]["path"]) for one in sent}


def _is_sent(ours: Shape, sent: set[Shape]) -> bool:
    """A word before a path of the SDK's tells which host it meant: the server that keeps its requests is one for all."""
    method, path = ours
    return any(
        theirs == method and kept.endswith(path) and kept.removesuffix(path).count("/") <= 1
        for theirs, kept in sent
    )


def _shape(method: str, path: str) -> Shape:
    """Segments that name an order, an instrument or a day are told by their digits; so are versions, on both sides."""
    return method, _IDENTIFIER.sub("*", path)


def _facts(adapter: Adapter) -> str:
    spec = adapter.spec
    tag = f"{spec.tag.length} of {len(spec.tag.alphabet)}" if spec.tag else "none"
    logins = ", ".join(f"`{mode}`" if mode else "official" for mode in spec.logins) or "none"
    limits = ", ".join(f"{w.group or 'all'} {w.count}/{_span(w.seconds)}" for w in spec.windows)
    return _row(spec.name, logins, tag, limits or "none")


def _span(seconds: int) -> str:
    names = {1: "s", 60: "min", 3600: "h", 86_400: "day"}
    return names.get(seconds, f"{seconds} s")


def main(arguments: list[str]) -> int:
    if len(arguments) > 1:
        sys.stderr.write("usage: python -m ordod.adapter.table [TESTS]\n")
        return 2
    tests = Path(arguments[0] if arguments else "tests/adapters")
    points = {point.name: point for point in entry_points(group="ordod.adapters")}
    if not points:
        sys.stderr.write("no adapter is installed; `pip install -e .` makes them known\n")
        return 1
    adapters = [point.load() for _, point in sorted(points.items())]
    sys.stdout.write(table({one: tests / one.spec.id / "samples" for one in adapters}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
