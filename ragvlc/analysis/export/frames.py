"""Tables of figures as CSV and Parquet files."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_bytes", "parquet_bytes"]


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Returns a table as CSV in UTF-8; lists and mappings are JSON."""
    text: str = _plain(frame).to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8", "replace")


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Returns a table as Parquet; lists and mappings are JSON, and a column of numbers and words is of words."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(_plain(frame), preserve_index=False), buffer, compression="zstd")
    return buffer.getvalue()


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the table with values that every format has, one type a column."""
    found = frame.rename(columns=str)
    return found.assign(**{name: _column(list(found[name])) for name in found.columns if found[name].dtype == object})


def _column(values: list[Any]) -> list[Any]:
    plain = [_value(value) for value in values]
    if len({_type(one) for one in plain if one is not None}) > 1:
        return [one if one is None or isinstance(one, str) else json.dumps(one) for one in plain]
    return plain


def _type(value: object) -> type:
    return bool if isinstance(value, bool) else str if isinstance(value, str) else float


def _value(value: Any) -> Any:  # noqa: ANN401 - what a row has
    if value is None or value != value:  # noqa: PLR0124 - not a number: missing
        return None
    if isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
