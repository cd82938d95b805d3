"""Pages of docs/ that are made, not written: what they say stands in the code, and a test finds them stale.

ordoctl --json call rpc.discover | python -m ordod.manual methods > docs/methods.md
python -m ordod.manual errors > docs/errors.md
python -m ordod.manual records           # the table of docs/journal.md
"""
