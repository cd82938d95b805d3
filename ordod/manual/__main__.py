"""`python -m ordod.manual PAGE`: one of the pages that are made, to standard output."""

import json
import sys

from ordod.manual import errors, methods, records

USAGE = (
    "usage: python -m ordod.manual methods|errors|records   (methods reads rpc.discover's answer)\n"
)


def main(arguments: list[str]) -> int:
    """Write the page that is asked for; the exit status."""
    match arguments:
        case ["methods"]:
            sys.stdout.write(methods.page(json.load(sys.stdin)))
        case ["errors"]:
            sys.stdout.write(errors.page())
        case ["records"]:
            sys.stdout.write(records.page())
        case _:
            sys.stderr.write(USAGE)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
