"""Scores along an axis of a sweep, with one line for each combination of the other settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ragvlc.core.paths import walk
from ragvlc.statistics.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult

__all__ = ["Axis", "Line", "Series", "SettingGrid", "axes", "axis", "grids", "pooled", "series"]

WORDS = {
    "selector.k": "passages read (top k)",
    "selector.tokens": "token budget of the passages (tokens)",
    "chunker.size": "chunk size (tokens)",
    "chunker.overlap": "chunk overlap (tokens)",
    "retriever.candidates": "candidates of the retriever (chunks)",
    "max_context_tokens": "maximum of document tokens in the prompt (tokens)",
    "dataset.pad_to_tokens": "context length (tokens)",
    "dataset.length": "length of the documents (tokens)",
    "answer_tokens": "maximum of new tokens (tokens)",
    "temperature": "temperature",
}
"""Descriptions of settings, by suffix of their paths."""


@dataclass(frozen=True, slots=True)
class Series:
    """Cells that differ only in the value on an axis and in the settings that change with it.

    Attributes:
        label: pipeline and the settings that distinguish its series.
        pipeline: its name.
        along: paths of settings that change along with the axis.
        points: value on the axis and its cells, which are repeats, by value.
    """

    label: str
    pipeline: str
    along: tuple[str, ...]
    points: tuple[tuple[float, tuple[CellResult, ...]], ...]

    @property
    def control(self) -> bool:
        """Whether the series belongs to a control, which reads the gold evidence."""
        return any(cell.control for _, cells in self.points for cell in cells)


@dataclass(frozen=True, slots=True)
class Line:
    """Scores along an axis for one combination of the other settings.

    Attributes:
        label: pipeline and the settings that distinguish its lines.
        pipeline: its name.
        control: whether it reads gold.
        points: value on the axis and score, by value.
        stopped: values whose cells have the questions of a race or search only.
    """

    label: str
    pipeline: str
    control: bool
    points: tuple[tuple[float, Interval], ...]
    stopped: frozenset[float] = frozenset()


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting with several numeric values, and the scores along these values.

    Attributes:
        path: of the setting.
        name: short, unique among the axes of a sweep.
        words: description with unit and the settings that change with it.
        lines: those with two or more points first.
    """

    path: str
    name: str
    words: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class SettingGrid:
    """Cells that differ only in two settings, which both take several numbers, and in what changes with them.

    Attributes:
        label: pipeline and the other settings that distinguish its grids.
        names: short names of the two settings, unique among the axes of a sweep.
        words: descriptions of the two settings, with units.
        fields: cells, which are repeats, by the values of the two settings.
    """

    label: str
    names: tuple[str, str]
    words: tuple[str, str]
    fields: Mapping[tuple[float, float], tuple[CellResult, ...]]


def axes(cells: Sequence[CellResult], metric: str) -> list[Axis]:
    """Returns the axes on which at least one combination of the other settings has two or more values."""
    found = (axis(cells, path, metric) for path in _numeric(cells))
    return [one for one in found if one is not None]


def axis(cells: Sequence[CellResult], path: str, metric: str) -> Axis | None:
    """Returns the scores along the setting at `path`; None if no line has two points.

    Settings with one value for each value on the axis change with it and do not make lines of their own.
    Repeats are pooled: each question counts with its mean.
    """
    found = series(cells, path)
    lines = [line for one in found if (line := _line(one, metric)).points]
    if not any(len(line.points) > 1 for line in lines):
        return None
    lines.sort(key=lambda line: len(line.points) < 2)
    along = dict.fromkeys(name for one in found for name in one.along)
    words = _words(path) + (f"; changes with it: {', '.join(map(_last, along))}" if along else "")
    return Axis(path, _names(_numeric(cells))[path], words, tuple(lines))


