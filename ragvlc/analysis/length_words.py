"""Effective lengths in a table, in sentences and in a figure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.analysis.drawing import INK, hover, label, legend, look, mark, numbers, panels
from ragvlc.analysis.effective_length import RouteLength, asked_length, route_lengths
from ragvlc.analysis.tables import Entry, Table, plain
from ragvlc.analysis.verdict import DatasetVerdict
from ragvlc.core.errors import nearest
from ragvlc.statistics.decisions import MarginVerdict
from ragvlc.statistics.effective_length import LengthStep

if TYPE_CHECKING:
    from ragvlc.analysis.pictures import Picture
    from ragvlc.core.length_margin import LengthMargin
    from ragvlc.results.loading import SweepResults

__all__ = [
    "CAPTION",
    "draw_lengths",
    "effective_tables",
    "length_verdicts",
    "lengths_to_draw",
    "no_lengths",
    "sentence",
    "short_length",
]

MOST_PANELS = 6
NOTE = (
    "The longest context at which a route is not worse than its own score at the shortest one by more than {margin:g} "
    "of {metric}, on the questions scored at every length. First column: score there; then the difference from it, "
    "question by question, with its 95 % interval. A length holds where the whole interval is {side} {line:+g}; "
    "lengths are tested from short to long up to the first that fails, which needs no correction, so those after it "
    "have no brackets. Lost from: from there on, up to the longest, the whole interval is beyond the margin. Each "
    "route is judged on its own, without a correction for several routes."
)
AFTERWARDS = "The margin was given with the results known; choose it before, as `effective_length` of the experiment."
NO_LENGTHS = (
    "No pipeline was asked at two lengths: effective_length needs an axis over dataset.pad_to_tokens or "
    "dataset.length, or another numeric setting named by its `axis`."
)
CAPTION = (
    "The route's score at each length, over the questions scored at all of them. Bars: 95 % interval of the difference "
    "from the shortest length. Broken line: the score at the shortest length less the margin; a length holds where its "
    "whole bar is above. Filled marks: lengths that hold; hollow: the first that fails, and all after it."
)


def effective_tables(results: SweepResults) -> list[Table]:
    """Returns the table of effective lengths that the sweep asks for; empty if it asks for none."""
    asked = asked_length(results)
    if asked is None:
        return []
    found = route_lengths(results, asked)
    title = f"Effective length by {asked.metric}, margin {asked.margin:g}"
    if not found:
        return [Table(title, ("length",), (("no lengths to compare", (Entry(),)),), no_lengths(results, asked))]
    lengths = sorted({length for one in found for length in one.lengths})
    same = len({(one.questions.n, one.questions.clusters, one.left_out) for one in found}) == 1
    heads = [short_length(length) for length in lengths]
    heads += ["holds\nup to", "lost\nfrom", *([] if same else ["questions", "clusters", "left\nout"])]
    rows = []
    for one in found:
        entries = [_entry(one, length) for length in lengths]
        entries += [Entry(word=short_length(one.found.length) if one.found else "-")]
        entries += [Entry(word=short_length(one.found.lost) if one.found and one.found.lost else "-")]
        entries += [] if same else [Entry(one.questions.n), Entry(one.questions.clusters), Entry(one.left_out)]
        mark = one.stopped or ("" if one.complete else "not complete")
        rows.append((f"{one.route} ({mark})" if mark else one.route, tuple(entries)))
    side = "below" if found[0].sign < 0 else "above"
    how = NOTE.format(margin=asked.margin, metric=asked.metric, side=side, line=-found[0].sign * asked.margin)
    afterwards = any(cell.facts.get("margin_afterwards") for cell in results.cells)
    note = " ".join(filter(None, [*map(sentence, found), _asked(found), how, AFTERWARDS if afterwards else ""]))
    return [Table(title, tuple(heads), tuple(rows), note)]


def no_lengths(results: SweepResults, asked: LengthMargin) -> str:
    """Returns why no route has several lengths, and what would give it some."""
    if not asked.axis:
        return NO_LENGTHS
    known = sorted({path for cell in results.cells for path in cell.facts["settings"]})
    if asked.axis in known:
        return f"No pipeline was asked at two numbers of '{asked.axis}', the `axis` of effective_length."
    listed = ", ".join(known) or "none"
    return f"'{asked.axis}' is no setting that the cells differ in. Known: {listed}.{nearest(asked.axis, known)}"


def length_verdicts(results: SweepResults) -> list[DatasetVerdict]:
    """Returns the effective length of every route in sentences; empty if the sweep asks for none or has no lengths."""
    asked = asked_length(results)
    found = route_lengths(results, asked) if asked else []
    if not asked or not found:
        return []
    title = f"How long may the context be? (by {asked.metric}, margin {asked.margin:g})"
    return [DatasetVerdict(title, "", (*map(sentence, found), _asked(found)))]


def sentence(one: RouteLength) -> str:
    """Returns the effective length of a route as a sentence, with what happens at the first length that fails."""
    if one.stopped and one.questions.n:
        return (
            f"{one.route}: {one.stopped}, so that the differences are of the {one.questions.n} questions asked at "
            "every length, without brackets or a test; run it with strategy: all for one."
        )
    if one.found is None:
        length, count = one.fewest
        return (
            f"{one.route}: no question has a {one.asked.metric} at every length (at {_tokens(one, length)} {count} "
            "have one), so lengths cannot be compared."
        )
    words = []
    failed, shortest = one.found.failed, one.lengths[0]
    if failed is None:
        words.append(f"holds up to {_tokens(one, one.found.length)}, the longest asked")
    elif one.found.length == shortest:
        words.append(f"no context longer than {_tokens(one, shortest)}, the shortest asked, is shown to hold")
    else:
        words.append(f"holds up to {_tokens(one, one.found.length)}")
    if lower := [step for step in one.found.steps if step.decision.verdict is MarginVerdict.LOWER]:
        words[0] += f" (worse by less than the margin at {', '.join(short_length(step.length) for step in lower)})"
    if failed is not None:
        words.append(_failure(one, failed))
    if one.found.lost is not None and (failed is None or one.found.lost != failed.length):
        words.append(f"from {short_length(one.found.lost)} on more than the margin is lost")
    return f"{one.route}: {'; '.join(words)}."


def _asked(found: Sequence[RouteLength]) -> str:
    """Returns how many questions are compared and left out, and the length without which fewer would be."""
    most = max(found, key=lambda one: one.left_out)
    words = f"{most.questions.n} questions in {most.questions.clusters} clusters have a score at every length"
    if not most.left_out:
        return f"{words}."
    length, more = most.without
    hint = f" Without {short_length(length)}, {more} of them could be compared, too." if more else ""
    return f"{words}; {most.left_out} others are left out.{hint}"


def _failure(one: RouteLength, step: LengthStep) -> str:
    """Returns what the first length that failed showed, in words."""
    difference = step.decision.difference
    at = f"at {short_length(step.length)}"
    if step.decision.verdict is MarginVerdict.NOT_SETTLED:
        at += " not settled"
        if difference.few:
            return f"{at}, as fewer than 8 clusters decide nothing: {_change(one, step)}"
        return f"{at}: {_change(one, step)}"
    beyond = difference.high is not None and difference.high < -one.asked.margin
    return f"{at} {_change(one, step)}{'' if beyond else ', perhaps by less than the margin'}"


def _change(one: RouteLength, step: LengthStep) -> str:
    """Returns a difference in words: `.12 lower [.04, .20]`, or `-.02 [-.07, +.03]` where it may be none."""
    mean, low, high = one.signed(step.decision.difference)
    if mean is None or low is None or high is None:
        return "no interval"
    if high < 0:
        return f"{_bare(-mean)} lower [{_bare(-high)}, {_bare(-low)}]"
    return f"{_bare(mean, '+')} [{_bare(low, '+')}, {_bare(high, '+')}]"


def _bare(value: float, sign: str = "") -> str:
    text = plain(value, 2, sign)
    if value and not float(text):
        text = f"{value:+.2f}"  # as in tables: only 0 itself has no sign
    return re.sub(r"(?<!\d)0\.", ".", text)


def _entry(one: RouteLength, length: float) -> Entry:
    """Returns the score at the shortest length, or the difference from it; brackets only where it was tested."""
    if length not in one.scores:
        return Entry()
    if length == one.lengths[0]:
        return Entry(*one.signed(one.scores[length]), 2, score=True)
    difference = one.difference(length)
    mean, low, high = one.signed(difference) if difference is not None else (None, None, None)
    if one.found is None or length not in {step.length for step in one.found.steps}:
        low = high = None
    return Entry(mean, low, high, 2, "+", score=True)


def short_length(length: float) -> str:
    """Returns a length as a short text: `16k` for 16,384 and for 16,000, `500` for 500."""
    for unit in (1024, 1000):
        if length >= unit and length % unit == 0:
            return f"{length / unit:,.0f}k"
    return f"{length:,.10g}"


def _tokens(one: RouteLength, length: float) -> str:
    short, unit = short_length(length), "" if one.tagged else " tokens"
    return f"{short}{unit}" if short == f"{length:,.10g}" else f"{short} ({length:,.10g}){unit}"


def lengths_to_draw(results: SweepResults, metric: str) -> list[RouteLength]:
    """Returns the routes whose effective length by `metric` the sweep asks for, and that there is."""
    asked = asked_length(results)
    if asked is None or asked.metric != metric:
        return []
    return [one for one in route_lengths(results, asked) if one.found is not None]


def draw_lengths(found: Sequence[RouteLength]) -> Picture:
    """Returns a figure of scores by length, with a panel for each route, its intervals and its margin."""
    shown = found[:MOST_PANELS]
    title = f"Effective length by {shown[0].asked.metric}"
    if len(found) > len(shown):
        title += f" ({len(shown)} of {len(found)} routes; all are in the table)"
    with look():
        drawn, places = panels([one.route for one in shown], title)
        for at, (place, one) in enumerate(zip(places, shown, strict=True)):
            colour, marker = mark(at)
            means = [one.signed(score)[0] or 0.0 for score in one.scores.values()]
            start = means[0]
            place.plot(one.lengths, means, color=colour, linewidth=1.2)
            for length, mean in zip(one.lengths, means, strict=True):
                _, low, high = one.signed(one.pairs[length].difference()) if length in one.pairs else (None, None, None)
                ends = None if low is None or high is None else (start + low, start + high)
                holds = one.found is not None and length <= one.found.length
                place.errorbar(
                    [length], [mean],
                    yerr=None if ends is None else [[max(0.0, mean - ends[0])], [max(0.0, ends[1] - mean)]],
                    color=colour, marker=marker, markersize=6, elinewidth=1, linestyle="none",
                    markerfacecolor=colour if holds else "none",
                )  # fmt: skip
                bounds = "" if ends is None else f" [{ends[0]:.3f}, {ends[1]:.3f}] by the difference from the shortest"
                hover(
                    place, (length, mean), f"{one.route} at {short_length(length)}",
                    f"{one.asked.metric} {mean:.3f}{bounds}", "" if holds else "beyond the effective length",
                )  # fmt: skip
            words = f"score at {short_length(one.lengths[0])} {'plus' if one.sign < 0 else 'less'} the margin"
            line = start - one.sign * one.asked.margin
            place.axhline(line, color=INK, linestyle=(0, (4, 3)), linewidth=1, label=label(words))
            numbers(place, one.lengths, few=True)
            place.set_xlabel("length" if one.tagged else "context length (tokens)")
            place.set_ylabel(label(f"{one.asked.metric} (mean)"))
        legend(drawn, places)
    return drawn
