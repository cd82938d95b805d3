"""Tables written to files: CSV, and Parquet where pyarrow is installed."""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ordoctl.offline import OfflineError, Table

__all__ = ["FORMATS", "write_tables"]

IST_OFFSET = "+05:30"
MONEY = (38, 10)  # digits, and behind the point: no broker's average has more
FORMATS = ("csv", "parquet")


def write_tables(tables: Sequence[Table], folder: Path, day: str, form: str) -> list[Path]:
    """One file a table, `<table>-<day>.<form>`; none is ever written over.

    Raises:
        OfflineError: a file is there already, cannot be written, or pyarrow is not installed.
    """
    contents = [_csv(table) if form == "csv" else _parquet(table) for table in tables]
    files = [folder / f"{table.name}-{day}.{form}" for table in tables]
    for file in files:
        if file.exists():
            raise OfflineError(
                f"{file} is there already; name another folder with --to, or remove it"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in zip(files, contents, strict=True):
            with file.open("xb") as stream:
                stream.write(content)
    except OSError as why:
        raise OfflineError(f"{why.filename or folder} cannot be written: {why.strerror}") from None
    return files


def _csv(table: Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(
        [_text(value, kind) for value, kind in zip(row, table.kinds, strict=True)]
        for row in table.rows
    )
    return text.getvalue().encode()


def _text(value: Any, kind: str) -> str:
    """RFC 3339 times with their offset; decimals in full, never with an exponent; empty: nothing to say."""
    if value is None:
        return ""
    if kind == "time":
        return str(value.isoformat(timespec="microseconds"))
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _parquet(table: Table) -> bytes:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
        from pyarrow import parquet
    except ImportError:
        raise OfflineError(
            "Parquet needs pyarrow: pip install 'ordod[parquet]', or --format csv"
        ) from None
    types = {
        "text": pa.string(),
        "whole": pa.int64(),
        "money": pa.decimal128(*MONEY),
        "time": pa.timestamp("us", tz=IST_OFFSET),
    }
    schema = pa.schema(
        [(name, types[kind]) for name, kind in zip(table.columns, table.kinds, strict=True)]
    )
    columns = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), sink)
    return sink.getvalue()
