"""Tables of a comparison, for the terminal and the HTML report: scores, differences, coverage and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.cell_costs import UNREPORTED
from ragvlc.analysis.counts import counted, fewness, hopeless, questions_of, raced_note
from ragvlc.results.unanswered import advice

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, Comparison, SweepResults

__all__ = [
    "COLUMNS",
    "MORE_COLUMNS",
    "Column",
    "Entry",
    "Table",
    "bounds",
    "costs",
    "differences",
    "latency",
    "left",
    "probability",
    "scores",
    "title",
]

SCORES = (
    "Mean score of the questions, and in brackets its 95 % interval: where the mean would likely lie with other "
    "questions of this kind. Failed questions score 0; - where a metric does not apply."
)
OPEN = "°"
"""Behind brackets without 0 of a difference that Holm does not settle."""
BY_LOOKS = "†"
"""Behind brackets that hold at whatever block a race stops."""
SMALLER = "Smaller is better: {labels}."
DIFFERENCES = (
    "Question by question, so these intervals say more than those above. Brackets are for one comparison: they contain "
    "0 exactly when its own p is above .05. p: the chance of a difference as large if there were none, corrected for "
    "the number of rows (Holm); below .05 the difference is settled. In intervals and p, questions over one document "
    "(a cluster) count together."
)
UNSETTLED = f"{OPEN}: brackets without 0, but not settled after Holm."
COSTS = (
    "Tokens and engine seconds: mean of a question; index seconds: total of the cell. Each cell is charged as if it "
    "ran alone. Truncated: some text did not fit the window. Unparsed: no option found in the answer."
)
UNPARSED = (
    "Unparsed answers score 0 in `choice_accuracy`: read some (`ragvlc show`), ask for the letter in `choice_prompt`, "
    "or raise `answer_tokens` if they end too early."
)
CUT_SHORT = "Cut short: the answer ends at the limit of its tokens (`answer_tokens`)."
FLAGS = {
    "ambiguous": "Ambiguous: the answer names several options and scores 0; ask for one in `choice_prompt`.",
    "unjudged": "Unjudged: the judge gave no verdict; left out of its mean.",
    "judge_sampled": "Judge sampled: no temperature is sent to the judge, so that another scoring may rule otherwise.",
    "ranking_cut": "Ranking cut: fewer candidates were ranked than the metric uses.",
    "prompt_cut": "Prompt cut: the server counted fewer prompt tokens than were sent, so it left out some of the text "
    "(or tokenizer_from is not its model's); evidence metrics leave these answers out. Start it with a larger window "
    "(Ollama: num_ctx) and set window: to that.",
    "rouge_recursion": "Rouge recursion: sentences too long for LongBench's script, whose official figure counts 0.",
    "embedding_cut": "Embedding cut: a text was longer than the embedder's window.",
}
SAMPLED = (
    "Sampled: {answers:,} answers came from a server to which no temperature is sent. Greedy decoding cannot be had "
    "there: another run answers otherwise; repeats: 3 shows how much."
)
CUT = (
    "Cut by embedder or reranker: longer than the model's window, so their ends were not read; use smaller chunks or a "
    "model with a longer window."
)
SAVED = "Saved by the cache, over all cells: {seconds:,.0f} s of engine time."
MEMORY = (
    "Memory: peak of the process, and of its GPUs, while a question of the cell was running, other questions included; "
    "cold cells run alone."
)
LATENCY = (
    "Seconds of a single question: one at a time, ranked and generated anew, without a prefix cache, with models "
    "loaded and indexes built. p95: 95 of 100 questions took less."
)
SKIPPED = "Skipped: left out by the data set in all cells."
EMPTY_REPLIES = "Empty replies: calls of agents, rerankers, routers and the like that brought no answer."
THOUGHTS = (
    "Thoughts are no part of an answer; their tokens are part of the new tokens. If one was an answer, set thinking: "
    "none in the generator: nothing is asked again."
)
MONEY = "Money: for 1,000 questions at the prices given, without indexing and scoring."
JUDGES = "Models that scored answers used {tokens:,} tokens beyond those of the table."


@dataclass(frozen=True, slots=True)
class Entry:
    """A table entry: a figure with its interval, or a word.

    Attributes:
        value: None for an empty entry.
        low: lower bound.
        high: upper bound.
        digits: after the decimal point.
        sign: `+` to show a plus sign.
        best: whether it is the best of the competing cells.
        word: shown instead of a figure.
        score: whether it is a score or a difference of scores, which a terminal shows in a shorter form.
        unsettled: whether it is a difference whose bounds exclude 0, but that is not settled after Holm.
        sequential: whether the bounds are sequential, of a race.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    digits: int = 0
    sign: str = ""
    best: bool = False
    word: str = ""
    score: bool = False
    unsettled: bool = False
    sequential: bool = False

    @property
    def text(self) -> str:
        """The figure without its interval, as text."""
        return self.word or ("-" if self.value is None else plain(self.value, self.digits, self.sign))

    @property
    def interval(self) -> str:
        """The bounds of the interval in brackets, as text; empty without bounds."""
        if self.value is None or self.low is None or self.high is None:
            return ""
        low, high = (_bound(bound, self.digits, self.sign) for bound in (self.low, self.high))
        return f"[{low}, {high}]{OPEN if self.unsettled else ''}{BY_LOOKS if self.sequential else ''}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures by cell and column.

    Attributes:
        title: of the table.
        heads: of the columns.
        rows: a cell's title and its figures.
        note: explanation below the table.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]
    note: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the cost table, with the name and format of its figure.

    Attributes:
        head: its title, in lines.
        name: in a cell's summary.
        digits: after the decimal point; None for counts, which show 0 as `-`.
        always: whether it is shown even if it is empty.
        times: factor of the figure.
        flag: whether the name is that of a flag.
        share: name of the share that the count is, shown beside it.
    """

    head: str
    name: str
    digits: int | None = None
    always: bool = False
    times: float = 1.0
    flag: bool = False
    share: str = ""

    def entry(self, summary: Mapping[str, Any]) -> Entry:
        """Returns the entry of this column for a cell's summary."""
        value = summary["flags"].get(self.name, 0) if self.flag else summary.get(self.name)
        if self.digits is None:
            share = f" ({summary[self.share]:.0%})" if self.share and value else ""
            return Entry(word=f"{value:,}{share}" if value else "-")
        if value is None:
            return Entry()
        # A price of a thousand questions may be far below a hundredth of the currency.
        small = 0 < value * self.times < 10.0**-self.digits
        return Entry(word=f"{value * self.times:.2g}") if small else Entry(value * self.times, digits=self.digits)


