"""Scores along an axis of a sweep: one line for every combination of the other settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ragvlc.statistics import Interval, mean_interval

if TYPE_CHECKING:
    from ragvlc.sweep.results import CellResult

__all__ = ["Axis", "Line", "axes", "axis", "pooled"]

WORDS = {
    "selector.k": "passages read (top k)",
    "selector.tokens": "token budget of the passages (tokens)",
    "chunker.size": "chunk size (tokens)",
    "chunker.overlap": "chunk overlap (tokens)",
    "retriever.candidates": "candidates of the retriever (chunks)",
    "max_context_tokens": "most document tokens in the prompt (tokens)",
    "dataset.pad_to_tokens": "context length (tokens)",
    "answer_tokens": "most new tokens (tokens)",
    "temperature": "temperature",
}
"""What endings of paths mean to a reader."""


@dataclass(frozen=True, slots=True)
class Line:
    """Scores of one combination of the other settings.

    Attributes:
        label: pipeline and the settings that tell its lines apart.
        pipeline: its name.
        control: whether it reads gold.
        points: value on the axis and score, by value.
    """

    label: str
    pipeline: str
    control: bool
    points: tuple[tuple[float, Interval], ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting that takes several numbers.

    Attributes:
        path: of the setting.
        name: short, unique among the axes of a sweep.
        words: what it is, with its unit; says which settings change along with it.
        lines: with two or more points first.
    """

    path: str
    name: str
    words: str
    lines: tuple[Line, ...]


def axes(cells: Sequence[CellResult], metric: str) -> list[Axis]:
    """Returns the axes along which some combination of the other settings has two numbers or more."""
    found = (axis(cells, path, metric) for path in _numeric(cells))
    return [one for one in found if one is not None]


def axis(cells: Sequence[CellResult], path: str, metric: str) -> Axis | None:
    """Returns the scores along one path; None if no line has two points.

    Settings that take one value for each value on the axis change along with it and do not make lines of their own.
    Repeats are pooled: each question counts with its mean.
    """
    lines: list[Line] = []
    along: dict[str, None] = {}
    own = [(cell, flat) for cell in cells if path in (flat := _flat(cell.facts["settings"]))]
    for pipeline in dict.fromkeys(cell.facts["pipeline"] for cell, _ in own):
        members = [(cell, flat) for cell, flat in own if cell.facts["pipeline"] == pipeline]
        followers = _followers([flat for _, flat in members], path)
        along |= dict.fromkeys(name for name, varies in followers.items() if varies)
        groups: dict[tuple[tuple[str, str], ...], dict[float, list[CellResult]]] = {}
        for cell, flat in members:
            others = {name: value for name, value in flat.items() if name != path and name not in followers}
            key = tuple((name, str(value)) for name, value in others.items())
            if _is_number(flat[path]):
                groups.setdefault(key, {}).setdefault(float(flat[path]), []).append(cell)
        lines += [_line(pipeline, key, points, list(groups), metric) for key, points in groups.items()]
    lines = [line for line in lines if line.points]
    if not any(len(line.points) > 1 for line in lines):
        return None
    lines.sort(key=lambda line: len(line.points) < 2)
    words = _words(path) + (f"; {', '.join(map(_last, along))} along with it" if along else "")
    return Axis(path, _names(_numeric(cells))[path], words, tuple(lines))


def pooled(cells: Sequence[CellResult], metric: str) -> Interval:
    """Returns the mean over the questions of cells that are repeats of one another."""
    if len(cells) == 1:
        figures = cells[0].summary["metrics"][metric]
        return Interval(figures["mean"], figures["low"], figures["high"], figures["n"], cells[0].summary["clusters"])
    scores: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    for cell in cells:
        for name, score in cell.scores(metric).items():
            if score is not None:
                scores.setdefault(name, []).append(score)
                clusters[name] = cell.examples[name]["cluster"]
    return mean_interval([fmean(found) for found in scores.values()], [clusters[name] for name in scores])


def _line(
    pipeline: str,
    key: tuple[tuple[str, str], ...],
    points: Mapping[float, Sequence[CellResult]],
    keys: Sequence[tuple[tuple[str, str], ...]],
    metric: str,
) -> Line:
    seen = {name: {dict(one).get(name) for one in keys} for name, _ in key}
    words = [f"{_last(name)}={value}" for name, value in key if len(seen[name]) > 1]
    found = [(value, pooled(cells, metric)) for value, cells in sorted(points.items())]
    scored = tuple((value, interval) for value, interval in found if interval.mean is not None)
    control = any(cell.control for cells in points.values() for cell in cells)
    return Line(" ".join([pipeline, *words]), pipeline, control, scored)


def _followers(settings: Sequence[Mapping[str, Any]], path: str) -> dict[str, bool]:
    """Returns the paths that have one value for each value of `path`, and whether they vary at all."""
    found = {}
    for name in {name for one in settings for name in one} - {path}:
        values: dict[str, set[str]] = {}
        for one in settings:
            values.setdefault(repr(one[path]), set()).add(repr(one.get(name)))
        if all(len(own) == 1 for own in values.values()):
            found[name] = len(set.union(*values.values())) > 1
    return found


def _numeric(cells: Sequence[CellResult]) -> list[str]:
    values: dict[str, set[float]] = {}
    for cell in cells:
        for path, value in _flat(cell.facts["settings"]).items():
            if _is_number(value):
                values.setdefault(path, set()).add(float(value))
    return [path for path, found in values.items() if len(found) > 1]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings whose values are parts as paths into those parts."""
    found: dict[str, Any] = {}
    for path, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat({f"{path}.{name}": inner for name, inner in value.items()})
        else:
            found[path] = value
    return found


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Returns the last word of each path, or the whole path where another one ends alike."""
    lasts = [_last(path) for path in paths]
    return {path: _last(path) if lasts.count(_last(path)) == 1 else path for path in paths}


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _words(path: str) -> str:
    return next((words for ending, words in WORDS.items() if f".{path}".endswith(f".{ending}")), path)
