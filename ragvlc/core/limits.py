"""Limits on the size of inputs, so that a damaged or hostile file costs one error instead of all memory.

Each limit has a default and an environment variable that raises it; every error names both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ragvlc.core.errors import ConfigError

__all__ = [
    "DECOMPRESSED_BYTES",
    "DECOMPRESSED_RATIO",
    "DOCUMENT_BYTES",
    "JSON_DEPTH",
    "LINE_BYTES",
    "YAML_ALIASES",
    "YAML_BYTES",
    "YAML_DEPTH",
    "YAML_NODES",
    "Limit",
]


@dataclass(frozen=True, slots=True)
class Limit:
    """A largest allowed number of something.

    Attributes:
        default: the number, where the variable is not set.
        variable: environment variable with another number.
        unit: what is counted, in the plural.
    """

    default: int
    variable: str
    unit: str

    @property
    def value(self) -> int:
        """The limit in force. Raises `ConfigError` if the variable holds no whole number above 0."""
        given = os.environ.get(self.variable, "").strip().replace("_", "")
        if not given:
            return self.default
        if not (given.isascii() and given.isdigit() and len(given) < 19 and int(given) > 0):
            raise ConfigError(f"{self.variable}: must be a whole number of {self.unit} above 0, not '{given}'.")
        return int(given)

    def advice(self) -> str:
        """Returns the sentences that end an error: the limit, and how to raise it."""
        return f"The limit is {self.value:,} {self.unit}. To raise it, set the environment variable {self.variable}."


JSON_DEPTH = Limit(100, "RAGVLC_JSON_DEPTH", "levels")
YAML_BYTES = Limit(4_000_000, "RAGVLC_YAML_BYTES", "bytes")
YAML_DEPTH = Limit(100, "RAGVLC_YAML_DEPTH", "levels")
YAML_ALIASES = Limit(1_000, "RAGVLC_YAML_ALIASES", "aliases")
YAML_NODES = Limit(1_000_000, "RAGVLC_YAML_NODES", "values")
"""Values of a YAML file with every alias replaced by what it stands for."""
DOCUMENT_BYTES = Limit(200_000_000, "RAGVLC_DOCUMENT_BYTES", "bytes")
"""Of one file that is read as a document or as a table."""
LINE_BYTES = Limit(64_000_000, "RAGVLC_LINE_BYTES", "bytes")
"""Of one line of a JSON Lines file."""
DECOMPRESSED_BYTES = Limit(2_000_000_000, "RAGVLC_DECOMPRESSED_BYTES", "bytes")
"""Of a compressed file's content."""
DECOMPRESSED_RATIO = Limit(200, "RAGVLC_DECOMPRESSED_RATIO", "times the compressed size")
"""Of content to compressed file; content below 10 MB is never refused for its ratio."""