COLUMNS = (
    Column("failed", "failed", always=True),
    Column("skipped", "skipped"),
    Column("no\nanswer", "no_answer"),
    Column("empty\nreplies", "empty_replies"),
    Column("truncated", "truncated", always=True),
    Column("unparsed", "unparsed", always=True),
    Column("cut short", "cut_short"),
    Column("chunks cut\nby embedder", "embedder_cut_chunks", share="embedder_cut_share"),
    Column("passages cut\nby reranker", "reranker_cut_passages", share="reranker_cut_share"),
    Column("prompt\ntokens", "prompt_tokens", 0, always=True),
    Column("new\ntokens", "completion_tokens", 0, always=True),
    Column("thought\ntokens", "thought_tokens", 0),
    Column("engine\nseconds", "engine_seconds", 2, always=True),
    Column("index\nseconds", "index_seconds", 2),
    Column("money\nper 1000", "cost", 2, times=1000),
    Column("cache writes\nunreported", "writes_unreported"),
)
"""The columns for a terminal."""

MORE_COLUMNS = (
    *COLUMNS[:9],
    Column("declined", "declined"),
    Column("thoughts\nread", "thoughts_read"),
    Column("calls", "calls", 1),
    COLUMNS[9],
    Column("cached\ntokens", "cached_tokens", 0),
    *COLUMNS[10:],
    Column("memory\nGB", "process_bytes", 2, times=1e-9),
    Column("GPU\nGB", "device_bytes", 2, times=1e-9),
)
"""The columns for a page."""

LATENCIES = tuple(
    Column(f"{words}\n{name}", f"cold_{part}_seconds_{name}", 3)
    for part, words in (("first_token", "first token"), ("answer", "answer"))
    for name in ("median", "p95")
)


