"""The command `questions`: questions about one's own documents, written by a model and checked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from ragvlc.cli.amounts import money_text
from ragvlc.cli.app import SetOption, app, out, settings_of
from ragvlc.core.errors import ConfigError
from ragvlc.core.given_paths import path_of
from ragvlc.core.texts import visible

if TYPE_CHECKING:
    from ragvlc.questions.log import Attempt
    from ragvlc.questions.runner import MadeQuestions

MODEL = "packaged:smollm2-135m-instruct"
SMALL = (
    "The packaged model has 135 million parameters: hardly a question of it is good. Name a larger one with --model, "
    "or a server: --model '{kind: openai_compatible, url: ..., model: ...}'."
)


_ModelOption = Annotated[
    str, typer.Option(help="Model that writes: packaged:NAME, a folder, a hub id, or a generator in YAML.")
]
_ReaderOption = Annotated[str, typer.Option(help="Model that answers for the filters; the writer by default.")]
_OutOption = Annotated[
    str, typer.Option("--out", metavar="FILE.jsonl", help="File of the questions, or a folder of their own.")
]
_KindOption = Annotated[
    list[str] | None, typer.Option("--kind", metavar="NAME=SHARE", help="A kind and its share; may be repeated.")
]
_StepsOption = Annotated[
    bool, typer.Option("--steps", help="Show one sentence, ask for a question, then its answer: for small models.")
]
_OverlapOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Largest share of a question's words that may occur in its evidence."),
]
_LossOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of a file's text that may be missing; 1 skips unreadable files."),
]


@app.command()
def questions(  # noqa: PLR0913, PLR0917 - options of a command are parameters
    source: Annotated[
        str, typer.Argument(help="A folder of documents, a data set, an experiment, or a YAML file of a set.")
    ],
    model: _ModelOption = "",
    reader: _ReaderOption = "",
    count: Annotated[int | None, typer.Option(min=1, help="Number of questions.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the passages that are drawn.")] = None,
    target: _OutOption = "",
    kind: _KindOption = None,
    without: Annotated[list[str] | None, typer.Option("--without", help="A filter to leave out; repeatable.")] = None,
    steps: _StepsOption = False,
    max_overlap: _OverlapOption = None,
    allow_loss: _LossOption = None,
    settings: SetOption = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="Wait this long for servers to come up.")
    ] = 0.0,
) -> None:
    """Write questions about documents with a model, check them, and store them with their evidence.

    Stop with Ctrl-C; run again to continue. Exit status 1: fewer questions than asked for.
    """
    from ragvlc.core.interruption import Interrupted
    from ragvlc.questions.runner import make_questions
    from ragvlc.questions.sources import spec_of
    from ragvlc.questions.spec import READER, WRITER

    own = source.endswith((".yaml", ".yml"))
    models = {WRITER: model or ("" if own else MODEL), READER: reader}
    given = {"count": count, "seed": seed, "in_steps": steps or None}
    spec = spec_of(
        source,
        {role: name for role, name in models.items() if name},
        {**{name: value for name, value in given.items() if value is not None}, **settings_of(settings)},
        kinds=dict(map(_share, kind or [])),
        without=tuple(without or ()),
        max_overlap=max_overlap,
        allow_loss=allow_loss,
    )
    place = path_of(target) if target else Path("questions") / f"{path_of(source).absolute().stem}.jsonl"
    if models[WRITER] == MODEL:
        sys.stderr.write(f"{SMALL}\n")
    try:
        with _Bars() as bars:
            made = make_questions(spec, place, watcher=bars, wait_seconds=wait)
    except (KeyboardInterrupt, Interrupted):
        from ragvlc.cli.interrupting import received

        received.tell("interrupted: attempts that have ended are stored. Run the same command again to continue.")
        raise
    _print(made)
    sys.exit(0 if made.status == "complete" else 1)


def _share(given: str) -> tuple[str, float]:
    name, separator, text = given.partition("=")
    try:
        return name.strip(), float(text) if separator else 1.0
    except ValueError:
        raise ConfigError(f"--kind {given}: needs NAME=SHARE, such as numbers=2.") from None


class _Bars:
    """Progress on standard error: a bar on a terminal, a line for each round elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._live = console.is_terminal
        self._bars = Progress(console=console, disable=not self._live)
        self._task: Any = None
        self._rounds = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def round(self, kept: int, wanted: int, attempts: int) -> None:
        """Shows the number of questions so far, and of the attempts to make now."""
        self._rounds += 1
        text = f"round {self._rounds}: {kept} of {wanted} questions"
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(text, total=attempts)
        if not self._live:
            sys.stderr.write(f"{text}, {attempts} attempts to make\n")
            sys.stderr.flush()

    def attempt(self, attempt: Attempt) -> None:  # noqa: ARG002 - one is like another
        """Advances the bar."""
        self._bars.advance(self._task)


