"""The YAML format of a replay: stored answers, names of fields and routes, and the routers to evaluate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from ragvlc import config
from ragvlc.core.component import Component, Execution, FilePath, part
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Chunker, Embedder, Generator, Metric, Price, Retriever, Route, Router, Tracker
from ragvlc.core.given_paths import path_of, real_path
from ragvlc.core.names import FolderName
from ragvlc.core.paths import Base, Spot, placed_choices
from ragvlc.documents.dataset import Dataset
from ragvlc.reading.escalation import Wrapper
from ragvlc.routing.declared_metadata import Declared
from ragvlc.routing.fitting import FitSettings

__all__ = ["Answers", "Columns", "Halves", "LoggedSystem", "Part", "Replay", "Wrapped", "is_replay", "of_logs", "usual"]

ReplayT = TypeVar("ReplayT", bound="Replay")


class Columns(Component):
    """Names of the fields in a predictions file; an empty name means that the file has no such field.

    Attributes:
        question: id of the question.
        text: the reply.
        route: how it was answered.
        model: who answered; without one, all answers are of one model.
        prompt_tokens: tokens read, all calls together.
        cached_tokens: of those, found in a cache of prefixes.
        completion_tokens: tokens written.
        seconds: what the answer took.
        finish: why it ended; `declined` where the model said that the text does not answer.
    """

    question: str = "question_id"
    text: str = "prediction"
    route: str = "route"
    model: str = ""
    prompt_tokens: str = ""
    cached_tokens: str = ""
    completion_tokens: str = ""
    seconds: str = ""
    finish: str = ""


class LoggedSystem(Component):
    """The place of another tool's log in the comparison.

    Attributes:
        route: what is compared, such as `rag`.
        model: who answered; routes are compared within a model.
    """

    route: str
    model: str = ""


class Answers(Component):
    """Location and format of stored answers.

    Attributes:
        file: JSON Lines, JSON or CSV (gzipped or not), or a results folder; seen from the YAML file, or else from the
            folder of questions. May be given on the command line instead, and is then seen from the current folder, or
            else from that of questions.
        columns: what its fields are called. A results folder needs none.
        routes: the routes to choose between, as they are called here, by their names in the file; of a results folder,
            by names of cells or pipelines. Answers of other routes are not looked at. Empty: all, as they are called.
        models: keep these only; all if empty.
        reads: prompt tokens of a route whose answers do not say: `document`, all of the documents, or a number, at
            most so many tokens of them. The question and `frame` are added.
        characters_per_token: how long a token is taken to be where tokens are worked out; None: they are counted by
            the tokenizer of generator `main`, or else by an estimate that is rather too high.
        frame: tokens of the instructions around documents and question, where prompt tokens are worked out.
        empty: what an empty text in a file counts as: `refusal`, as in SQuAD's script, or `no_answer`. Answers of a
            results folder know it themselves, and an empty text in another tool's log is no answer.
        logs: sample logs and prediction files of other tools, or folders of them, in place of `file`: of
            lm-evaluation-harness, inspect_ai, HELMET, L-Eval, InfiniteBench, LongBench or LongBench v2.
        tasks: of the logs; all if empty.
        systems: routes and models by a log's system or file name; by default each system is a route of its own.
        join: how answers of logs find their questions: `id`, `position`, `content` (question and references), or
            `auto`, the first of these that fits.
        filter: of lm-evaluation-harness, whose answers are compared; the first in the file if empty.
    """

    file: str = ""
    columns: Columns = Field(default_factory=Columns)
    routes: Mapping[str, str] = Field(default_factory=dict)
    models: tuple[str, ...] = ()
    reads: Mapping[str, Literal["document"] | Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    characters_per_token: Annotated[float, Field(gt=0)] | None = None
    frame: Annotated[int, Field(ge=0)] = 80
    empty: Literal["no_answer", "refusal"] = "refusal"
    logs: tuple[FilePath, ...] = ()
    tasks: tuple[str, ...] = ()
    systems: Mapping[str, LoggedSystem] = Field(default_factory=dict)
    join: Literal["auto", "id", "position", "content"] = "auto"
    filter: str = ""

    @model_validator(mode="after")
    def _routes_differ(self) -> Self:
        names = list(self.routes.values())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"routes: two routes of the file are called '{twice[0]}'; give each a name of its own")
        if self.routes and (unknown := sorted(set(self.reads) - set(names))):
            raise ValueError(f"reads: no route is called '{unknown[0]}'. Known: {', '.join(names)}.")
        return self


class Wrapped(Component):
    """A wrapper over stored answers, which may replace the first route's answer by the second route's answer.

    Attributes:
        rule: the wrapper, such as `self_route` or `cascade`; what it says about prompts plays no part.
        first: the route whose answers are judged.
        then: the route whose answers take their place; both are on the bill.
    """

    rule: Route
    first: str
    then: str

    @model_validator(mode="after")
    def _rule_judges(self) -> Self:
        if not isinstance(self.rule, Wrapper):
            message = f"rule: {self.rule.kind} is no wrapper: it has no verdict on a finished answer"
            raise ValueError(message)  # noqa: TRY004 - pydantic's
        return self


class Halves(Component):
    """A router learned within the replay, never tested on its training documents; see `ragvlc fit-router`.

    The documents are dealt into two halves; for each model and group a router learned on either half chooses for the
    other, so that every question is decided by a router that never saw its documents.

    Attributes:
        rag: the route that a low probability takes.
        full: the route that a high one takes.
        chunker: cuts the documents for the features of a ranking.
        retriever: makes that ranking.
        metadata: fields of the documents' metadata among the features.
        folds: of the cross-validation that chooses the strength of the regularisation, within a half.
        balanced: both routes weigh the same in learning, however often each wins.
        seed: deals the documents, and divides them into folds.
    """

    rag: str = "rag"
    full: str = "full"
    chunker: Chunker = part("tokens")
    retriever: Retriever = part("bm25")
    metadata: Declared = ()
    folds: Annotated[int, Field(ge=2)] = 3
    balanced: bool = False
    seed: int = 0

    def settings(self) -> FitSettings:
        """Returns the settings for training the router."""
        return FitSettings(folds=self.folds, seed=self.seed, balanced=self.balanced)


class Part(Component):
    """A breakdown of questions by one of their tags.

    Attributes:
        tag: its name.
        values: what the tag's values are called; those not named here are left out. Empty: as they are.
        thirds: numbers from 0 on count places in a document: questions are told apart by the third that theirs falls
            in, of the places known over the same documents. Other values are left out.
    """

    tag: str
    values: Mapping[str, str] = Field(default_factory=dict)
    thirds: bool = False


def _placed(by_model: Mapping[str, Mapping[str, Any]], info: ValidationInfo) -> Mapping[str, Mapping[str, Any]]:
    """Returns the settings by model with relative paths made absolute, as in other fields."""
    context = info.context or {}
    if not context.get("folder") or "routers" not in info.data:  # made in Python, or refused already
        return by_model
    base = (context.get("bases") or {}).get("by_model") or Base(Path(context["folder"]), Path.cwd())
    roots = [Spot(info.data["routers"], Mapping[str, Router])]
    return {model: placed_choices([[settings]], roots, [base])[0][0] for model, settings in by_model.items()}


class Replay(Component):
    """An evaluation of routers on stored answers.

    Attributes:
        name: of the results; a file's stem by default.
        description: what it settles, in a sentence or two.
        answers: where they are stored.
        questions: folder of questions and documents in the JSON Lines schema, seen from the YAML file; may be given on
            the command line instead, and is then seen from the current folder. A results folder knows its own, and
            logs may hold them.
        dataset: in place of `questions`, a data set of any kind, such as `{kind: longbench, path: FOLDER}`.
        limit: replay only so many questions.
        groups: tags that set questions apart that are reported apart, such as the length.
        breakdowns: ways of breaking the questions of a group down; `task class`, `length`, `evidence scope` and
            `position` replace what is worked out from the questions themselves.
        routers: by name.
        wrappers: by name.
        learned: by name.
        by_model: other settings of routers for a model: dotted paths that begin with the router's name, by model.
        metrics: how answers are scored; the first is the quality, `refusal_recall` that of questions without an answer.
        routes: the routes themselves, by the names that they have here, for routers that look at them (`by_budget`).
        generators: models that routers ask, by role; without one, `main` counts tokens by estimate and cannot be asked.
        window: of `main` where no generator is named, for routers that go by what fits.
        embedders: models that routers need, by role.
        prices: money per million tokens, by the model that answered.
        seed: of whatever is random.
        tracker: where results are shown besides the disk; `mlflow` has a run for each route and router.
    """

    spec_folder: ClassVar[str] = "experiments"

    name: FolderName
    description: Annotated[str, Execution] = ""
    answers: Answers = Field(default_factory=Answers)
    questions: FilePath = ""
    dataset: Dataset | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    groups: tuple[str, ...] = ()
    breakdowns: Mapping[str, Part] = Field(default_factory=dict)
    routers: Mapping[str, Router] = Field(default_factory=dict)
    wrappers: Mapping[str, Wrapped] = Field(default_factory=dict)
    learned: Mapping[str, Halves] = Field(default_factory=dict)
    by_model: Annotated[Mapping[str, Mapping[str, Any]], AfterValidator(_placed)] = Field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    routes: Mapping[str, Route] = Field(default_factory=dict)
    generators: Mapping[str, Generator] = Field(default_factory=dict)
    window: Annotated[int, Field(ge=1)] | None = None
    embedders: Mapping[str, Embedder] = Field(default_factory=dict)
    prices: Mapping[str, Price] = Field(default_factory=dict)
    seed: int = 0
    tracker: Annotated[Tracker, Execution] = part("none")

    @property
    def choosers(self) -> tuple[str, ...]:
        """Names of everything that chooses between routes."""
        return (*self.routers, *self.wrappers, *self.learned)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Checks that names are unique, that named embedders exist, and that settings by model refer to routers."""
        names = self.choosers
        wrong = [f"two routers are called '{name}'." for name in sorted({n for n in names if names.count(n) > 1})]
        routes = set(self.answers.routes.values())
        wrong += [f"'{name}' is a route and a router." for name in names if name in routes]
        if self.dataset is not None and self.questions:
            wrong.append("questions and dataset are two ways to say the same: give one.")
        for name, router in self.routers.items():
            for table, role, _ in sorted(router.roles()):
                if table == "embedders" and role not in self.embedders:
                    wrong.append(f"routers.{name}: needs embedders.{role}. Known: {_listed(self.embedders)}.")
        for name, wrapped in self.wrappers.items():
            for place in (wrapped.first, wrapped.then):
                if routes and place not in routes:
                    wrong.append(
                        f"wrappers.{name}: no route '{place}'. Known: {_listed(routes)}.{nearest(place, routes)}"
                    )
        for model, settings in self.by_model.items():
            for path in settings:
                given = path.partition(".")[0]
                if given not in self.routers:
                    hint = nearest(given, self.routers)
                    wrong.append(f"by_model.{model}: no router '{given}'. Known: {_listed(self.routers)}.{hint}")
        labels = [metric.label for metric in self.metrics]
        wrong += [f"two metrics are called '{label}'." for label in sorted({x for x in labels if labels.count(x) > 1})]
        if wrong:
            raise PydanticCustomError("several", "{text}", {"text": " ".join(wrong), "each": tuple(wrong)})
        return self

    @classmethod
    def load(
        cls, name: str | Path, *, overrides: Mapping[str, Any] | None = None, folder: str | Path | None = None
    ) -> Self:
        """Returns the replay in a YAML file, or the shipped replay of that name.

        Args:
            name: a path or the name of a shipped experiment.
            overrides: values by dotted path.
            folder: what relative paths in the values of `overrides` are seen from; the current folder by default.
                Those in the file are seen from the file.

        Raises:
            ConfigError: with every problem found.
        """
        path = config.find_file(str(name), "experiments")
        data: dict[str, Any] = {"name": path.stem, **config.read_yaml(path)}
        base = Base(Path(folder or "").absolute(), path.parent)
        return _made(cls, data, overrides or {}, str(path), base)


