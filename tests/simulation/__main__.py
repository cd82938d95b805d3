"""Runs worlds: `python -m tests.simulation --seeds 10000 --jobs 2`, or one of them with its story: `--seed 4711 -v`."""

# ruff: noqa: T201 - a command line

import argparse
import sys
import time
import traceback

from tests.simulation.runner import Found, live
from tests.simulation.world import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="start", help="the first one")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--planted", default="", help="with this bug put in (planted.py)")
    parser.add_argument("-v", action="store_true", dest="is_told", help="print its story")
    asked = parser.parse_args()
    if asked.seed is not None:
        return _one(asked.seed, is_told=asked.is_told)
    began = time.perf_counter()
    count = 0
    found: list[Found] = []
    for each, lived in live(
        range(asked.start, asked.start + asked.seeds), jobs=asked.jobs, plant=asked.planted
    ):
        count += lived
        for one in each:
            found.append(one)
            print(
                f"seed {one.seed}: {one.message}\n    python -m tests.simulation --seed {one.seed} -v",
                flush=True,
            )
    took = time.perf_counter() - began
    print(f"{count} worlds in {took:.0f} s, {count / took:.1f} a second; {len(found)} broken")
    return 1 if found else 0


def _one(seed: int, *, is_told: bool) -> int:
    world = run(seed, is_told=is_told)
    if is_told:
        print(world.profile)
        print("\n".join(world.story))
    for broken in world.checks.found:
        print(f"seed {seed}: {broken}")
        if broken.__cause__ is not None:
            traceback.print_exception(broken.__cause__)
    print(f"seed {seed}: {len(world.checks.found)} broken, digest {world.digest()}")
    return 1 if world.checks.found else 0


if __name__ == "__main__":
    sys.exit(main())
