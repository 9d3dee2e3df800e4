"""The command `review`: a person's last word on generated questions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.app import app, out
from ragvlc.core.errors import ConfigError
from ragvlc.core.texts import one_line, printable

if TYPE_CHECKING:
    from ragvlc.questions.review.agreement import Agreement
    from ragvlc.questions.review.applying import Applied
    from ragvlc.questions.review.decision import ReviewDecision
    from ragvlc.questions.review.session import Review

_FEW = 30


@app.command()
def review(
    source: Annotated[str, typer.Argument(metavar="SET.jsonl", help="A set of generated questions, or its folder.")],
    apply: Annotated[
        str, typer.Option("--apply", metavar="DECISIONS", help="Apply the decisions in a CSV, Excel or JSON file.")
    ] = "",
    reviewer: Annotated[str, typer.Option(help="Name of the reviewer, where the file does not say.")] = "",
    compare: Annotated[
        list[str] | None,
        typer.Option("--compare", metavar="DECISIONS", help="Give it twice: agreement of two reviewers."),
    ] = None,
    model: Annotated[str, typer.Option(help="Model that examines edited questions; without it they are marked.")] = "",
    without: Annotated[
        list[str] | None, typer.Option("--without", help="A filter not to examine edits by; repeatable.")
    ] = None,
    target: Annotated[str, typer.Option("--out", metavar="FILE.html", help="Page to write, or a folder for it.")] = "",
) -> None:
    """Write a page and a table to review generated questions with, or apply or compare the decisions made with them."""
    from ragvlc.questions.review.session import Review
    from ragvlc.questions.sources import model_of

    _refuse_mixed(apply=apply, compare=compare or [], model=model, without=without or [], target=target)
    found = Review.of(source)
    if compare:
        _print_agreement(found, found.compare(*compare), compare)
    elif apply:
        given = model_of(model) if model else None
        _print_applied(found, found.apply(apply, reviewer=reviewer.strip(), model=given, without=without or ()))
    else:
        page, table = found.write(target or None)
        out().print(
            f"Page: {page}\nTable: {table}\n{len(found.items):,} questions, {_reviewed(Counter(_done(found)))}. Open "
            "the page in a browser, or the table in a spreadsheet (decision: accept, edit or reject), then: "
            f"ragvlc review {source} --apply DECISIONS --reviewer NAME",
            soft_wrap=True,
        )


def _refuse_mixed(*, apply: str, compare: list[str], model: str, without: list[str], target: str) -> None:
    if apply and compare:
        raise ConfigError("--apply and --compare: choose one of them.")
    if compare and len(compare) != 2:
        raise ConfigError(
            f"--compare: needs two files of decisions, not {len(compare)}: --compare A.csv --compare B.csv."
        )
    if target and (apply or compare):
        raise ConfigError("--out: names the page to write, so it goes with neither --apply nor --compare.")
    if not apply and (model or without):
        raise ConfigError("--model, --without: examine edited questions, so they need --apply.")


def _done(review: Review) -> list[str]:
    return [str(item.review.get("decision", "")) for item in review.items]


def _reviewed(counts: Counter[str]) -> str:
    total = counts.total() - counts[""]
    return f"{total:,} of {counts.total():,} reviewed, {counts['rejected']:,} rejected"


def _print_applied(review: Review, done: Applied) -> None:
    counts = done.counts
    words = [
        f"{counts[name]:,} {name}" for name in ("accepted", "edited", "rejected", "applied before") if counts[name]
    ]
    screen = out()
    screen.print(f"{', '.join(words)}.")
    for name, number in done.not_judged.most_common():
        screen.print(f"Of the edited questions, {number} not judged by {name}: give --model, or read them again.")
    for line in done.remarks:
        screen.print(printable(line), soft_wrap=True)
    now = Counter(str(item.review.get("decision", "")) for item in done.items)
    screen.print(
        f"{review.files.questions}: {_reviewed(now)}; rejected questions stay in the file and are not asked.",
        soft_wrap=True,
    )


def _print_agreement(review: Review, found: Agreement, files: list[str]) -> None:
    from rich.table import Table

    from ragvlc.questions.review.decision import WORDS

    screen = out()
    names = [_name(own, file) for own, file in zip(zip(*found.both, strict=True), files, strict=True)]
    table = Table(f"{names[0]} \\ {names[1]}", *WORDS, box=None, pad_edge=False)
    for word in WORDS:
        table.add_row(word, *(str(found.table[word, other]) for other in WORDS))
    screen.print(table)
    n = len(found.both)
    screen.print(f"n = {n} questions decided by both; the same decision on {found.equal} ({found.equal / n:.0%}).")
    if any(found.alone):
        screen.print(
            f"Decided by one alone, and left out: {found.alone[0]} by the first, {found.alone[1]} by the second."
        )
    screen.print(_kappa_words(found), soft_wrap=True)
    questions = {item.id: item.question for item in review.items}
    for title, pairs in (("Disagreements:", found.disagreements), ("Edited by both, differently:", found.other_edits)):
        if pairs:
            screen.print(f"\n{title}")
        for one, other in pairs:
            screen.print(
                f"  {one.id}  {names[0]}: {_said(one)}; {names[1]}: {_said(other)}; {one_line(questions[one.id], 100)}",
                soft_wrap=True,
            )


def _kappa_words(found: Agreement) -> str:
    if found.kappa is None:
        return "Cohen's kappa is undefined: both gave every question the same one decision, so chance agreement is 1."
    if found.interval is None:
        more = f"no interval: in {found.undefined:,} of 2,000 resamples it is undefined"
    else:
        more = f"95 % interval {found.interval[0]:.2f} to {found.interval[1]:.2f}, bootstrap over questions"
    few = f" Fewer than {_FEW} questions: read it with care." if len(found.both) < _FEW else ""
    return f"Cohen's kappa of accept, edit and reject: {found.kappa:.2f} ({more}).{few}"


def _name(own: tuple[ReviewDecision, ...], file: str) -> str:
    names = list(dict.fromkeys(one.reviewer for one in own if one.reviewer))
    return printable(", ".join(names)) or Path(file).name


def _said(one: ReviewDecision) -> str:
    return f"{one.word} ({one_line(one.note, 100)})" if one.note else one.word
