"""What the word behind a block's language says, and who runs a block that this folder does not run.

```sh runnable    is run as it stands, in the document's order, beside the daemon of `ordod.conf.example`
```json           is an exchange with that daemon, `json journal` lines of a journal
```sh WHY         is not, for one of the reasons below; its commands are parsed all the same
"""

from collections.abc import Mapping

from msgspec import Struct

__all__ = ["LANGUAGES", "LAST", "ON_A_MACHINE", "PACKED", "RUNNABLE", "WHY_NOT", "WhyNot"]

RUNNABLE = "runnable"
LAST = "last"  # of an exchange that ends the daemon: it comes after all others
# Of commands that tests/system/test_documents.py runs as they stand, in order, on a Debian with systemd, where one can be made
# (ORDO_SYSTEM_TESTS=1, and in CI); a method of its reader for each.
ON_A_MACHINE = ("systemd", "remote", "trace", "secret")
PACKED = (
    "packed"  # of what test_packed.py does in the folder of a journal whose first day is compressed
)


class WhyNot(Struct, frozen=True):
    """Why a block is not run here, and the tests that do what it does (files, and words that stand in them)."""

    why: str
    by: Mapping[str, str]


LANGUAGES: Mapping[str, str] = {
    "sh": "commands: run, or parsed where WHY_NOT says why",
    "python": "run, or compiled where WHY_NOT says why",
    "toml": "a whole configuration is made of it, and `ordod check` finds it good",
    "json": "requests are sent to a daemon, and its answers have what is shown; lines of a journal are read",
    "text": "nothing that anybody types: a picture, what a program printed",
    "ini": "units and their drop-ins: parsed",
    "yaml": "other programs' configurations",
    "nginx": "another program's configuration",
    "dockerfile": "run by the tests of the container",
}

WHY_NOT: Mapping[str, WhyNot] = {
    "install": WhyNot(
        "makes an environment and fetches packages: the README's first is run in a copy of the checkout, the others by the slow tests",
        {"tests/documents/test_typed.py": 'of("install")', ".ci/run": "README.md"},
    ),
    "daemon": WhyNot(
        "runs in the foreground until it is ended: run in the environment that the README's first command made",
        {"tests/documents/test_typed.py": 'of("daemon", "README.md")'},
    ),
    "systemd": WhyNot(
        "wants a machine with systemd, and root: run on one",
        {"tests/system/test_documents.py": "ON_A_MACHINE"},
    ),
    "remote": WhyNot(
        "wants two machines, and root on one: run on one that is both, with an SSH server, and the document's runnable blocks",
        {"tests/system/test_documents.py": "ON_A_MACHINE"},
    ),
    "trace": WhyNot(
        "reads the log of a service: run on a machine with one, where there are lines of what it names",
        {"tests/system/test_documents.py": "ON_A_MACHINE"},
    ),
    "secret": WhyNot(
        "asks for a secret at a terminal: run at one, on a machine with the service",
        {"tests/system/test_documents.py": "ON_A_MACHINE"},
    ),
    PACKED: WhyNot(
        "wants a journal of past days: run beside one that a daemon wrote",
        {"tests/documents/test_packed.py": "PACKED"},
    ),
    "container": WhyNot(
        "wants a container engine: run by the slow tests where there is a Docker, compose.yaml is read by the others",
        {
            "tests/system/test_docker.py": 'block.mark == "container"',
            "tests/test_container.py": "compose.yaml",
        },
    ),
    "asks": WhyNot(
        "asks a person at a terminal: run at one",
        {"tests/documents/test_typed.py": 'of("asks", "docs/quickstart.md")'},
    ),
    "broker": WhyNot(
        "wants an account at a real broker: run against simulated ones",
        {"tests/documents/test_typed.py": 'of("broker", "docs/quickstart.md")'},
    ),
    "long": WhyNot(
        "takes minutes: run by the slow tests, and its short form by the others",
        {"tests/documents/test_typed.py": 'of("long")', "tests/test_benchmarks.py": "--quick"},
    ),
    "adapter": WhyNot(
        "a part of an adapter that is to be written, and its tests: run with a broker's name that is there; the whole is a plugin",
        {
            "tests/documents/test_typed.py": 'of("adapter", "docs/adapters.md")',
            "tests/adapters/test_registry.py": "plugin",
        },
    ),
    "program": WhyNot(
        "a program of the user's that the daemon calls on, elsewhere in the file system: run there as the daemon runs it",
        {
            "tests/test_alert_settings.py": "test_the_documents_pager_script_posts_what_was_told",
        },
    ),
    "before": WhyNot(
        "what a bot did without Ordo: wants a broker's SDK, which has an environment of its own",
        {"tests/vendor/environments.py": "kiteconnect"},
    ),
}
