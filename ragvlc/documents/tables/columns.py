"""The meaning of a table's columns: by the names that people and other tools use, or as the data set's settings say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from ragvlc.core.errors import DatasetError, nearest

__all__ = ["TAGS", "Assigned", "Column", "assigned", "compact", "field_of", "is_known", "likely_answers", "slip"]

Column = Literal[
    "question", "answers", "documents", "id", "choices", "answer_index", "answer_mode",
    "evidence", "unanswerable", "answerable", "task", "meta", "tags",
]  # fmt: skip
"""What a column may hold; `tags` names columns to filter and group by."""
TAGS = "tags"

_STRONG: Mapping[str, str] = {
    "question": "question questions input_question query queries user_input user_query user_question question_text "
    "query_text input frage fragen fragestellung fragetext nutzerfrage pregunta domanda",
    "answers": "answers answer reference references reference_answer reference_answers ground_truth ground_truths gold "
    "gold_answer gold_answers golden_answer golden_answers expected expected_answer expected_answers expected_output "
    "expected_outputs expected_response expected_responses reference_output reference_outputs correct_answer "
    "correct_answers target targets target_answer ideal ideal_answer model_answer __expected true_answer right_answer "
    "short_answer short_answers acceptable_answers accepted_answers possible_answers ground_truth_answer "
    "ground_truth_answers solution output_answer antwort antworten referenz referenzantwort erwartete_antwort "
    "erwartete_antworten richtige_antwort musterantwort musterloesung musterlösung lösung reponse réponse réponses "
    "reponses réponse_attendue réponses_attendues réponse_de_référence bonne_réponse respuesta risposta",
    "documents": "documents document doc_ids doc_id docs doc document_id document_ids source_document source_documents "
    "source_doc source_docs source_file source_files document_name doc_name document_path doc_uri reference_document "
    "reference_documents relevant_documents relevant_doc_ids gold_documents dokument dokumente dokument_id "
    "quelldokument quelldokumente quelldatei dokumentname document_source documents_sources fichier_source",
    "id": "id question_id qid query_id example_id sample_id item_id row_id uid uuid frage_id fragen_id identifiant",
    "choices": "choices options answer_choices answer_options alternatives multiple_choices endings antwortoptionen "
    "antwortmöglichkeiten auswahl auswahlmöglichkeiten optionen choix",
    "answer_index": "answer_index answer_idx correct_index correct_idx correct_answer_index correct_answer_idx "
    "correct_option_index correct_option correct_choice correct_letter answer_key answer_letter gold_index gold_label "
    "gold_idx right_option label_index richtige_option richtige_auswahl bonne_option",
    "answer_mode": "answer_mode",
    "evidence": "evidence evidences reference_context reference_contexts ground_truth_context ground_truth_contexts "
    "gold_context gold_contexts gold_evidence expected_context expected_contexts expected_retrieved_context "
    "supporting_text supporting_passage supporting_passages supporting_quote quote quotes beleg belege belegstelle "
    "belegstellen zitat extrait preuve",
    "unanswerable": "unanswerable is_unanswerable is_impossible impossible unbeantwortbar nicht_beantwortbar",
    "answerable": "answerable is_answerable has_answer beantwortbar",
    "task": "task",
    "meta": "meta",
}  # fmt: skip
"""Column names, by what the column holds."""
_WEAK: Mapping[str, str] = {
    "question": "prompt request inputs instruction q eingabe anfrage",
    "answers": "output outputs a",
    "documents": "source sources file files filename file_name filenames file_path path paths url urls uri "
    "quelle quellen datei dateien dateiname pfad fichier fichiers source_url",
    "id": "key index idx no nr number nummer numéro numero",
    "answer_index": "label labels",
    "evidence": "context contexts passage passages excerpt excerpts kontext textstelle fundstelle contexte contextes",
    "meta": "metadata",
}
"""Names that hold this only where no column has a better name, or where the cells agree."""
_PAIRS = {
    **dict.fromkeys(("input", "inputs", "instruction", "prompt", "request"), ("output", "outputs")),
    "q": ("a",),
}
"""Words for answers that are only understood beside a certain word for the question."""
_SYSTEMS = frozenset(
    {"actualoutput", "actualoutputs", "response", "responses", "modelresponse", "modeloutput", "systemoutput"}
    | {"prediction", "predictions", "predictedanswer", "generatedanswer", "generatedtext", "completion", "llmoutput"}
    | {"retrievedcontexts", "retrievedcontext", "retrievalcontext", "retrievedcontextids", "retrieveddocuments"}
    | {"retrieveddocs"}
)
"""Columns of evaluation tables in which a system's own outputs lie: never references."""
_TRUTH = re.compile(
    r"answer|expect|refer|truth|gold|ideal|correct|solution|target|antwort|lösung|réponse|reponse|output"
)
_LETTERED = re.compile(r"(?:(?:option|choice|opt|op|choix|ending|auswahl|alternative|answeroption)(?:[a-h]|\d)|[a-h])")


