"""2WikiMultihopQA: multi-hop questions made from Wikidata, with supporting sentences and triples.

Ho et al. 2020 (COLING, arXiv 2011.01060). The form of `hotpotqa`, with `evidences` (triples of
subject, relation, object) and, in the newer files (`data_ids`), `evidences_id` and `answer_id`.

    dataset: {kind: two_wiki, path: FOLDER, aliases: true}
    metrics: [hotpotqa_f1, supporting_facts]

The authors' newer script accepts other names of the answer's entity: `aliases: true` reads them (`id_aliases.json`,
JSON Lines of `Q_id`, `aliases`, `demonyms`) into the references. `Example.scoring` has `supporting_facts` and
`evidence_triples`. Sentences of a paragraph are joined by a blank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from ragvlc.core.data import Example
from ragvlc.datasets._supported import supported
from ragvlc.documents.json_lines import Row
from ragvlc.documents.released import Files, Release, Released, ReleasedFile

ALIASES = "id_aliases.json"


class TwoWiki(Released):
    """Reads the questions of one split.

    Attributes:
        split: `dev` or `train`; the test set has no answers.
        aliases: accept other names of the answer too, as the script of December 2020 does; needs the file of names.
    """

    release: ClassVar[Release] = Release(
        title="2WikiMultihopQA",
        citation="Ho et al. 2020, Constructing A Multi-hop QA Dataset for Comprehensive Evaluation of Reasoning Steps, "
        "COLING",
        homepage="https://github.com/Alab-NII/2wikimultihop",
        licence="Apache-2.0",
        tasks=("multi_hop",),
        metrics=("hotpotqa_f1", "hotpotqa_joint", "supporting_facts"),
        aggregate="mean of exact match and F1, of the answer, of supporting facts, of triples, and of all together",
        files=(
            ReleasedFile("{split}.json", None, "split: dev (12,576 questions), train (167,454)"),
            ReleasedFile(ALIASES, None, "other names of answers, for aliases: true"),
        ),
    )
    split: Literal["dev", "train"] = "dev"
    aliases: bool = False

    def file_names(self) -> Sequence[str]:
        """Returns the split's file, and that of other names if they are wanted."""
        return (f"{self.split}.json", *([ALIASES] if self.aliases else []))

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a record."""
        names: dict[str, tuple[str, ...]] = {}
        if self.aliases:
            for row in files.rows(ALIASES, "jsonl"):
                names[row.text("Q_id")] = (*row.strings("aliases"), *row.strings("demonyms"))

        def more(row: Row) -> tuple[tuple[str, ...], Mapping[str, Any]]:
            found = sorted(name for name in names.get(str(row.values.get("answer_id")), ()) if name.strip())
            return tuple(found), {"evidence_triples": _triples(row)}

        yield from supported(files, f"{self.split}.json", ("type",), more)


def _triples(row: Row) -> list[list[str]]:
    given = row.values.get("evidences", [])
    listed = given if isinstance(given, list) else [given]
    triples = [one for one in listed if isinstance(one, list) and all(isinstance(part, str) for part in one)]
    if len(triples) < len(listed) or any(len(one) != len(("subject", "relation", "object")) for one in triples):
        row.complain("'evidences' must be a list of triples of texts.")
    return triples
