"""Makes a set of questions: attempts in rounds until each kind has its share, stored one by one, resumed after a kill.

A round makes as many attempts of each kind as questions of it are missing, and the next round depends on what the whole
round gave. So the set depends on documents, settings and models alone: not on how many attempts run together, and not
on how often the run was interrupted. (Greedy models given: sampled replies repeat as far as their model repeats them.)
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from ragvlc.core import interruption
from ragvlc.core.answer import Usage
from ragvlc.core.data import Document, Span, content_key, documents_key
from ragvlc.core.errors import ConfigError, DatasetError
from ragvlc.core.families import Generator
from ragvlc.core.given_paths import path_of
from ragvlc.core.jobs import Setup
from ragvlc.pool import EnginePool
from ragvlc.questions.choosing import Chosen, choose, quotas
from ragvlc.questions.drawing import Drawer
from ragvlc.questions.examiner import Bench
from ragvlc.questions.files import SetFiles, write_questions
from ragvlc.questions.item import SOURCE
from ragvlc.questions.kind import QuestionKind
from ragvlc.questions.log import Attempt, AttemptLog
from ragvlc.questions.making import Maker, model_name, prompt_hash, prompt_text
from ragvlc.questions.spec import READER, WRITER, QuestionSpec
from ragvlc.sweep.setups import check_trials
from ragvlc.trials import try_setups

__all__ = ["MadeQuestions", "QuestionWatcher", "Status", "counts", "make_questions"]

Status = Literal["complete", "short", "budget", "pending"]
"""All questions were made; attempts ran out; the budget did; or attempts failed that another run may mend."""

_MODEL_ROLES = (WRITER, READER)


class QuestionWatcher(Protocol):
    """Receives the progress, in the thread that called `make_questions`."""

    def round(self, kept: int, wanted: int, attempts: int) -> None:
        """Called before a round, with the number of questions so far and of the attempts to make."""
        ...

    def attempt(self, attempt: Attempt) -> None:
        """Called after an attempt was stored."""
        ...


@dataclass(frozen=True)
class MadeQuestions:
    """A set of questions, and how it came about.

    Attributes:
        files: of the set.
        status: how the run ended.
        wanted: number of questions by kind.
        chosen: the questions, and what became of the other attempts.
        bills: usage of all attempts by role.
        money: at the prices of the generators; None if one of them has no price.
        failures: messages of attempts that another run may mend.
        left_out: kinds that cannot be asked about these documents, with the reason.
        reader_is_writer: the filters asked the model that wrote the questions.
        others: attempts in the same file that were made with other settings, models or documents, and are not used.
    """

    files: SetFiles
    status: Status
    wanted: Mapping[str, int]
    chosen: Chosen
    bills: Mapping[str, Usage] = field(default_factory=dict)
    money: float | None = None
    failures: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    reader_is_writer: bool = False
    others: int = 0


def make_questions(
    spec: QuestionSpec,
    out: str | Path,
    *,
    pool: EnginePool | None = None,
    watcher: QuestionWatcher | None = None,
    wait_seconds: float = 0.0,
) -> MadeQuestions:
    """Makes the missing questions of a set, writes its files and returns it.

    Args:
        spec: of the set.
        out: a file that ends in `.jsonl`, else a folder.
        pool: opened models to use; left open.
        watcher: receives the progress.
        wait_seconds: how long to wait for servers to come up.

    Raises:
        ConfigError: the set cannot be made as specified, its questions were reviewed already, or other files are there.
        DatasetError, StoreError: documents cannot be read, or files not written.
        SetupError: a model or server does not work.
        Interrupted: after Ctrl-C; attempts that ended are stored.
    """
    files = SetFiles.at(out)
    files.refuse_others()
    documents = _documents(spec, files)
    key = content_key([spec.key, documents_key(documents)])
    with interruption.scope(), AttemptLog(files.attempts, key) as log, _pool(pool, spec) as engines:
        return _Making(spec, files, documents, log, engines).run(watcher, wait_seconds)


class _Making:
    """One run over a set."""

    def __init__(
        self,
        spec: QuestionSpec,
        files: SetFiles,
        documents: Sequence[Document],
        log: AttemptLog,
        pool: EnginePool,
    ) -> None:
        self._spec = spec
        self._files = files
        self._documents = documents
        self._log = log
        self._pool = pool
        models = spec.models
        bench = Bench(
            models,
            pool,
            {one.id: one for one in documents},
            spec.chunker,
            spec.retriever,
            answer_tokens=spec.answer_tokens,
            summary_tokens=spec.summary_tokens,
            decline=spec.decline,
            seed=spec.seed,
        )
        tokenizer = pool.tokenizer(models.generators[WRITER])
        self._drawer = Drawer(dict(bench.documents), tokenizer, spec.seed, lambda span, n: _related(bench, span, n))
        self._maker = Maker(spec, bench, self._drawer)
        self._stored = log.load()
        self._failed: dict[tuple[str, int], Attempt] = {}
        self._lock = threading.Lock()
        self._over = ""

    def run(self, watcher: QuestionWatcher | None, wait_seconds: float) -> MadeQuestions:
        """Makes rounds of attempts until nothing is missing, or nothing more may be made."""
        kinds, left_out = self._kinds()
        wanted = quotas({name: kind.share for name, kind in kinds.items()}, self._spec.count)
        self._check_prices()
        made: dict[str, int] = dict.fromkeys(kinds, 0)
        status: Status = "complete"
        tried = False
        while True:
            slots = [(name, number) for name in kinds for number in range(made[name])]
            done = [self._stored[slot] for slot in slots if slot in self._stored]
            chosen = choose(done, wanted, self._spec.filters, self._pool)
            missing = {name: wanted[name] - chosen.kept_of(name) for name in kinds}
            if self._failed or self._over:
                status = "pending" if self._failed else "budget"
                break
            more = [
                (name, number)
                for name in kinds
                for number in range(made[name], min(made[name] + missing[name], self._spec.attempts * wanted[name]))
            ]
            if not more:
                status = "short" if any(missing.values()) else "complete"
                break
            left = [slot for slot in more if slot not in self._stored]
            if left and not tried:
                tried = True
                self._try_models(wait_seconds)
            if watcher is not None:
                watcher.round(len(chosen.kept), self._spec.count, len(left))
            self._attempt(left, kinds, watcher)
            for name, _ in more:
                made[name] += 1
        result = self._result(status, wanted, chosen, left_out)
        self._write(result, kinds)
        return result

    def _kinds(self) -> tuple[dict[str, QuestionKind], dict[str, str]]:
        """Returns the kinds that these documents allow, and why the others are left out."""
        kinds = {kind.kind: kind for kind in self._spec.kinds}
        left_out = {
            name: "needs two documents with text" if kind.places == "other_document" else "no document is long enough"
            for name, kind in kinds.items()
            if not self._drawer.usable(kind)
        }
        usable = {name: kind for name, kind in kinds.items() if name not in left_out}
        if not usable:
            raise DatasetError(
                f"{self._spec.dataset.source}: no document has the text that a question needs: "
                + "; ".join(f"{name}: {why}" for name, why in left_out.items())
            )
        return usable, left_out

    def _attempt(
        self, slots: Sequence[tuple[str, int]], kinds: Mapping[str, QuestionKind], watcher: QuestionWatcher | None
    ) -> None:
        """Makes attempts, as many together as the settings say, and stores each as it ends."""

        def make(slot: tuple[str, int]) -> Attempt | None:
            interruption.check()
            if self._over_budget():
                return None
            attempt = self._maker.make(kinds[slot[0]], slot[1])
            with self._lock:
                if attempt.transient:
                    self._failed[slot] = attempt
                else:
                    self._log.append(attempt)
                    self._stored[slot] = attempt
            return attempt

        with ThreadPoolExecutor(min(self._spec.concurrency, max(1, len(slots)))) as threads, interruption.scope():
            futures = [threads.submit(make, slot) for slot in slots]
            try:
                for future in futures:
                    attempt = interruption.result(future)
                    if watcher is not None and attempt is not None:
                        watcher.attempt(attempt)
            except BaseException:
                for future in futures:
                    future.cancel()
                raise

    def _over_budget(self) -> bool:
        """Returns whether what was spent so far reaches a limit of the budget."""
        limits = self._spec.budget.limits if self._spec.budget else {}
        if not limits:
            return False
        with self._lock:
            bills, seconds = _bills(self._stored.values()), sum(one.seconds for one in self._stored.values())
        total = sum(bills.values(), Usage())
        spent = {
            "money": self._money(bills) or 0.0,
            "prompt_tokens": total.prompt_tokens,
            "completion_tokens": total.completion_tokens,
            "seconds": seconds,
            "calls": total.calls,
        }
        over = [f"{name} {spent[name]:.6g} of {limit:.6g}" for name, limit in limits.items() if spent[name] >= limit]
        self._over = ", ".join(over)
        return bool(over)

    def _money(self, bills: Mapping[str, Usage]) -> float | None:
        models = {**self._spec.models.generators, **self._judges()}
        prices = {role: models[role].price for role in bills if role in models}
        costs = [price.at_most(bills[role]) for role, price in prices.items() if price is not None]
        return sum(costs) if len(costs) == len(bills) else None

    def _judges(self) -> dict[str, Generator]:
        """Returns the model of a metric that judges by one, as the role `judge`."""
        metrics = [metric for kind in self._spec.kinds for metric in kind.metrics]
        found = [part for metric in metrics for part in metric.parts() if isinstance(part, Generator)]
        return {"judge": found[0]} if found else {}

    def _check_prices(self) -> None:
        budget = self._spec.budget
        if budget is None or budget.money is None:
            return
        models = {**self._spec.generators, **self._judges()}
        unpriced = [role for role, model in models.items() if model.price is None]
        if unpriced:
            raise ConfigError(f"budget.money needs a price of each generator; without one: {', '.join(unpriced)}.")

    def _try_models(self, wait_seconds: float) -> None:
        """Tries each model once before the first attempt; raises `SetupError`."""
        models = {model.key: model for model in (*self._spec.models.generators.values(), *self._judges().values())}
        check_trials(try_setups(self._pool, [Setup(model) for model in models.values()], wait_seconds))

    def _result(
        self, status: Status, wanted: Mapping[str, int], chosen: Chosen, left_out: Mapping[str, str]
    ) -> MadeQuestions:
        models = self._spec.models.generators
        bills = _bills(self._stored.values())
        failures = [str(one.facts.get("error", one.reason)) for one in self._failed.values()]
        return MadeQuestions(
            files=self._files,
            status=status,
            wanted=wanted,
            chosen=chosen,
            bills=bills,
            money=self._money(bills),
            failures=tuple(dict.fromkeys(failures)) if self._failed else (self._over,) if self._over else (),
            left_out=left_out,
            reader_is_writer=models[READER].key == models[WRITER].key,
            others=self._log.others,
        )

    def _write(self, made: MadeQuestions, kinds: Mapping[str, QuestionKind]) -> None:
        chosen, spec = made.chosen, self._spec
        self._files.write_documents(self._documents)
        write_questions(self._files.dropped, chosen.dropped)
        self._files.write_facts(
            {
                "generated": True,
                "source": SOURCE,
                "status": made.status,
                "models": {role: model_name(spec.models, role) for role in spec.models.generators},
                "seed": spec.seed,
                "documents": len(self._documents),
                "documents_key": documents_key(self._documents),
                "prompts": {
                    prompt_hash(*one): prompt_text(*one) for one in _prompts(kinds.values(), in_steps=spec.in_steps)
                },
                "counts": counts(made),
                "settings": spec.spec(),
            }
        )
        write_questions(self._files.questions, chosen.kept)  # last: where it is, the other files are


def _prompts(kinds: Iterable[QuestionKind], *, in_steps: bool) -> list[tuple[str, ...]]:
    """Returns the prompt templates that questions of each kind are written with."""
    return [kind.steps if in_steps and kind.steps else (kind.prompt,) for kind in kinds]


def counts(made: MadeQuestions) -> dict[str, object]:
    """Returns the numbers of a set as JSON values."""
    chosen = made.chosen
    reasons: dict[str, dict[str, int]] = {}
    for (kind, reason), number in sorted(chosen.reasons.items()):
        reasons.setdefault(kind, {})[reason] = number
    return {
        "wanted": dict(made.wanted),
        "attempts": {kind: chosen.attempts[kind] for kind in made.wanted},
        "kept": {kind: chosen.kept_of(kind) for kind in made.wanted},
        "dropped": reasons,
        "marked": dict(sorted(chosen.marks().items())),
        "unjudged": chosen.unjudged(),
        "skipped": dict(sorted(chosen.skips().items())),
        "left_out": dict(made.left_out),
    }


def _bills(attempts: Iterable[Attempt]) -> dict[str, Usage]:
    bills: dict[str, Usage] = {}
    for attempt in list(attempts):
        for role, usage in attempt.bills.items():
            bills[role] = bills.get(role, Usage()) + usage
    return bills


def _related(bench: Bench, span: Span, n: int) -> list[Span]:
    text = bench.documents[span.document_id].text[span.start : span.end]
    hits = bench.search(text, 8 * n)
    return [hit.chunk.span for hit in hits if hit.chunk.document_id != span.document_id][:n]


def _documents(spec: QuestionSpec, files: SetFiles) -> Sequence[Document]:
    """Returns the documents to ask about. Raises `DatasetError` if they include what this set writes."""
    documents = spec.dataset.all_documents()
    folder = getattr(spec.dataset, "path", None) if spec.dataset.kind == "folder" else None
    if folder and files.questions.is_relative_to(path_of(str(folder)).absolute()):
        raise ConfigError(
            f"{files.questions}: lies in the folder of the documents, so that a later run would read the questions as "
            "a document. Choose another place: --out FILE.jsonl."
        )
    names = [one.id for one in documents]
    if len(set(names)) < len(names):
        raise DatasetError(f"{spec.dataset.source}: two documents have the same id.")
    return documents


@contextmanager
def _pool(given: EnginePool | None, spec: QuestionSpec) -> Iterator[EnginePool]:
    if given is not None:
        yield given
        return
    with EnginePool(reuse=spec.cache) as pool:
        yield pool