def compact(name: str) -> str:
    """Returns a column's name in small letters, without spaces, underscores, hyphens and invisible characters."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def _by_name(listed: Mapping[str, str]) -> dict[str, str]:
    return {compact(name): column for column, names in listed.items() for name in names.split()}


_KNOWN, _POSSIBLE = _by_name(_STRONG), _by_name({key: names for key, names in _WEAK.items() if key != "answer_index"})


def field_of(name: str) -> str:
    """Returns what a column of this name holds; empty if the name says nothing."""
    word = compact(name.rpartition(".")[2])
    return _KNOWN.get(word) or _POSSIBLE.get(word, "")


def is_known(name: str) -> bool:
    """Returns whether a column's name says what it holds."""
    return bool(field_of(name))


@dataclass
class Assigned:
    """What each column of a table holds.

    Attributes:
        columns: names of columns, by what they hold; several only for choices, or as the settings say.
        unused: why a column is not used, by its name.
        notes: a sentence each.
        declared_tags: columns that the settings call tags.
    """

    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    declared_tags: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The columns that become tags."""
        return self.columns.get(TAGS, ())


def assigned(
    names: Sequence[str],
    given: Mapping[str, str | tuple[str, ...]],
    filled: Mapping[str, frozenset[int]],
    naming: Collection[str],
) -> Assigned:
    """Returns what each column holds. Raises `DatasetError` with every problem.

    Args:
        names: of all columns.
        given: columns as the settings name them, by what they hold.
        filled: rows in which a column has a value, by its name.
        naming: columns of which a cell names a document.
    """
    found, wrong = Assigned(), []
    for held, columns in given.items():
        chosen = tuple(_as_written(one, names) for one in ((columns,) if isinstance(columns, str) else columns))
        found.columns[held] = chosen
        wrong += [
            f"columns.{held}: no column '{one}'. Known: {', '.join(names)}.{nearest(one, names)}"
            for one in chosen
            if one not in names
        ]
    if wrong:
        raise DatasetError("\n  ".join(wrong))
    found.declared_tags = found.tags
    taken = {one for columns in found.columns.values() for one in columns}
    free = [name for name in names if name not in taken]
    lettered = [] if "choices" in found.columns else _lettered(free)
    by_field = _candidates([name for name in free if name not in lettered], _KNOWN)
    if len(lettered) > 1 and not by_field.get("choices"):
        found.columns["choices"] = tuple(lettered)
    else:
        by_field = _candidates(free, _KNOWN)
    _settle(found, by_field, filled, wrong)
    _settle(found, _possible(found, free, naming), filled, wrong)
    if wrong:
        raise DatasetError("\n  ".join(wrong))
    taken = {one for columns in found.columns.values() for one in columns} | set(found.unused)
    found.columns[TAGS] = (*found.columns.get(TAGS, ()), *(name for name in free if name not in taken))
    _nameless(found)
    return found


def _as_written(given: str, names: Sequence[str]) -> str:
    same = [name for name in names if compact(name) == compact(given)]
    return same[0] if given not in names and len(same) == 1 else given


def _candidates(names: Iterable[str], known: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        if held := known.get(compact(name.rpartition(".")[2])) or known.get(compact(name), ""):
            found.setdefault(held, []).append(name)
    return found


def _settle(
    found: Assigned, by_field: Mapping[str, Sequence[str]], filled: Mapping[str, frozenset[int]], wrong: list[str]
) -> None:
    """Gives each thing its column; several are a problem, unless no row has a value in two of them."""
    for held, candidates in by_field.items():
        if held in found.columns:
            continue
        columns = [name for name in candidates if name in filled] or list(candidates[:1])
        found.unused |= dict.fromkeys((name for name in candidates if name not in columns), "empty")
        rows = [filled[name] for name in columns if name in filled]
        if sum(map(len, rows)) == len(frozenset().union(*rows)):
            found.columns[held] = tuple(columns)
            continue
        listing = " and ".join(f"'{name}'" for name in columns)
        best = max(columns, key=lambda name: compact(name) not in ("answer", "response", "context", "contexts"))
        why = (
            " In tables of ragas, 'answer' is what a system said."
            if held == "answers" and "answer" in map(compact, columns)
            else ""
        )
        wrong.append(
            f'the columns {listing} both hold {held}.{why} Say which one: `columns: {{{held}: "{best}"}}`; the others '
            "become tags."
        )


def _possible(found: Assigned, free: Sequence[str], naming: Collection[str]) -> dict[str, list[str]]:
    """Returns the columns whose names fit, but loosely, for what no column has a better name for."""
    taken = {one for columns in found.columns.values() for one in columns}
    loose = [name for name in free if name not in taken]
    by_field = _candidates(loose, _POSSIBLE)
    by_field["documents"] = [name for name in by_field.get("documents", ()) if name in naming]
    if "choices" in found.columns:
        by_field["answer_index"] = [name for name in loose if compact(name) in ("label", "labels")]
    # Outputs beside a question may be a system's; beside inputs they are the expected ones.
    asked = {
        compact(name.partition(".")[0]) for name in (*found.columns.get("question", ()), *by_field.get("question", ()))
    }
    fitting = {word for question, words in _PAIRS.items() if question in asked for word in words}
    by_field["answers"] = [name for name in by_field.get("answers", ()) if compact(name.partition(".")[0]) in fitting]
    return {held: columns for held, columns in by_field.items() if columns and held not in found.columns}


def _lettered(names: Sequence[str]) -> list[str]:
    """Returns the columns A, B, C, or `option_1`, `option_2`, that are one option each."""
    families: dict[str, dict[str, str]] = {}
    for name in names:
        word = compact(name)
        if _LETTERED.fullmatch(word):
            families.setdefault(word[:-1], {})[word[-1]] = name
    for own in families.values():
        marks = sorted(own)
        steps = {ord(after) - ord(before) for before, after in pairwise(marks)}
        if steps == {1} and marks[0] in ("a", "0", "1"):
            return [own[mark] for mark in marks]
    return []


def _nameless(found: Assigned) -> None:
    plain = [name for name in found.tags if re.fullmatch(r"column \d+|Unnamed: \d+|__index_level_\d+__", name)]
    found.unused |= dict.fromkeys(plain, "has no name")
    found.columns[TAGS] = tuple(name for name in found.tags if name not in plain)
    for name in found.tags:
        if compact(name) in _SYSTEMS:
            found.notes.append(f"column '{name}': what a system said or retrieved; no reference, and only a tag.")


def slip(name: str) -> str:
    """Returns the known column of which a name is probably a slip, as a hint; else an empty text."""
    known = {compact(one): one for one in get_args(Column) if one not in (TAGS, "answerable")}
    word = nearest(compact(name), known).removeprefix(" Nearest: ").rstrip(".")
    close = word and abs(len(word) - len(compact(name))) <= 1 and len(set(word) ^ set(compact(name))) <= 2
    return f" Nearest: {known[word]}." if close else ""


def likely_answers(tags: Sequence[str]) -> str:
    """Returns the tag that most likely holds the answers, by its name; empty if no name suggests it."""
    candidates = [name for name in tags if compact(name) not in _SYSTEMS]
    for name in candidates:
        if _TRUTH.search(compact(name)) or nearest(compact(name), ("answers", "answer", "reference", "groundtruth")):
            return name
    for name in candidates:
        if compact(name) in ("label", "labels", "a", "result", "results", "text", "value"):
            return name
    return ""
