"""LongBench: 21 sets of long documents with questions, summaries, few-shot examples, paragraphs and code.

Bai et al. 2023 (arXiv 2308.14508). One file a set, `data/{name}.jsonl`, and `data/{name}_e.jsonl` of the 13 sets of
LongBench-E, whose lengths are spread evenly. A line has `input` (question or few-shot query, often empty), `context`,
`answers`, `length` (words; characters in Chinese), `dataset`, `language`, `all_classes` (or null) and `_id`.

    dataset: {kind: longbench, path: data.zip, subset: hotpotqa, prompts: official, cut: official}
    metrics: [token_f1, longbench_qa_f1]

A context of several passages (`Passage 1:`, `Paragraph 1:`) is divided at these headings, which stay in the text, so
that the documents one after another are the context again. The prompts and answer lengths are the authors' (MIT): six
sets go without the chat template. Where `input` is empty, routes with their own prompts ask with words of ours.

Differences: in `samsum` the authors forbid an empty answer and stop at the first line break; here an answer may be
empty. In `passage_retrieval_*` the right paragraph is evidence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from ragvlc.core.data import Document, Example, Form, Query, Span, content_key
from ragvlc.core.official import OfficialPrompt
from ragvlc.documents.json_lines import Row
from ragvlc.documents.prompted import Prompted
from ragvlc.documents.released import Files, Release, ReleasedFile, size_tags

Subset = Literal[
    "narrativeqa", "qasper", "multifieldqa_en", "multifieldqa_zh", "hotpotqa", "2wikimqa", "musique", "dureader",
    "gov_report", "qmsum", "multi_news", "vcsum", "trec", "triviaqa", "samsum", "lsht", "passage_count",
    "passage_retrieval_en", "passage_retrieval_zh", "lcc", "repobench-p", "qasper_e", "multifieldqa_en_e", "hotpotqa_e",
    "2wikimqa_e", "gov_report_e", "multi_news_e", "trec_e", "triviaqa_e", "samsum_e", "passage_count_e",
    "passage_retrieval_en_e", "lcc_e", "repobench-p_e", "all", "all_e",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Task:
    """How one set is asked.

    Attributes:
        task: the kind of question.
        metric: that scores it.
        max_tokens: of the answer.
        template: the authors' prompt.
        request: what is asked where `input` is empty and the route has its own prompt.
        heading: pattern of what opens each passage, with its number; empty for one document.
        chat: whether the chat template is used.
        stop: texts that end the answer.
    """

    task: str
    metric: str
    max_tokens: int
    template: str
    request: str = ""
    heading: str = ""
    chat: bool = True
    stop: tuple[str, ...] = ()


_PASSAGES = (
    "Answer the question based on the given passages. Only give me the answer and do not output any other words.\n\n"
    "The following are given passages.\n{document}\n\nAnswer the question based on the given passages. Only give me "
    "the answer and do not output any other words.\n\nQuestion: {input}\nAnswer:"
)
_SHORT = "using a single phrase if possible. Do not provide any explanation.\n\n"
_QASPER = (
    "as concisely as you can, using a single phrase or sentence if possible. If the question cannot be answered based "
    'on the information in the article, write "unanswerable". If the question is a yes/no question, answer "yes", '
    '"no", or "unanswerable". Do not provide any explanation.\n\n'
)
_HOP = _Task("qa", "longbench_qa_f1", 32, _PASSAGES, heading="Passage {}:")
_TASKS: Mapping[str, _Task] = {
    "narrativeqa": _Task(
        "qa",
        "longbench_qa_f1",
        128,
        "You are given a story, which can be either a novel or a movie script, and a question. Answer the question "
        f"asconcisely as you can, {_SHORT}Story: {{document}}\n\nNow, answer the question based on the story "
        f"asconcisely as you can, {_SHORT}Question: {{input}}\n\nAnswer:",
    ),
    "qasper": _Task(
        "qa",
        "longbench_qa_f1",
        128,
        f"You are given a scientific article and a question. Answer the question {_QASPER}Article: {{document}}\n\n "
        f"Answer the question based on the above article {_QASPER}Question: {{input}}\n\nAnswer:",
    ),
    "multifieldqa_en": _Task(
        "qa",
        "longbench_qa_f1",
        64,
        "Read the following text and answer briefly.\n\n{document}\n\nNow, answer the following question based on the "
        "above text, only give me the answer and do not output any other words.\n\nQuestion: {input}\nAnswer:",
    ),
    "multifieldqa_zh": _Task(
        "qa",
        "longbench_qa_f1_zh",
        64,
        "阅读以下文字并用中文简短回答：\n\n{document}\n\n现在请基于上面的文章回答下面的问题，只告诉我答案，不要输出任何"
        "其他字词。\n\n问题：{input}\n回答：",
    ),
    "hotpotqa": _HOP,
    "2wikimqa": _HOP,
    "musique": _HOP,
    "dureader": _Task(
        "qa",
        "longbench_rouge_zh",
        128,
        "请基于给定的文章回答下述问题。\n\n文章：{document}\n\n请基于上述文章回答下面的问题。\n\n问题：{input}\n回答：",
        heading="文章{}",
    ),
    "gov_report": _Task(
        "summarization",
        "longbench_rouge",
        512,
        "You are given a report by a government agency. Write a one-page summary of the report.\n\nReport:\n{document}"
        "\n\nNow, write a one-page summary of the report.\n\nSummary:",
        request="Summarize the report on one page.",
    ),
    "qmsum": _Task(
        "query_summarization",
        "longbench_rouge",
        512,
        "You are given a meeting transcript and a query containing a question or instruction. Answer the query in one "
        "or more sentences.\n\nTranscript:\n{document}\n\nNow, answer the query based on the above meeting transcript "
        "in one or more sentences.\n\nQuery: {input}\nAnswer:",
    ),
    "multi_news": _Task(
        "summarization",
        "longbench_rouge",
        512,
        "You are given several news passages. Write a one-page summary of all news. \n\nNews:\n{document}\n\nNow, "
        "write a one-page summary of all the news.\n\nSummary:",
        request="Summarize all of the news on one page.",
        heading="Passage {}:",
    ),
    "vcsum": _Task(
        "summarization",
        "longbench_rouge_zh",
        512,
        "下面有一段会议记录，请你阅读后，写一段总结，总结会议的内容。\n会议记录：\n{document}\n\n会议总结：",
        request="请总结会议的内容。",
    ),
    "trec": _Task(
        "classification",
        "longbench_classification",
        64,
        "Please determine the type of the question below. Here are some examples of questions.\n\n{document}\n{input}",
        chat=False,
    ),
    "triviaqa": _Task(
        "qa",
        "longbench_qa_f1",
        32,
        "Answer the question based on the given passage. Only give me the answer and do not output any other words. "
        "The following are some examples.\n\n{document}\n\n{input}",
        chat=False,
    ),
    "samsum": _Task(
        "summarization",
        "longbench_rouge",
        128,
        "Summarize the dialogue into a few short sentences. The following are some examples.\n\n{document}\n\n{input}",
        chat=False,
        stop=("\n",),
    ),
    "lsht": _Task(
        "classification",
        "longbench_classification",
        64,
        "请判断给定新闻的类别，下面是一些例子。\n\n{document}\n{input}",
        chat=False,
    ),
    "passage_count": _Task(
        "counting",
        "longbench_count",
        32,
        "There are some paragraphs below sourced from Wikipedia. Some of them may be duplicates. Please carefully read "
        "these paragraphs and determine how many unique paragraphs there are after removing duplicates. In other "
        "words, how many non-repeating paragraphs are there in total?\n\n{document}\n\nPlease enter the final count of "
        "unique paragraphs after removing duplicates. The output format should only contain the number, such as 1, 2, "
        "3, and so on.\n\nThe final answer is: ",
        request="How many different paragraphs are there, if each is counted once? Answer with the number.",
        heading="Paragraph {}:",
    ),
    "passage_retrieval_en": _Task(
        "passage_retrieval",
        "longbench_retrieval",
        32,
        "Here are 30 paragraphs from Wikipedia, along with an abstract. Please determine which paragraph the abstract "
        "is from.\n\n{document}\n\nThe following is an abstract.\n\n{input}\n\nPlease enter the number of the "
        'paragraph that the abstract is from. The answer format must be like "Paragraph 1", "Paragraph 2", etc.\n\n'
        "The answer is: ",
        heading="Paragraph {}:",
    ),
    "passage_retrieval_zh": _Task(
        "passage_retrieval",
        "longbench_retrieval",
        32,
        "以下是若干段落文字，以及其中一个段落的摘要。请确定给定的摘要出自哪一段。\n\n{document}\n\n下面是一个摘要\n\n"
        '{input}\n\n请输入摘要所属段落的编号。答案格式必须是"段落1"，"段落2"等格式\n\n答案是：',
        heading="段落{}",
    ),
    "lcc": _Task(
        "code_completion",
        "longbench_code_sim",
        64,
        "Please complete the code given below. \n{document}Next line of code:\n",
        request="Write the next line of the code.",
        chat=False,
    ),
    "repobench-p": _Task(
        "code_completion",
        "longbench_code_sim",
        64,
        "Please complete the code given below. \n{document}{input}Next line of code:\n",
        chat=False,
    ),
}
_SUMMARIES = ("summarization", "query_summarization")
_NUMBER = re.compile(r"\d+")


class Longbench(Prompted):
    """Reads the questions of one set, or of its part in LongBench-E.

    Attributes:
        subset: the set; with `_e` its part of LongBench-E. `all` reads the 21 sets, `all_e` the 13 of LongBench-E.
    """

    release: ClassVar[Release] = Release(
        title="LongBench",
        citation="Bai et al. 2023, LongBench: A Bilingual, Multitask Benchmark for Long Context Understanding, arXiv "
        "2308.14508",
        homepage="https://github.com/THUDM/LongBench",
        licence="MIT (code); the sets have those of their sources",
        tasks=tuple(dict.fromkeys(task.task for task in _TASKS.values())),
        metrics=tuple(dict.fromkeys(task.metric for task in _TASKS.values())),
        aggregate="100 times the mean of each set, rounded to 2 digits; LongBench-E by length: 0-4k, 4-8k, 8k+",
        files=(
            ReleasedFile("data/{subset}.jsonl", None, "21 sets, 4,750 records together"),
            ReleasedFile("data/{subset}_e.jsonl", None, "13 sets of LongBench-E"),
        ),
        hub="THUDM/LongBench",
        archive="data.zip",
        cut="middle of the whole prompt",
        prompts=True,
    )
    version: ClassVar[int] = 1
    subset: Subset = "hotpotqa"

    def file_names(self) -> Sequence[str]:
        """Returns the files of the sets."""
        return tuple(f"data/{name}.jsonl" for name in self._sets)

    @property
    def _sets(self) -> Sequence[str]:
        if self.subset == "all":
            return tuple(_TASKS)
        if self.subset == "all_e":
            return tuple(name for name in get_args(Subset) if name.endswith("_e") and name != "all_e")
        return (self.subset,)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields an example for each record that has a context; the others are counted."""
        for name, file in zip(self._sets, self.file_names(), strict=True):
            others: Counter[str] = Counter()
            for row in files.rows(file):
                others[str(row.values.get("dataset") or name)] += 1
                if row.string("context").strip():
                    yield self._example(row, name)
                else:
                    files.skipped["record without a context"] += 1
            for other, count in others.items():
                if other.removesuffix("_e") != name.removesuffix("_e"):
                    files.notes.append(
                        f"{name}: {count:,} records say that they are of {other:.60}: is it the right file?"
                    )

    def _example(self, row: Row, name: str) -> Example:
        task = _TASKS[name.removesuffix("_e")]
        context, asked, answers = row.string("context"), row.string("input"), row.strings("answers")
        if row.sound and not asked.strip() and not task.request:
            row.complain(f"'input' is blank, but {name} asks a question there.")
        documents = divided(context, task.heading)
        evidence = _right_passage(documents, answers) if task.task == "passage_retrieval" else ()
        length = row.integer("length", least=0)
        prompt = OfficialPrompt(
            template=task.template,
            separator="",
            fields={"input": asked},
            chat=task.chat,
            max_tokens=task.max_tokens,
            stop=task.stop,
            cut="middle",
        )
        form: Form = "summary" if task.task in _SUMMARIES else "question"
        classes = row.values.get("all_classes")
        return Example(
            query=Query(
                row.text("_id"),
                asked if asked.strip() else task.request,
                form=form,
                official=self.official(prompt),
            ),
            documents=documents,
            references=answers,
            evidence=evidence,
            cluster=documents[0].id.partition("#")[0],
            task=task.task,
            tags={
                "dataset": name,
                "length": length,
                "length_bucket": "0-4k" if length < 4000 else "4-8k" if length < 8000 else "8k+",
                "language": row.text("language"),
                **size_tags(documents),
                "evidence": "located" if evidence else "none",
            },
            scoring={"classes": list(row.strings("all_classes"))} if classes else {},
        )