def scores(results: SweepResults) -> Table:
    """Returns the table of mean scores with intervals; the best cell of each data set is marked, controls excluded."""
    digits = _digits(results)
    best = {
        (cell.name, label)
        for cells in results.by_dataset().values()
        for label in results.metrics
        for cell in _best(cells, label)
    }
    rows = []
    for cell in results.cells:
        found = []
        for label in results.metrics:
            figures = cell.summary["metrics"][label]
            mark = (cell.name, label) in best
            raced = bool(figures.get("sequential"))
            bounds_of = (figures["low"], figures["high"])
            found.append(Entry(figures["mean"], *bounds_of, digits, best=mark, score=True, sequential=raced))
        rows.append((title(cell), tuple(found)))
    smaller = [label for label in results.metrics if any(label in _smaller(cell) for cell in results.cells)]
    note = f"{SCORES} {SMALLER.format(labels=', '.join(smaller))}" if smaller else SCORES
    heads = {label: counted(results.cells, label) for label in results.metrics}
    rests: dict[str, list[str]] = {}
    for label, (_, words) in heads.items():
        rests.setdefault(words, []).append(label)
    counts = [f"{', '.join(labels)}: {words}." for words, labels in rests.items() if words]
    note = " ".join([questions_of(results.cells), *counts, note]).strip()
    note += fewness(
        [
            (label, figures["clusters"])
            for cell in results.cells
            for label, figures in cell.summary["metrics"].items()
            if not figures.get("sequential")
        ]
    )
    note += f" {raced_note(results.cells)}".rstrip()
    shown = tuple(f"{label}\n{count}" if count else label for label, (count, _) in heads.items())
    return Table("Scores", shown, tuple(rows), note)


def differences(results: SweepResults, comparisons: Sequence[Comparison]) -> Table:
    """Returns the table of each cell's differences to its baseline; the p-value is that of the first metric."""
    digits = _digits(results)
    found = {(one.cell, one.metric): one for one in comparisons}
    bases = {one.cell: one.baseline for one in comparisons}
    same = len(set(bases.values())) == 1
    rows = []
    for cell in results.cells:
        if cell.name not in bases:
            continue
        own = [found[cell.name, label] for label in results.metrics]
        figures = [_difference(one, digits) for one in own]
        name = title(cell) if same else f"{title(cell)} - {bases[cell.name]}"
        rows.append((name, (*figures, Entry(own[0].p_holm, digits=3))))
    head = f"Difference to {next(iter(bases.values()))}" if same else "Differences"
    note = DIFFERENCES + (f" {UNSETTLED}" if any(one.unsettled for one in comparisons) else "")
    note += (
        f" {raced_note(results.cells)} No p: it would be that of a fixed number of questions."
        if any(one.sequential for one in comparisons)
        else ""
    )
    fixed = [(one.metric, one.clusters) for one in comparisons if not one.sequential]
    note += fewness(fixed, scarce=False) + hopeless(comparisons)
    return Table(head, (*results.metrics, f"p of\n{results.metrics[0]}"), tuple(rows), note)


def _difference(one: Comparison, digits: int) -> Entry:
    return Entry(
        one.difference, one.low, one.high, digits, "+", score=True, unsettled=one.unsettled, sequential=one.sequential
    )


