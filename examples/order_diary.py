"""Writes down what becomes of orders, and misses nothing while it does not run.

    python examples/order_diary.py --file orders.ndjson

Where it stopped is in the last line of its file: `seq` and `epoch` of the event. Started again it asks for all that came since.
The daemon may be killed and started meanwhile, and so may this.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ordoctl import Client
from ordoctl.models import Event


def last_line(file: Path) -> dict[str, Any]:
    lines = file.read_text().splitlines() if file.exists() else []
    whole = [line for line in lines if line.endswith("}")]  # the last may have been cut off
    return dict(json.loads(whole[-1])) if whole else {}


def is_cut(file: Path) -> bool:
    """Whether it was killed in mid-line."""
    return file.exists() and bool(text := file.read_text()) and not text.endswith("\n")


def entry(event: Event) -> dict[str, Any] | None:
    order = event.order
    if order is None:
        return None
    return {
        "seq": event.seq,
        "epoch": event.epoch,
        "key": order.key,
        "what": f"{order.side} {order.quantity} {order.symbol}",
        "status": order.status,
        "filled": order.filled_quantity,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--until", help="end with the final event of this key; else never")
    parser.add_argument("--socket", help="where ordod listens; default: the usual places")
    asked = parser.parse_args()
    known = last_line(asked.file)
    with Client(asked.socket) as client, asked.file.open("a") as diary:
        diary.write("\n" if is_cut(asked.file) else "")
        events = client.events(["orders"], since=known.get("seq"), epoch=known.get("epoch"))
        with events:
            for event in events:
                told = entry(event)
                if told is None:
                    continue  # how everything stood when it began
                diary.write(json.dumps(told) + "\n")
                diary.flush()
                print(f"{told['key']}: {told['what']} {told['status']}", flush=True)
                if event.order and event.order.key == asked.until and event.order.is_final:
                    return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