def divided(context: str, heading: str) -> tuple[Document, ...]:
    """Returns a context as documents whose texts one after another are the context.

    A heading counts at the start of a line where its number is the next one, from 1 on; fewer than two divide nothing.

    Args:
        context: the whole text.
        heading: with braces for the number; empty for one document.
    """
    name = content_key(context)[:12]
    starts: list[int] = []
    for found in re.finditer(re.escape(heading).replace(r"\{\}", r"(\d{1,9})\b"), context) if heading else ():
        at_line_start = found.start() == 0 or context[found.start() - 1] == "\n"
        if at_line_start and int(found[1]) == len(starts) + 1:
            starts.append(found.start())
    if len(starts) < 2:
        return (Document(name, context),)
    ends = [*starts[1:], len(context)]
    return tuple(
        Document(f"{name}#{number}", context[0 if number == 1 else start : end])
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1)
    )


def _right_passage(documents: Sequence[Document], answers: Sequence[str]) -> tuple[Span, ...]:
    """Returns the passages whose numbers the answers name, as evidence."""
    numbers = {int(found[0]) for answer in answers if (found := _NUMBER.search(answer)) and len(found[0]) < 6}
    named = (documents[number - 1] for number in sorted(numbers) if len(documents) > 1 and 0 < number <= len(documents))
    return tuple(Span(document.id, 0, len(document.text)) for document in named)