def costs(results: SweepResults, columns: Sequence[Column] = COLUMNS) -> Table:
    """Returns the table of coverage and costs, without empty columns."""
    summaries = [cell.summary for cell in results.cells]
    shown = [one for one in columns if one.always or any(summary.get(one.name) for summary in summaries)]
    flags = dict.fromkeys(flag for summary in summaries for flag in summary["flags"] if flag != "unparsed")
    shown += [Column(flag.replace("_", "\n", 1), flag, flag=True) for flag in flags]
    rows = []
    for cell, summary in zip(results.cells, summaries, strict=True):
        asked = Entry(word=f"{len(cell.rows)}/{summary['questions']}")
        rows.append((title(cell), (asked, *(column.entry(summary) for column in shown))))
    note, names = COSTS, {column.name for column in shown}
    note += f" {UNPARSED}" if any(summary["unparsed"] for summary in summaries) else ""
    note += f" {CUT_SHORT}" if "cut_short" in names else ""
    saving = ("engine_seconds_reused", "prefix_seconds_saved", "prefix_seconds_owed")
    saved = sum(summary[name] for summary in summaries for name in saving)
    note += f" {SAVED.format(seconds=saved)}" if saved >= 1 else ""
    note += f" {CUT}" if {"embedder_cut_chunks", "reranker_cut_passages"} & names else ""
    note += f" {MEMORY}" if "process_bytes" in names else ""
    note += f" {SKIPPED}" if "skipped" in names else ""
    note += "".join(f" {one}" for one in advice([summary["no_answer_causes"] for summary in summaries]))
    note += f" {EMPTY_REPLIES}" if "empty_replies" in names else ""
    note += f" {THOUGHTS}" if "thoughts_read" in names or "thought_tokens" in names else ""
    note += "".join(f" {FLAGS[flag]}" for flag in flags if flag in FLAGS)
    if sampled := sum(summary["sampled_by_server"] for summary in summaries):
        note += f" {SAMPLED.format(answers=sampled)}"
    note += f" {MONEY}" if "cost" in names else ""
    note += f" {UNREPORTED}" if "writes_unreported" in names else ""
    if judged := sum(summary["scoring_tokens"] for summary in summaries):
        note += f" {JUDGES.format(tokens=judged)}"
    return Table("Coverage and cost", ("questions", *(column.head for column in shown)), tuple(rows), note)


def latency(results: SweepResults) -> Table | None:
    """Returns the table of seconds to the first token and to the complete answer; None without cold cells."""
    cells = [cell for cell in results.cells if cell.cold and cell.rows]
    columns = [one for one in LATENCIES if any(one.name in cell.summary for cell in cells)]
    rows = []
    for cell in cells:
        figures = [one.entry(cell.summary) if one.name in cell.summary else Entry() for one in columns]
        rows.append((title(cell), (Entry(word=f"{cell.summary['answered']:,}"), *figures)))
    return Table("Latency", ("questions", *(one.head for one in columns)), tuple(rows), LATENCY) if rows else None


def title(cell: CellResult) -> str:
    """Returns a cell's name with remarks such as `not complete` and `control`."""
    raced = cell.raced
    marks = [raced.mark] if raced is not None else [] if cell.complete else ["not complete"]
    marks += ["control"] if cell.control else []
    return cell.name + (f" ({', '.join(marks)})" if marks else "")


def marked(cell: CellResult) -> str:
    """Returns a cell's name with how a race or search left it, if it has fewer questions than there are."""
    return cell.name if cell.raced is None else f"{cell.name} ({cell.raced.mark})"


def left(cell: CellResult) -> bool:
    """Returns whether a cell may be the best: it is no control, and no race or search has ruled it out."""
    return not cell.control and (cell.race is None or not cell.race.ruled_out)


def plain(value: float, digits: int, sign: str = "") -> str:
    """Returns a number as text with thousands separators; zero has no sign."""
    text = f"{value:{sign},.{digits}f}"
    return text if float(text.replace(",", "")) else f"{0:.{digits}f}"


def probability(p: float) -> str:
    """Returns a p-value as text, such as `p = 0.012`; none is 0."""
    return "p < 0.001" if p < 0.0005 else f"p = {p:.3f}"


def bounds(low: float, high: float) -> str:
    """Returns the interval of a difference as text."""
    return f"[{_bound(low, 3, '+')}, {_bound(high, 3, '+')}]"


def _bound(value: float, digits: int, sign: str) -> str:
    """Returns an interval bound as text; with `sign`, a nonzero bound shows its sign even if it rounds to 0."""
    text = plain(value, digits, sign)
    return f"{value:+.{digits}f}" if sign and value and not float(text.replace(",", "")) else text


def _best(cells: Sequence[CellResult], metric: str) -> list[CellResult]:
    rivals = [cell for cell in cells if left(cell) and cell.merit(metric) is not None]
    most = max((cell.merit(metric) for cell in rivals), default=None, key=lambda merit: merit or 0.0)
    return [cell for cell in rivals if cell.merit(metric) == most]


def _smaller(cell: CellResult) -> Sequence[str]:
    found: Sequence[str] = cell.facts.get("smaller_is_better", ())
    return found


def _digits(results: SweepResults) -> int:
    """Returns the number of decimal places for scores: 3 if some cell has more than 1000 rows, otherwise 2."""
    return 3 if any(len(cell.rows) > 1000 for cell in results.cells) else 2