def series(cells: Sequence[CellResult], path: str) -> list[Series]:
    """Returns a series for each combination of other settings, from the cells whose setting at `path` is a number."""
    found: list[Series] = []
    own = [(cell, flat) for cell in cells if path in (flat := _flat(cell.facts["settings"]))]
    for pipeline in dict.fromkeys(cell.facts["pipeline"] for cell, _ in own):
        members = [(cell, flat) for cell, flat in own if cell.facts["pipeline"] == pipeline]
        followers = _followers([flat for _, flat in members], path)
        along = tuple(name for name, varies in followers.items() if varies)
        groups: dict[tuple[tuple[str, str], ...], dict[float, list[CellResult]]] = {}
        for cell, flat in members:
            others = {name: value for name, value in flat.items() if name != path and name not in followers}
            key = tuple((name, str(value)) for name, value in others.items())
            if _is_number(flat[path]):
                groups.setdefault(key, {}).setdefault(float(flat[path]), []).append(cell)
        for key, points in groups.items():
            seen = {name: {dict(one).get(name) for one in groups} for name, _ in key}
            words = [f"{_last(name)}={value}" for name, value in key if len(seen[name]) > 1]
            ordered = tuple((value, tuple(repeats)) for value, repeats in sorted(points.items()))
            found.append(Series(" ".join([pipeline, *words]), pipeline, along, ordered))
    return found


def grids(cells: Sequence[CellResult]) -> list[SettingGrid]:
    """Returns a grid for each pipeline, pair of numeric settings and combination of others with two values on each."""
    found = []
    short = _names(_numeric(cells))
    flat = [(cell, _flat(cell.facts["settings"])) for cell in cells]
    for across, up in combinations(short, 2):
        for pipeline in dict.fromkeys(cell.facts["pipeline"] for cell in cells):
            own = [
                (cell, one)
                for cell, one in flat
                if cell.facts["pipeline"] == pipeline and _is_number(one.get(across)) and _is_number(one.get(up))
            ]
            given = [settings for _, settings in own]
            apart = {across, up, *_followers(given, across), *_followers(given, up)} if own else set()
            if across in _followers(given, up) or up in _followers(given, across):
                continue  # they change together: that is one axis
            found += _grids(own, (across, up), apart, pipeline, short)
    return found


def _grids(
    own: Sequence[tuple[CellResult, Mapping[str, Any]]],
    pair: tuple[str, str],
    apart: set[str],
    pipeline: str,
    short: Mapping[str, str],
) -> list[SettingGrid]:
    groups: dict[tuple[tuple[str, str], ...], dict[tuple[float, float], list[CellResult]]] = {}
    for cell, settings in own:
        key = tuple((name, str(value)) for name, value in settings.items() if name not in apart)
        place = (float(settings[pair[0]]), float(settings[pair[1]]))
        groups.setdefault(key, {}).setdefault(place, []).append(cell)
    found = []
    for key, fields in groups.items():
        words = [f"{_last(name)}={value}" for name, value in key if len({dict(one).get(name) for one in groups}) > 1]
        if all(len(set(values)) > 1 for values in zip(*fields, strict=True)):
            names, texts = (short[pair[0]], short[pair[1]]), (_words(pair[0]), _words(pair[1]))
            found.append(
                SettingGrid(" ".join([pipeline, *words]), names, texts, {k: tuple(v) for k, v in fields.items()})
            )
    return found


def pooled(cells: Sequence[CellResult], metric: str) -> Interval:
    """Returns the mean score over the questions of repeated cells; repeats are averaged for each question first."""
    if len(cells) == 1:
        figures = cells[0].summary["metrics"][metric]
        return Interval(figures["mean"], figures["low"], figures["high"], figures["n"], figures["clusters"])
    scores: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    for cell in cells:
        for name, score in cell.scores(metric).items():
            if score is not None:
                scores.setdefault(name, []).append(score)
                clusters[name] = cell.clusters[name]
    return mean_interval([fmean(found) for found in scores.values()], [clusters[name] for name in scores])


def _line(one: Series, metric: str) -> Line:
    found = ((value, pooled(cells, metric)) for value, cells in one.points)
    scored = tuple((value, interval) for value, interval in found if interval.mean is not None)
    stopped = frozenset(value for value, cells in one.points if any(cell.raced is not None for cell in cells))
    return Line(one.label, one.pipeline, one.control, scored, stopped)


def _followers(settings: Sequence[Mapping[str, Any]], path: str) -> dict[str, bool]:
    """Returns the settings whose values are determined by the setting at `path`, and whether each of them varies."""
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
    """Returns nested settings as a flat mapping of dotted paths to values."""
    return {path: value for path, value in walk(settings) if not isinstance(value, Mapping)}


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Returns a short name for each path: its last word, or the whole path if another path has the same last word."""
    lasts = [_last(path) for path in paths]
    return {path: _last(path) if lasts.count(_last(path)) == 1 else path for path in paths}


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _words(path: str) -> str:
    return next((words for ending, words in WORDS.items() if f".{path}".endswith(f".{ending}")), path)
