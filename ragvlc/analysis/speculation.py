"""How speculative decoding went: what drafts were worth by place, where the seconds went, and how much faster it was.

Figures of a cell are ratios of sums over its answers, so that a long answer counts for its length: tokens a second are
all tokens over all seconds, acceptance at a place is all accepted drafts over all drafts that reached it. Seconds are
those of decoding: reading prompts stands apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ragvlc.analysis._drawing import INK, label, legend, look, mark, panels
from ragvlc.analysis.tables import Entry, Table, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ragvlc.core.answer import Answer
    from ragvlc.sweep.results import CellResult, Results

__all__ = [
    "CAPTION",
    "Speculation",
    "acceptance_by_place",
    "draw",
    "figures_of",
    "speculating",
    "speculation",
    "speculation_of",
    "speculation_tables",
]

HEADS = (
    *("rounds", "drafted", "accepted", "acceptance", "tokens\na round", "tokens\na second"),
    *(
        "plain\ntokens\na second",
        "speed-up",
        "draft\nseconds",
        "verify\nseconds",
        "prefill\nseconds",
        "drafter's\nprefill",
    ),
)
NOTE = (
    "Rounds, drafted and accepted tokens and seconds: mean of a question. Acceptance: share of the drafted tokens. "
    "Tokens a round: with the target's own. Tokens a second: of decoding, prompts aside. Plain: the same model one "
    "token at a time behind the same prompt, where that was measured; the speed-up is over it."
)
PLACES = (
    "Share of the drafts with a token in this place that was accepted: the third only if the first two are, too. In "
    "brackets how many drafts there were."
)
MOST_LINES = 8
CAPTION = (
    "Above: share of the drafts with a token in this place that was accepted, and so were those before it. Below: "
    "tokens a second over plain decoding on the same engine, where it was measured."
)


@dataclass(frozen=True, slots=True)
class Speculation:
    """Sums over answers; they add with `+`.

    Attributes:
        answers: that were decoded speculatively.
        rounds: forward passes of targets behind their prompts.
        tokens: of the answers.
        tried: drafted tokens by their place in the draft.
        judged: of those, the ones behind accepted ones only.
        accepted: of those.
        draft_seconds: proposing.
        verify_seconds: checking.
        prefill_seconds: reading the targets' prompts.
        draft_prefill_seconds: reading the drafters' prompts.
        target_tokens: of the targets' prompts.
        draft_tokens: of the drafters' prompts.
        compared_tokens: of the answers for which plain decoding was measured, too.
        compared_seconds: decoding of those.
        plain_seconds: plain decoding of as many tokens as those answers have.
    """

    answers: int = 0
    rounds: int = 0
    tokens: int = 0
    tried: tuple[int, ...] = ()
    judged: tuple[int, ...] = ()
    accepted: tuple[int, ...] = ()
    draft_seconds: float = 0.0
    verify_seconds: float = 0.0
    prefill_seconds: float = 0.0
    draft_prefill_seconds: float = 0.0
    target_tokens: int = 0
    draft_tokens: int = 0
    compared_tokens: int = 0
    compared_seconds: float = 0.0
    plain_seconds: float = 0.0

    def __add__(self, other: Speculation) -> Speculation:
        sums: dict[str, Any] = {}
        for name in Speculation.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            places = isinstance(mine, tuple)
            sums[name] = tuple(map(sum, zip_longest(mine, theirs, fillvalue=0))) if places else mine + theirs
        return Speculation(**sums)

    @property
    def seconds(self) -> float:
        """Of decoding: drafts and checks."""
        return self.draft_seconds + self.verify_seconds

    @property
    def acceptance(self) -> float | None:
        """Accepted tokens over drafted ones."""
        return _ratio(sum(self.accepted), sum(self.tried))

    @property
    def token_acceptance(self) -> float | None:
        """Accepted tokens over those that were judged: how likely a token is accepted where all before it were."""
        return _ratio(sum(self.accepted), sum(self.judged))

    @property
    def token_acceptance_by_place(self) -> tuple[float, ...]:
        """Accepted over judged tokens in each place of a draft."""
        return tuple(accepted / judged for accepted, judged in zip(self.accepted, self.judged, strict=True) if judged)

    @property
    def by_place(self) -> tuple[float, ...]:
        """Accepted over drafted tokens in each place of a draft."""
        return tuple(accepted / tried for accepted, tried in zip(self.accepted, self.tried, strict=True) if tried)

    @property
    def tokens_a_round(self) -> float | None:
        """Tokens that a forward pass of the target gives."""
        return _ratio(self.tokens, self.rounds)

    @property
    def tokens_a_second(self) -> float | None:
        """Of decoding."""
        return _ratio(self.tokens, self.seconds)

    @property
    def plain_tokens_a_second(self) -> float | None:
        """Of plain decoding; None where it was not measured."""
        return _ratio(self.compared_tokens, self.plain_seconds)

    @property
    def speedup(self) -> float | None:
        """Seconds of plain decoding over those of speculative decoding of the same answers; None if not measured."""
        return _ratio(self.plain_seconds, self.compared_seconds) if self.plain_seconds else None


def speculation_of(answers: Iterable[Answer]) -> Speculation | None:
    """Returns the sums over answers; None if none of them was decoded speculatively."""
    found = [_told(step.facts) for one in answers for root in one.trace for step in root.walk() if _tells(step.facts)]
    return sum(found, Speculation()) if found else None


def figures_of(found: Speculation) -> dict[str, float]:
    """Returns what a summary keeps of the sums: figures by name, those that are not known left out."""
    n = found.answers
    figures = {
        "speculation_rounds": found.rounds / n,
        "speculation_drafted": sum(found.tried) / n,
        "speculation_accepted": sum(found.accepted) / n,
        "speculation_acceptance": found.acceptance,
        "speculation_token_acceptance": found.token_acceptance,
        "speculation_tokens_a_round": found.tokens_a_round,
        "speculation_tokens_a_second": found.tokens_a_second,
        "speculation_plain_tokens_a_second": found.plain_tokens_a_second,
        "speculation_speedup": found.speedup,
        "speculation_draft_seconds": found.draft_seconds / n,
        "speculation_verify_seconds": found.verify_seconds / n,
        "speculation_prefill_seconds": found.prefill_seconds / n,
        "speculation_draft_prefill_seconds": found.draft_prefill_seconds / n,
    }
    figures |= {f"speculation_acceptance_at_{place}": share for place, share in enumerate(found.by_place, 1)}
    return {name: float(value) for name, value in figures.items() if value is not None}


def speculation_tables(results: Results) -> list[Table]:
    """Returns what there is of tables about drafts."""
    return [table for table in (speculation(results), acceptance_by_place(results)) if table is not None]


def speculation(results: Results) -> Table | None:
    """Returns the table over the cells that decode speculatively, or None where there are none."""
    rows = tuple((title(cell), _entries(found)) for cell, found in speculating(results))
    return Table("Speculation", HEADS, rows, NOTE) if rows else None


def acceptance_by_place(results: Results) -> Table | None:
    """Returns the acceptance in each place of a draft, with the number of drafts; None where nothing was drafted."""
    cells = [(cell, found) for cell, found in speculating(results) if found.by_place]
    places = max((len(found.by_place) for _, found in cells), default=0)
    rows = tuple((title(cell), tuple(_at(found, place) for place in range(places))) for cell, found in cells)
    heads = tuple(f"at {place}" for place in range(1, places + 1))
    return Table("Acceptance by place in the draft", heads, rows, PLACES) if rows else None


def speculating(results: Results) -> list[tuple[CellResult, Speculation]]:
    """Returns the cells that decode speculatively with their sums, in the order of the plan."""
    found = [
        (cell, speculation_of(row.answer for row in cell.rows.values() if row.answer is not None))
        for cell in results.cells
    ]
    return [(cell, sums) for cell, sums in found if sums is not None]


def draw(cells: Sequence[tuple[CellResult, Speculation]]) -> Figure:
    """Returns acceptance by place in the draft and, where plain decoding was measured, a bar for each speed-up."""
    shown = list(cells)[:MOST_LINES]
    compared = [(at, cell, found.speedup) for at, (cell, found) in enumerate(shown) if found.speedup is not None]
    with look():
        names = ["by place in the draft", "speed-up"] if compared else [""]
        figure, places = panels(names, "acceptance" if not compared else "speculation")
        above = places[0]
        for at, (cell, found) in enumerate(shown):
            colour, marker = mark(at)
            xs = range(1, len(found.by_place) + 1)
            above.plot(xs, found.by_place, color=colour, marker=marker, markersize=5, label=label(cell.name))
        above.set_ylim(0.0, 1.03)
        above.set_xticks(range(1, 1 + max((len(found.by_place) for _, found in shown), default=1)))
        above.set_xlabel("place in the draft")
        above.set_ylabel("accepted")
        if compared:
            below = places[1]
            for row, (at, _, gain) in enumerate(compared):
                below.barh([row], [gain], color=mark(at)[0], height=0.6)
                below.annotate(f" {gain:.2f}", (gain, row), va="center")
            below.axvline(1.0, color=INK, linestyle=(0, (4, 3)), linewidth=1)
            below.set_yticks([])
            below.invert_yaxis()
            below.set_xlabel("tokens a second over those of plain decoding (1: no gain)")
            below.set_xlim(0, 1.15 * max(1.0, *(gain for _, _, gain in compared)))
        legend(figure, [above])
    return figure


def _entries(found: Speculation) -> tuple[Entry, ...]:
    n = found.answers
    return (
        Entry(found.rounds / n, digits=1),
        Entry(sum(found.tried) / n, digits=1),
        Entry(sum(found.accepted) / n, digits=1),
        Entry(found.acceptance, digits=2),
        Entry(found.tokens_a_round, digits=2),
        Entry(found.tokens_a_second, digits=1),
        Entry(found.plain_tokens_a_second, digits=1),
        Entry(found.speedup, digits=2),
        Entry(found.draft_seconds / n, digits=3),
        Entry(found.verify_seconds / n, digits=3),
        Entry(found.prefill_seconds / n, digits=3),
        Entry(found.draft_prefill_seconds / n, digits=3),
    )


def _at(found: Speculation, place: int) -> Entry:
    if place >= len(found.by_place):
        return Entry()
    return Entry(word=f"{found.by_place[place]:.2f} ({found.tried[place]:,})")


def _tells(facts: Mapping[str, Any]) -> bool:
    return {"rounds", "tokens", "judged_at", "target_prompt"} <= facts.keys()


def _told(facts: Mapping[str, Any]) -> Speculation:
    """Returns what the step of one answer tells; see `routes._speculating`."""
    seconds, plain = facts["draft_seconds"] + facts["verify_seconds"], facts.get("plain_seconds") or 0.0
    return Speculation(
        answers=1,
        rounds=facts["rounds"],
        tokens=facts["tokens"],
        tried=_counts(facts["tried_at"]),
        judged=_counts(facts["judged_at"]),
        accepted=_counts(facts["accepted_at"]),
        draft_seconds=facts["draft_seconds"],
        verify_seconds=facts["verify_seconds"],
        prefill_seconds=facts["prefill_seconds"],
        draft_prefill_seconds=facts["draft_prefill_seconds"],
        target_tokens=facts["target_prompt"],
        draft_tokens=facts["draft_prompt"],
        compared_tokens=facts["tokens"] if plain else 0,
        compared_seconds=seconds if plain else 0.0,
        plain_seconds=plain,
    )


def _counts(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
