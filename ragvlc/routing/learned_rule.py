"""A learned rule that chooses between two routes, stored as numbers in a JSON file.

Reading one runs nothing, unless it names a chunker or retriever of your own (`module:Class`), which is then imported as
for a pipeline file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ragvlc.core.component import part
from ragvlc.core.families import Chunker, Retriever
from ragvlc.core.json_text import parse_json
from ragvlc.core.texts import first_fault
from ragvlc.routing.declared_metadata import Declared
from ragvlc.routing.features import known_features

__all__ = ["FEATURES_VERSION", "LearnedRule", "metadata_feature"]

FEATURES_VERSION = 1
"""Raised when a feature comes out otherwise for the same question."""


class LearnedRule(BaseModel):
    """A logistic regression over standardised features that chooses between two routes.

    Attributes:
        format: says what the file is.
        features_version: of the features that it was learned with.
        routes: the one taken for low scores, then the one taken for high ones.
        features: names, in the order of the lists below.
        means: of each feature where it was learned; stands in where a question lacks one.
        scales: standard deviation of each.
        coefficients: of each standardised feature.
        intercept: of the sum.
        threshold: the second route is taken from this probability on.
        metadata: fields of the documents' metadata among the features.
        chunker: cuts documents for the features of a ranking.
        retriever: makes that ranking.
        made: how it was learned, for people: data, metric, price, versions.
        estimate: what it was worth on documents it had not seen, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    format: Literal["ragvlc learned router"] = "ragvlc learned router"
    features_version: int = FEATURES_VERSION
    routes: tuple[str, str]
    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    threshold: float = Field(default=0.5, ge=0, le=1)
    metadata: Declared = ()
    chunker: Chunker = part("tokens")
    retriever: Retriever = part("bm25")
    made: Mapping[str, Any] = Field(default_factory=dict)
    estimate: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.features_version != FEATURES_VERSION:
            raise ValueError(
                f"learned with features of version {self.features_version}; these are version {FEATURES_VERSION}. "
                "Learn it again: ragvlc fit-router"
            )
        if self.routes[0] == self.routes[1]:
            raise ValueError(f"names one route twice: '{self.routes[0]}'")
        known = {*known_features(), *(metadata_feature(name) for name in self.metadata)}
        if unknown := [name for name in self.features if name not in known]:
            raise ValueError(f"unknown feature '{unknown[0]}'. Known: {', '.join(sorted(known))}")
        if len(set(self.features)) < len(self.features):
            raise ValueError("a feature stands there twice")
        for name in ("means", "scales", "coefficients"):
            if len(getattr(self, name)) != len(self.features):
                raise ValueError(f"{len(self.features)} features, but {len(getattr(self, name))} {name}")
        if any(scale <= 0 for scale in self.scales):
            raise ValueError("a scale is not above 0")
        return self

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Returns the rule in a file. Raises `ValueError` with a one-line reason if the file is invalid."""
        try:
            data = parse_json(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            reason = error.strerror or error
            raise ValueError(f"{path}: cannot be read: {reason}. `ragvlc fit-router` makes such files.") from error
        except ValueError as error:
            raise ValueError(f"{path}: no JSON: {error}") from error
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ValueError(f"{path}: no learned router: {first_fault(error)}") from error

    def text(self) -> str:
        """Returns the rule as JSON text for a file."""
        plain = self.model_dump(mode="json", exclude={"chunker", "retriever"})
        plain |= {"chunker": self.chunker.spec(), "retriever": self.retriever.spec()}
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"

    def save(self, path: str | Path) -> None:
        """Writes the rule to a file."""
        Path(path).write_text(self.text(), encoding="utf-8")

    def probability(self, features: Mapping[str, float]) -> float:
        """Returns the predicted probability that the second route does better."""
        total = self.intercept
        for name, mean, scale, weight in zip(self.features, self.means, self.scales, self.coefficients, strict=True):
            total += weight * (features.get(name, mean) - mean) / scale
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, total))))

    def takes(self, features: Mapping[str, float]) -> str:
        """Returns the route that the rule takes for a question with these features."""
        return self.routes[int(self.probability(features) >= self.threshold)]


def metadata_feature(name: str) -> str:
    """Returns the feature name of a document metadata field."""
    return f"metadata.{name}"
