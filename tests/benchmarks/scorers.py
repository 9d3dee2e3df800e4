"""How fast every metric scores: 10,000 pairs of a reply and a reference, and one pair of 100,000 words each.

    .venv/bin/python tests/benchmarks/scorers.py [--kinds loogle_bleu,rouge] [--write]

Processor time. Pairs are cases of the published scorers (`tests/metrics/cases_*.py`), of other metrics drawn texts; to
every other reply and reference 20 drawn words are added. Metrics of rankings get 10,000 rankings of 100 documents, and
one of 100,000. Metrics that ask a model, or that wrap another metric, are left out. `--write` puts the table into
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import platform
import random
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from ragvlc.core.answer import Answer
from ragvlc.core.component import find_kind, known_kinds
from ragvlc.core.data import Chunk, Document, Example, Hit, Query, Span
from ragvlc.families import Metric

ROOT = Path(__file__).parents[2]
PAIRS, LONG, RANKED, LIMIT = 10_000, 100_000, 100, 60
MODELS = {"llm_judge", "semantic_similarity", "best_path", "information_loss"}
PAGE = ROOT / "docs" / "benchmarks.md"
TABLE = re.compile(r"(?<=<!-- throughput -->\n)(?:.+\n)+")
CHANCE = random.Random(1)
VOCABULARY = ["".join(CHANCE.choices("abcdefghijklmnoprstuvwy", k=CHANCE.randint(2, 9))) for _ in range(5000)]
HANZI = [chr(CHANCE.randrange(0x4E00, 0x4E00 + 2000)) for _ in range(2000)]


class Slow(Exception):
    """A pair took longer than the limit."""


def words(count: int, *, chinese: bool = False) -> str:
    """Returns drawn words with a full stop after every twelfth, or as many Chinese characters."""
    if chinese:
        return "".join(CHANCE.choices(HANZI, k=count))
    drawn = CHANCE.choices(VOCABULARY, k=count)
    return " ".join(word + "." * (place % 12 == 11) for place, word in enumerate(drawn))


def ranking(names: list[str]) -> tuple[Hit, ...]:
    """Returns hits of documents in a drawn order."""
    return tuple(
        Hit(Chunk(name, place, 0, 5, "xxxxx"), -float(place))
        for place, name in enumerate(CHANCE.sample(names, len(names)))
    )


def example(references: tuple[str, ...], case: Any, text: str, documents: int) -> Example:  # noqa: ANN401
    """Returns an example with the gold of a case, a document, and documents to rank."""
    names = [f"d{place}" for place in range(documents)]
    relevant = dict.fromkeys(names[::10], 1.0)
    scoring = {"judged": names[::2], "evidence_texts": [[text]], **getattr(case, "scoring", {})}
    return Example(
        Query("q", "Which?", getattr(case, "choices", ())),
        (Document("text", text),),
        references,
        evidence=(Span("text", 0, min(40, len(text))),),
        relevant=relevant,
        tags=getattr(case, "tags", {}),
        scoring=scoring,
    )


def answer(text: str, whole: str, documents: int) -> Answer:
    """Returns a reply that read the whole document and ranked some."""
    names = [f"d{place}" for place in range(documents)]
    return Answer(text, context=(Span("text", 0, len(whole)),), ranking=ranking(names))


def pairs(cases: list[Any], *, chinese: bool, ranks: bool) -> Iterator[tuple[Answer, Example]]:
    """Yields pairs without end."""
    documents = RANKED if ranks else 5
    for place, case in enumerate(cycle(cases or [None])):
        reply = getattr(case, "reply", "") or words(20, chinese=chinese)
        references = tuple(getattr(case, "references", ())) or (words(20, chinese=chinese),)
        if place % 2:
            more = words(20, chinese=chinese)
            reply, references = f"{reply} {more}", tuple(f"{one} {more}" for one in references)
        text = words(60)
        yield answer(reply, text, documents), example(references, case, text, documents)


def long_pair(case: Any, *, chinese: bool, ranks: bool) -> tuple[Answer, Example]:  # noqa: ANN401
    """Returns one pair of 100,000 words a side, or one ranking of as many documents."""
    documents = LONG if ranks else 5
    lead = str(getattr(case, "scoring", {}).get("prefix", ""))
    reply, reference = (lead + words(2 if ranks else LONG, chinese=chinese) for _ in range(2))
    text = words(60 if ranks else LONG)
    return answer(reply, text, documents), example((reference,), case, text, documents)


def seconds(metric: Metric, asked: list[tuple[Answer, Example]]) -> float | None:
    """Returns the processor time of scoring; None if it reaches the limit."""

    def stop(*_: object) -> None:
        raise Slow

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    start = time.process_time()
    try:
        for given, about in asked:
            metric.score(given, about)
            metric.flags(given, about)
    except Slow:
        return None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - start


def measured(kind: str, cases: list[Any]) -> str:
    """Returns the row of a metric."""
    settings: Mapping[str, Any] = dict(cases[0].settings) if cases else {}
    metric = find_kind(Metric, kind).model_validate(settings)
    if metric.refusals():
        return f"| `{metric.label}` | not measured: {metric.refusals()[0]} | |"
    alike = [case for case in cases if dict(case.settings) == settings]
    ranks, chinese = "ranking" in metric.needs, kind.endswith("_zh") or kind.startswith("cmrc")
    seconds(metric, list(islice(pairs(alike, chinese=chinese, ranks=ranks), 20)))  # what is loaded once
    many = seconds(metric, list(islice(pairs(alike, chinese=chinese, ranks=ranks), PAIRS)))
    one = seconds(metric, [long_pair(alike[0] if alike else None, chinese=chinese, ranks=ranks)])
    return f"| `{metric.label}` | {_shown(many, PAIRS)} | {f'over {LIMIT}' if one is None else f'{one:.2f}'} |"


def _shown(found: float | None, count: int) -> str:
    return f"fewer than {count / LIMIT:,.0f}" if found is None else f"{float(f'{count / found:.2g}'):,.0f}"


def main() -> None:
    """Prints the table, and writes it if asked to."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kinds", default="", help="only these, with commas between them")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    given = arguments.parse_args()
    sys.path.append(str(ROOT / "tests" / "docs"))
    from metrics_table import published_cases

    cases = published_cases()
    chosen = given.kinds.split(",") if given.kinds else [kind for kind in known_kinds("metrics") if kind not in MODELS]
    rows = [
        f"{datetime.now(UTC):%Y-%m-%d}, one core of {platform.machine()}, Python {platform.python_version()}.",
        "",
        "| metric | pairs a second | one pair of 100,000 words, seconds |",
        "| --- | ---: | ---: |",
    ]
    for kind in chosen:
        rows.append(measured(kind, cases.get(kind, [])))
        print(rows[-1], flush=True)
    if given.write:
        text = "\n".join(rows[2:]) + "\n"
        PAGE.write_text(TABLE.sub(lambda _: text, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
