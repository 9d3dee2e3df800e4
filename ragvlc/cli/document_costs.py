"""The part of `estimate` on money by the number of questions about one document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragvlc.cli.amounts import money_text
from ragvlc.cli.app import out
from ragvlc.core.errors import ConfigError

if TYPE_CHECKING:
    from ragvlc.analysis.document_costs import DocumentCost
    from ragvlc.estimate.estimate import Options
    from ragvlc.pipeline import Pipeline

__all__ = [
    "DocumentCosts",
    "DrawOption",
    "GapOption",
    "document_costs",
    "print_document_costs",
    "refuse_document_costs",
]

GapOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="For a pipeline with prices: seconds between two questions, for prefix caches (CAG) that expire.",
    ),
]
DrawOption = Annotated[
    Path | None, typer.Option(help="For a pipeline with prices: file (.png, .svg) for a figure of money by questions.")
]
_ASKED = (1, 10, 100)


@dataclass(frozen=True, slots=True)
class DocumentCosts:
    """Money of a pipeline's routes by the number of questions about one document.

    Attributes:
        costs: of the routes with prices.
        missing: why other routes have no figure.
        questions: asked for.
        gap: seconds between two questions.
        drawn: the file of the figure.
        note: on a gap that changes nothing; empty where it does.
    """

    costs: list[DocumentCost]
    missing: list[str]
    questions: int
    gap: float
    drawn: Path | None
    note: str = ""

    @property
    def asked(self) -> list[int]:
        """The numbers of questions in the table."""
        return sorted({*_ASKED, self.questions})

    def to_json(self) -> dict[str, Any]:
        """Returns the money by route and number of questions, and the break-evens, as JSON values."""
        from ragvlc.analysis.document_costs import break_even_sentences

        return {
            "gap_seconds": self.gap,
            "money": {one.name: {str(n): one.money(n, self.gap) for n in self.asked} for one in self.costs},
            "batch": {one.name: {str(n): one.money(n, self.gap, batch=True) for n in self.asked} for one in self.costs},
            "break_even": break_even_sentences(self.costs, self.gap),
            "missing": self.missing,
            "note": self.note,
        }


def refuse_document_costs(target: str, gap: float | None, draw: Path | None) -> None:
    """Raises `ConfigError` for options of pipelines that were given for an experiment."""
    if gap is not None or draw is not None:
        name = "--draw" if gap is None else "--gap"
        raise ConfigError(f"{name} is for pipelines; '{target}' is an experiment, whose report draws the money.")


def document_costs(
    pipeline: Pipeline, asked: tuple[int, int | None, float | None, Path | None], runs: Path, options: Options
) -> DocumentCosts | None:
    """Returns the money by the number of questions, and draws it if asked; None for a pipeline without prices.

    Args:
        pipeline: whose routes are compared.
        asked: tokens of the document, questions, seconds between them, and the figure's file.
        runs: folder of results.
        options: of the estimate.
    """
    context, questions, gap, draw = asked
    if all(one.price is None for one in pipeline.generators.values()):
        vain = [name for name, given in (("--gap", gap), ("--draw", draw)) if given is not None]
        if vain:
            raise ConfigError(
                f"{' and '.join(vain)} {'needs' if len(vain) == 1 else 'need'} prices: no generator has one. Add "
                "`price: {prompt: ..., completion: ...}`."
            )
        return None
    from ragvlc.analysis.document_costs import NO_LIFETIME, draw_money
    from ragvlc.estimate.document_costs import route_costs

    costs, missing = route_costs(pipeline, context, runs, options)
    lasting = [one.name for one in costs if any(part.caches and part.price.lifetime is None for part in one.readings)]
    note = f"--gap changes nothing for {', '.join(lasting)}: {NO_LIFETIME}" if gap and lasting else ""
    if draw is not None and costs:
        _save(draw_money({"": costs}, questions or max(_ASKED), gap or 0.0), draw)
    return DocumentCosts(costs, missing, questions or max(_ASKED), gap or 0.0, draw if costs else None, note)


def _save(figure: Any, file: Path) -> None:  # noqa: ANN401 - matplotlib is imported with the figure
    try:
        figure.savefig(file, dpi=160, facecolor="white")
    except ValueError as error:  # no format of that ending
        raise ConfigError(f"--draw {file}: {error}") from error
    except OSError as error:
        raise ConfigError(f"--draw {file}: {error.strerror or error}") from error


def print_document_costs(found: DocumentCosts) -> None:
    """Prints the money by route and number of questions, the break-evens, and what has no figure."""
    from rich.table import Table

    from ragvlc.analysis.document_costs import break_even_sentences

    screen = out()
    if found.costs:
        gap = f", {found.gap:g} s apart" if found.gap else ""
        title = f"Money by questions about one document{gap}, with a prefix cache (cache-augmented generation, CAG)"
        table = Table("route", title=title, title_justify="left", box=None, pad_edge=False)
        for number in found.asked:
            table.add_column(f"{number:,}", justify="right")
        for one in found.costs:
            table.add_row(one.name, *(money_text(one.money(n, found.gap)) for n in found.asked))
            if any(reading.price.batch_factor < 1 for reading in one.readings):
                batch = (money_text(one.money(n, found.gap, batch=True)) for n in found.asked)
                table.add_row(f"{one.name}, as a batch", *batch)
        screen.print(table)
        for sentence in break_even_sentences(found.costs, found.gap):
            screen.print(sentence)
    if found.note:
        screen.print(found.note)
    for sentence in found.missing:
        screen.print(f"Not in the money by questions: {sentence}")
    if found.drawn is not None:
        screen.print(f"Figure: {found.drawn}")