def _print(made: MadeQuestions) -> None:
    from rich.table import Table

    chosen, screen = made.chosen, out()
    table = Table("kind", "wanted", "attempts", "kept", "of them marked", "dropped", box=None, pad_edge=False)
    rows = [(kind, wanted, chosen.attempts[kind], chosen.kept_of(kind)) for kind, wanted in made.wanted.items()]
    for kind, wanted, attempts, kept in rows:
        dropped = sum(number for (one, _), number in chosen.reasons.items() if one == kind)
        table.add_row(kind, *map(str, (wanted, attempts, kept, chosen.marked_of(kind), dropped)))
    asked, kept = sum(row[2] for row in rows), len(chosen.kept)
    marked = sum(map(chosen.marked_of, made.wanted))
    table.add_row("all", *map(str, (sum(made.wanted.values()), asked, kept, marked, chosen.reasons.total())))
    screen.print(table)
    for title, counts in (
        ("Dropped, by reason:", chosen.by_reason()),
        ("Kept, but a filter could not judge (look at them first):", chosen.marks()),
        ("Filters that do not apply to kept questions:", chosen.skips()),
    ):
        if counts:
            screen.print(f"\n{title}")
            for reason, number in counts.most_common():
                screen.print(f"  {number:>5}  {visible(reason)}", soft_wrap=True)
    for line in _remarks(made):
        screen.print(line, soft_wrap=True)


def _remarks(made: MadeQuestions) -> list[str]:
    """Returns what to know of a set: what is missing and why, who wrote it, what it took, and what to do next."""
    from ragvlc.core.answer import Usage

    kept, wanted = len(made.chosen.kept), sum(made.wanted.values())
    lines = [f"\nLeft out: {kind}: {reason}." for kind, reason in made.left_out.items()]
    if made.chosen.spare:
        lines.append(f"{made.chosen.spare} more than their kind has a share for are left out.")
    if made.others:
        lines.append(f"{made.others:,} attempts of other settings, models or documents are in the file, and not used.")
    ends = {
        "short": f"{kept} of {wanted} questions: attempts ran out. Raise them (--set attempts=8), use a better model, "
        "or look at the reasons above.",
        "budget": f"{kept} of {wanted} questions: the budget is spent ({'; '.join(made.failures)}). A larger one goes "
        "on from here.",
        "pending": f"{kept} of {wanted} questions: attempts failed that another run may mend "
        f"({visible('; '.join(made.failures[:3]))}). Run the same command again.",
    }
    lines += [ends[made.status]] if made.status in ends else []
    if unjudged := made.chosen.unjudged():
        lines.append(
            f"Of {unjudged:,} kept questions no filter with a model could judge anything: only their form is "
            "checked. Use another --reader, or read them."
        )
    writers = sorted({item.written_by for item in made.chosen.kept})
    if made.reader_is_writer and writers:
        lines.append(
            f"{', '.join(writers)} wrote the questions and answered them for the filters: they let pass what it can "
            "answer. Another --reader is a stricter judge."
        )
    total = sum(made.bills.values(), Usage())
    cost = f", money {money_text(made.money)}" if made.money else ""
    lines.append(
        f"Taken by all attempts: {total.calls:,} calls, {total.prompt_tokens:,} prompt and "
        f"{total.completion_tokens:,} new tokens{cost}."
    )
    files = made.files
    dataset = ", ".join(f"{name}: {value}" for name, value in files.dataset().items())
    lines.append(
        f"Questions: {files.questions}\nDropped, with reasons: {files.dropped}\nHow it was made: {files.facts}"
    )
    return [*lines, *([f"Ask them in an experiment: dataset: {{{dataset}}}"] if made.chosen.kept else [])]