def of_logs(name: str, overrides: Mapping[str, Any]) -> Replay:
    """Returns the default settings for other tools' logs, which are compared without a router.

    Args:
        name: of the results.
        overrides: values by dotted path; relative paths in them are seen from the current folder.
    """
    allowed = re.sub(r"[^\w .+-]", "_", name).lstrip(" .+-") or "logs"
    return _made(Replay, {"name": allowed[:120]}, overrides, name, Base(Path.cwd()))


def usual(name: str, overrides: Mapping[str, Any]) -> Replay:
    """Returns the default replay settings, used without a YAML file; the router `random` is the baseline.

    Args:
        name: of the results.
        overrides: values by dotted path; relative paths in them are seen from the current folder.
    """
    return _made(Replay, {"name": name, "routers": {"random": "random"}}, overrides, name, Base(Path.cwd()))


def _made(cls: type[ReplayT], data: dict[str, Any], overrides: Mapping[str, Any], source: str, base: Base) -> ReplayT:
    """Returns the replay described by `data` and the overrides; relative paths resolve against `base`."""
    folder = base.other or base.folder
    config.override(cls, data, overrides, base, source)
    answers = data.get("answers")
    if isinstance(answers, dict) and isinstance(answers.get("file"), str):
        given = any(place in overrides for place in ("answers", "answers.file"))
        questions = data.get("questions")
        try:
            file = _answers_file(
                answers["file"],
                folder / questions if questions and isinstance(questions, str) else None,
                base if given else Base(folder, Path.cwd()),
            )
        except ValueError as error:
            raise ConfigError(f"{source}: answers.file: {error}") from error
        data["answers"] = {**answers, "file": file}
    return config.build(cls, data, source, folder, bases={"by_model": base} if "by_model" in overrides else None)


def _answers_file(file: str, questions: Path | None, base: Base) -> str:
    """Returns the full path of the file in its base folder or the questions' folder; unchanged if not found."""
    path = path_of(file)
    if not file or path.is_absolute():
        return str(path) if file else file
    for folder in (base.folder, questions):
        if folder and (found := real_path(path_of(folder) / path)).exists():
            return str(found)
    base.whole(file)  # refuses what is in the other folder alone
    return file


def is_replay(path: Path) -> bool:
    """Returns whether a YAML file describes a replay rather than a sweep."""
    return path.suffix in (".yaml", ".yml") and path.is_file() and "answers" in config.read_yaml(path)


def _listed(names: Any) -> str:  # noqa: ANN401 - names, however they are held
    return ", ".join(sorted(names)) or "none"
