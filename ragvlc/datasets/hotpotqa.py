"""HotpotQA: questions that need two paragraphs of Wikipedia, with the sentences that support each answer.

Yang et al. 2018 (arXiv 1809.09600). `distractor`: the two paragraphs among eight others, in a random order; `fullwiki`:
the ten paragraphs of the authors' retrieval, where the right ones may be missing (see the tag `evidence`).

    dataset: {kind: hotpotqa, path: FOLDER, setting: distractor}
    metrics: [hotpotqa_f1, supporting_facts]

Paragraphs are documents, their sentences joined as they are (each brings its blank). A question is its own cluster.
`Example.scoring` has `supporting_facts`, pairs of a title and the number of a sentence; some of the authors' numbers
are beyond the paragraph's end: counted, and no evidence. The same form as `two_wiki`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from ragvlc.core.data import Example
from ragvlc.datasets._supported import supported
from ragvlc.documents.released import Files, Release, Released, ReleasedFile

NAMES = {
    ("distractor", "dev"): "hotpot_dev_distractor_v1.json",
    ("fullwiki", "dev"): "hotpot_dev_fullwiki_v1.json",
    ("distractor", "train"): "hotpot_train_v1.1.json",
    ("fullwiki", "train"): "hotpot_train_v1.1.json",
}


class Hotpotqa(Released):
    """Reads the questions of one file.

    Attributes:
        setting: `distractor` or `fullwiki`; the training set has the first form only.
        split: `dev` or `train`; the test set has no answers.
    """

    release: ClassVar[Release] = Release(
        title="HotpotQA",
        citation="Yang et al. 2018, HotpotQA: A Dataset for Diverse, Explainable Multi-hop Question Answering, "
        "arXiv 1809.09600",
        homepage="https://github.com/hotpotqa/hotpot",
        licence="CC BY-SA 4.0 (data), Apache-2.0 (code)",
        tasks=("multi_hop",),
        metrics=("hotpotqa_f1", "hotpotqa_joint", "supporting_facts"),
        aggregate="mean of exact match and F1, of the answer, of supporting facts, and of both together",
        files=(
            ReleasedFile(NAMES["distractor", "dev"], 46, "7,405 questions"),
            ReleasedFile(NAMES["fullwiki", "dev"], 47, "the same questions over retrieved paragraphs"),
            ReleasedFile(NAMES["distractor", "train"], 566, "90,447 questions"),
        ),
        address="http://curtis.ml.cmu.edu/datasets/hotpot/",
    )
    setting: Literal["distractor", "fullwiki"] = "distractor"
    split: Literal["dev", "train"] = "dev"

    def subset_words(self) -> Sequence[str]:
        """Returns the setting and the split."""
        return (self.setting, self.split)

    def file_names(self) -> Sequence[str]:
        """Returns the file of the setting and split."""
        return (NAMES[self.setting, self.split],)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a record."""
        yield from supported(files, NAMES[self.setting, self.split], ("type", "level"))
