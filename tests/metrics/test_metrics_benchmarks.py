"""Published scorers of contexts, rankings and WordNet; official figures, and replies made to break a scorer."""

from __future__ import annotations

import math
import random
import shutil
from itertools import permutations
from pathlib import Path
from zipfile import ZipFile

import cases_loogle
import cases_rankings
import pytest
from published import score_of
from ranked import score_of as score_of_ranking

from ragvlc.core.answer import Answer, Step
from ragvlc.core.component import find_kind
from ragvlc.core.data import Chunk, Document, Example, Hit, Query, Span
from ragvlc.core.families import ScoredQuestion
from ragvlc.families import Metric
from ragvlc.metrics import _wordnet
from ragvlc.metrics._cmrc import longest_common_run, segments
from ragvlc.metrics._wordnet import find_wordnet, wordnet
from ragvlc.metrics.babilong import Babilong
from ragvlc.metrics.capped_recall import CappedRecall
from ragvlc.metrics.cmrc_em import CmrcEm
from ragvlc.metrics.cmrc_f1 import CmrcF1
from ragvlc.metrics.hit_at import HitAt
from ragvlc.metrics.hole_rate import HoleRate
from ragvlc.metrics.hotpotqa_joint import HotpotqaJoint
from ragvlc.metrics.longmemeval_retrieval import LongmemevalRetrieval
from ragvlc.metrics.loogle_cloze import LoogleCloze
from ragvlc.metrics.loogle_meteor import LoogleMeteor, as_in_a_set
from ragvlc.metrics.loogle_reorder import deviation, largest
from ragvlc.metrics.map_at import MapAt
from ragvlc.metrics.musique_f1 import MusiqueF1
from ragvlc.metrics.ndcg import Ndcg
from ragvlc.metrics.oolong import Oolong
from ragvlc.metrics.qasper_evidence import QasperEvidence
from ragvlc.metrics.qasper_f1 import QasperF1
from ragvlc.metrics.r_precision import RPrecision
from ragvlc.metrics.recall_at import RecallAt
from ragvlc.metrics.sort_accuracy import SortAccuracy

WORDNET = find_wordnet()
needs_wordnet = pytest.mark.skipif(WORDNET is None, reason="there is no WordNet here (Debian: wordnet-base)")


def example(*references: str, question: str = "?", choices: tuple[str, ...] = (), **gold) -> Example:
    return Example(Query("q", question, choices), gold.pop("documents", ()), references, **gold)


# --- WordNet ---


@needs_wordnet
@pytest.mark.parametrize("case", cases_loogle.WITH_WORDNET, ids=str)
def test_meteor_with_wordnet(case):
    assert score_of(case) == pytest.approx(case.wanted, abs=1e-12)


@needs_wordnet
def test_synonyms_are_those_of_nltks_reader():
    found = wordnet(WORDNET).synonyms
    assert {"auto", "automobile", "machine"} <= found("car")
    assert "automobile" in found("CARS")
    assert "goose" in found("geese")
    assert found("better") >= {"good", "well", "best"} - {"best"}
    assert found("zzyzx") == found("") == found("two words") == frozenset()


@needs_wordnet
def test_wordnet_is_found_where_nltk_keeps_it_unpacked_or_not(tmp_path, monkeypatch):
    files = [WORDNET / name for name in _wordnet._FILES] if WORDNET.suffix != ".zip" else []
    if not files:
        pytest.skip("the WordNet here is packed")
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    assert find_wordnet() != folder  # it is empty
    for file in files:
        shutil.copy(file, folder)
    assert find_wordnet() == folder
    key = LoogleMeteor().key
    assert LoogleMeteor(wordnet=WORDNET).key == key
    with ZipFile(tmp_path / "corpora" / "wordnet.zip", "w") as packed:
        for file in files:
            packed.write(file, f"wordnet/{file.name}")
    shutil.rmtree(folder)
    assert find_wordnet() == tmp_path / "corpora" / "wordnet.zip"
    assert wordnet(find_wordnet()).synonyms("car") == wordnet(WORDNET).synonyms("car")
    (tmp_path / "corpora" / "wordnet.zip").write_bytes(b"no zip")
    assert find_wordnet() != tmp_path / "corpora" / "wordnet.zip"


def test_without_wordnet_meteor_is_refused_and_has_another_name(monkeypatch):
    monkeypatch.setattr("ragvlc.metrics.loogle_meteor.find_wordnet", lambda: None)
    [refusal] = LoogleMeteor().refusals()
    assert "wordnet-base" in refusal
    assert "stages: exact_stem" in refusal
    without = LoogleMeteor(stages="exact_stem")
    assert (without.refusals(), without.label) == ([], "loogle_meteor_exact_stem")
    assert without.score(Answer("He drives cars"), example("he drove a car")) > 0


def test_words_are_in_the_order_of_a_table_with_a_fixed_hash():
    words = [f"w{number}" for number in range(200)]
    found = as_in_a_set(words)
    assert sorted(found) == sorted(words)
    assert found == as_in_a_set(words[::-1]) != words
    # Words that two small sets share are mostly in the same order in both, as the tables have the same size.
    left, right = as_in_a_set([*words[:8], "x"]), as_in_a_set([*words[:8], "y"])
    assert [word for word in left if word != "x"] == [word for word in right if word != "y"]
    sets, text = LoogleMeteor(stages="exact_stem"), LoogleMeteor(stages="exact_stem", order="text")
    reply, asked = Answer(" ".join(words)), example(" ".join(words))
    assert sets.score(reply, asked) == text.score(reply, asked) == pytest.approx(1, abs=1e-4)
    shuffled = Answer(" ".join(words[::-1]))
    assert text.score(shuffled, asked) < sets.score(shuffled, asked) == sets.score(reply, asked)
    assert (sets.label, text.label) == ("loogle_meteor_exact_stem", "loogle_meteor_exact_stem_text")


# --- Contexts ---

PAPER = Document("p", "Intro.\nWe use BERT.\n\n  It works well. \nEnd.")
LINES = {"Intro.": (0, 6), "We use BERT.": (7, 19), "It works well.": (21, 38), "End.": (39, 43)}


@pytest.mark.parametrize(
    ("read", "annotators", "overlap", "expected"),
    [
        (["We use BERT."], [["We use BERT."]], 0, 1),
        (["We use BERT.", "End."], [["We use BERT."]], 0, 2 / 3),
        (["We use BERT.", "End."], [["We use BERT."], ["End.", "Intro."]], 0, 2 / 3),
        ([], [[]], 0, 1),
        ([], [["End."]], 0, 0),
        (["End."], [[]], 0, 0),
        (["End."], [[], ["End."]], 0, 1),
        (["It works well."], [[" It works well.  "]], 0.9, 1),
        (["Intro."], [["Gone."]], 0, 0),
    ],
)
def test_qaspers_paragraphs_are_those_that_were_read(read, annotators, overlap, expected):
    context = tuple(Span("p", *LINES[text]) for text in read)
    asked = example("BERT", documents=(PAPER,), scoring={"evidence_texts": annotators})
    assert QasperEvidence(min_overlap=overlap).score(Answer("", context=context), asked) == pytest.approx(expected)


def test_a_paragraph_read_in_part():
    asked = example("BERT", documents=(PAPER,), scoring={"evidence_texts": [["We use BERT."]]})
    half = Answer("", context=(Span("p", 7, 10), Span("p", 16, 19)))
    assert QasperEvidence().score(half, asked) == 1
    assert QasperEvidence(min_overlap=0.5).score(half, asked) == 1
    assert QasperEvidence(min_overlap=0.6).score(half, asked) == 0
    assert QasperEvidence(min_overlap=0.6).label == "qasper_evidence_0.6"
    assert QasperEvidence().score(half, example("BERT", documents=(PAPER,))) is None


def test_qaspers_unanswerable_is_a_word():
    assert QasperF1().score(Answer("none", finish="declined"), example(unanswerable=True)) == 1
    assert QasperF1().score(Answer("BERT"), example(unanswerable=True)) == 0
    assert QasperF1().score(Answer("x b c"), example("x b", "c d", answer_mode="all")) == pytest.approx(6 / 7)


@pytest.mark.parametrize(
    ("reply", "context", "expected"),
    [
        # f1, em, precision, recall: products of those of answer and facts
        ("the red car", [("a", 0, 30), ("b", 0, 30)], (1.0, 1.0, 1.0, 1.0)),
        ("the red car", [("a", 0, 30), ("c", 0, 30)], (0.5, 0.0, 0.5, 0.5)),
        ("red", [("a", 0, 30)], (1 / 3, 0.0, 1.0, 1 / 4)),
        ("blue", [("a", 0, 30), ("b", 0, 30)], (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_hotpotqas_joint_score(reply, context, expected):
    asked = example("red car", evidence=(Span("a", 10, 20), Span("b", 0, 10)))
    answer = Answer(reply, context=tuple(Span(*span) for span in context))
    found = [HotpotqaJoint(measure=one).score(answer, asked) for one in ("f1", "em", "precision", "recall")]
    # F1 of the third: 2 x 1 x 1/4 / (1 + 1/4) = 2/5.
    wanted = (2 / 5, *expected[1:]) if reply == "red" else expected
    assert found == [pytest.approx(value) for value in wanted]


def test_hotpotqas_joint_score_needs_both():
    assert HotpotqaJoint().score(Answer("red"), example("red")) is None
    assert HotpotqaJoint().score(Answer("red"), example(evidence=(Span("a", 0, 1),))) is None


# --- Rankings ---


@pytest.mark.parametrize("case", cases_rankings.CASES, ids=str)
def test_the_authors_value_of_a_ranking(case):
    assert score_of_ranking(case) == pytest.approx(case.wanted, abs=1e-5)  # BEIR rounds to five digits


def ranked(names: str, steps=()) -> Answer:
    hits = [Hit(Chunk(name, place, 0, 5, "xxxxx"), -float(place)) for place, name in enumerate(names)]
    return Answer("", ranking=tuple(hits), trace=tuple(steps))


def about(relevant, documents="abcdefgh", **gold) -> Example:
    return Example(
        Query("q", "?"), tuple(Document(name, "text") for name in documents), relevant=dict(relevant), **gold
    )


@pytest.mark.parametrize(
    ("names", "relevant", "k", "hit", "average", "r", "capped"),
    [
        ("ab", "a", 10, 1, 1, 1, 1),
        ("ba", "a", 1, 0, 0, 0, 0),
        ("bac", "ac", 3, 1, (1 / 2 + 2 / 3) / 2, 1 / 2, 1),
        ("bac", "ac", 2, 1, 1 / 4, 1 / 2, 1 / 2),
        ("abc", "abcz", 2, 1, 2 / 4, 3 / 4, 1),
        ("bcd", "a", 3, 0, 0, 0, 0),
        ("", "a", 3, 0, 0, 0, 0),
        ("aab", "ab", 2, 1, 1, 1, 1),
    ],
)
def test_measures_by_hand(names, relevant, k, hit, average, r, capped):
    asked, answer = about(dict.fromkeys(relevant, 1)), ranked(names)
    found = [metric.score(answer, asked) for metric in (HitAt(k=k), MapAt(k=k), RPrecision(), CappedRecall(k=k))]
    assert found == [pytest.approx(value) for value in (hit, average, r, capped)]


def test_measures_do_not_apply_without_relevant_documents():
    kinds = (HitAt(), MapAt(), RPrecision(), CappedRecall(), LongmemevalRetrieval(), HoleRate())
    assert [metric.score(ranked("ab"), about({"a": 0})) for metric in kinds] == [None] * 6
    labels = [metric.label for metric in (HitAt(k=3), MapAt(unit="span"), RPrecision(), CappedRecall(), HoleRate(k=5))]
    assert labels == ["hit_at_3", "map_at_10_span", "r_precision", "capped_recall_at_10", "hole_rate_at_5"]


def test_holes_are_documents_without_any_judgement():
    asked = about({"a": 1}, scoring={"judged": ["a", "b"]})
    assert HoleRate(k=2).score(ranked("ab"), asked) == 0
    assert HoleRate(k=2).score(ranked("cab"), asked) == 1 / 2
    assert HoleRate(k=10).score(ranked("cde"), asked) == 3 / 10
    assert HoleRate(k=2).score(ranked(""), asked) == 0


def test_excluded_documents_take_no_rank():
    gold = {"a": 1, "b": 1}
    plain, without = about(gold), about(gold, scoring={"excluded": ["x", "b"]})
    answer = ranked("xbcad")
    metrics = [Ndcg(k=2), RecallAt(k=2), HitAt(k=1), MapAt(k=3), RPrecision(), CappedRecall(k=1)]
    assert [metric.score(answer, without) for metric in metrics] == [
        metric.score(ranked("cad"), about({"a": 1})) for metric in metrics
    ]
    assert RecallAt(k=2).score(answer, plain) == 1 / 2
    assert RecallAt(k=2).score(answer, without) == 1
    assert RecallAt(k=2).score(answer, about({"b": 1}, scoring={"excluded": ["b"]})) is None
    spans = (Span("b", 0, 3), Span("a", 0, 3))
    located = Example(Query("q", "?"), (), evidence=spans, scoring={"excluded": ["b"]})
    assert RecallAt(k=3, unit="span").score(ranked("bca"), located) == 1
    assert Ndcg(k=1, unit="span").score(ranked("ba"), located) == 1
    judged = about(gold, scoring={"excluded": ["c"], "judged": ["a"]})
    assert HoleRate(k=2).score(ranked("cab"), judged) == 1 / 2


def test_a_ranking_cut_short_says_so_without_excluded_documents():
    step = Step("retrieve", {"ranked": 2, "chunks": 9})
    asked = about({"a": 1}, documents="abc", scoring={"excluded": ["a"]})
    assert HitAt(k=5).flags(ranked("b", [step]), asked) == ()
    missed = about({"a": 1}, documents="abcd", scoring={"excluded": ["d"]})
    assert HitAt(k=5).flags(ranked("bc", [step]), missed) == ("ranking_cut",)
    assert HitAt(k=5).flags(ranked("bca", [step]), missed) == ()
    assert RPrecision().flags(ranked("", [step]), missed) == ("ranking_cut",)
    assert RPrecision().flags(ranked("b", [step]), missed) == ()


# LongMemEval's evaluate_retrieval(rankings, correct_docs, corpus_ids, k): recall_any, recall_all, ndcg.
LONGMEMEVAL = [
    ("abcd", "a", 1, (1, 1, 1)),
    ("bacd", "a", 1, (0, 0, 0)),
    ("bacd", "a", 2, (1, 1, 1)),
    ("bcad", "a", 3, (1, 1, 1 / math.log2(3))),
    ("abcd", "ac", 2, (1, 0, 1 / 2)),
    ("bcda", "ac", 4, (1, 1, (1 + 1 / 2) / 2)),
    ("acbd", "ac", 2, (1, 1, 1)),
    ("bdac", "ac", 4, (1, 1, (1 / math.log2(3) + 1 / 2) / 2)),
]


@pytest.mark.parametrize(("names", "relevant", "k", "expected"), LONGMEMEVAL)
@pytest.mark.parametrize("unit", ["document", "span"])
def test_longmemevals_retrieval(names, relevant, k, expected, unit):
    spans = tuple(Span(name, 0, 5) for name in relevant)
    asked = about(dict.fromkeys(relevant, 1), documents="abcd", evidence=spans)
    metrics = [LongmemevalRetrieval(k=k, unit=unit, measure=one) for one in ("recall_any", "recall_all", "ndcg")]
    assert [metric.score(ranked(names), asked) for metric in metrics] == [pytest.approx(one) for one in expected]
    assert metrics[0].label == f"longmemeval_recall_any_at_{k}" + "_span" * (unit == "span")
    abstention = about({"a": 1}, unanswerable=True)
    assert metrics[0].score(ranked(names), abstention) is None


# --- Texts ---


def test_babilong_leaves_out_labels_of_the_question():
    labels = {"labels": ["garden", "kitchen"]}
    asked = example("garden", question="Is John in the kitchen?", scoring=labels)
    assert Babilong().score(Answer("not the kitchen but the garden"), asked) == 1
    assert Babilong().score(Answer("not the kitchen but the garden"), example("garden", scoring=labels)) == 0
    assert Babilong().score(Answer("garden"), example("garden", question="in the Garden?", scoring=labels)) == 0


def test_sort_reads_options():
    asked = example("the second", choices=("the first", "the second"))
    assert SortAccuracy().score(Answer("B"), asked) == 1
    assert SortAccuracy().score(Answer("A"), asked) == 0
    assert SortAccuracy().flags(Answer("A or B"), asked) == ("unparsed",)
    assert SortAccuracy().score(Answer("A"), example("neither")) is None


def test_a_date_that_lacks_a_part_is_wrong_on_every_day():
    asked = example("2023-05-01", "[datetime.date(2023, 5, 1)]", scoring={"answer_type": "ANSWER_TYPE.DATE"})
    assert Oolong().score(Answer("Date: May 2023"), asked) == 0
    assert Oolong().score(Answer("Date: 1 May 2023"), asked) == 1


def test_swap_distances_are_those_of_a_greedy_search():
    def searched(places):
        places, total = list(places), 0
        while places != sorted(places):
            gains = {
                (i, j): (abs(places[i] - i) + abs(places[j] - j) - abs(places[j] - i) - abs(places[i] - j)) / (j - i)
                for i in range(len(places))
                for j in range(i + 1, len(places))
            }
            i, j = max(gains, key=gains.__getitem__)
            places[i], places[j] = places[j], places[i]
            total += j - i
        return total

    for items in (1, 2, 3, 4, 5):
        orders = list(permutations(range(items)))
        assert [deviation(order, "sdd") for order in orders] == [searched(order) for order in orders]
        for measure in ("lsd", "lmd", "sd", "sdd"):
            assert largest(items, measure) == max(deviation(order, measure) for order in orders)


def test_the_longest_common_run_is_that_of_a_direct_search():
    chance = random.Random(3)
    for _ in range(300):
        left, right = ([chance.choice("abc") for _ in range(chance.randrange(12))] for _ in range(2))
        runs = [
            size
            for start in range(len(left))
            for size in range(1, len(left) - start + 1)
            if any(left[start : start + size] == right[at : at + size] for at in range(len(right)))
        ]
        assert longest_common_run(left, right) == longest_common_run(right, left) == max(runs, default=0)
    assert segments("ABC公司…3.5 年，的") == ["abc", "公", "司", "…3.5", "年", "的"]


# --- Official figures ---


def questions(*scores, tags=None) -> list[ScoredQuestion]:
    return [ScoredQuestion(f"q{place}", score, tags=(tags or {})) for place, score in enumerate(scores)]


def test_official_figures():
    assert MusiqueF1().official(questions(1.0, 0.0, 1.0, None)) == {"answer_f1": 0.667}
    assert CmrcF1().official(questions(1.0, 0.0, 1.0, None)) == {"F1": 66.667}
    assert CmrcEm().official(questions(1.0, 0.0, 1.0)) == {"EM": 66.667}
    assert MusiqueF1().official([]) == CmrcF1().official([]) == CmrcEm().official([]) == {}
    # Three of four masks in one question, none of one in another: 3 of 5, where the mean is .375.
    cloze = [*questions(0.75, tags={"masks": 4}), *questions(0.0, tags={"masks": 1})]
    assert LoogleCloze().official(cloze) == {"exact match": 0.6}
    assert LoogleCloze().official(questions(0.5)) == {}


# --- Hostile replies ---

GOLD = {
    "masks": {"<mask-0>": "Ann Lee"},
    "order": [2, 1, 3],
    "prefix": "x7",
    "nodes": ["a"],
    "labels": ["garden", "no"],
    "answer_type": "ANSWER_TYPE.NUMERIC",
}
HOSTILE = [
    "\x00\ud800￿",
    "{" * 5000,
    "{" + "-" * 20_000 + "1}",
    "{" + "1+" * 9000 + "1: 2}",
    "{'<mask-0>': __import__('os').system('false')}",
    "{[]: 1}",
    "{'<mask-0>': None}",
    "Final Answer: [" * 4000,
    "\\boxed" + "{" * 20_000,
    "\\boxed{\\text{" * 3000,
    "x7" + "(" * 3000,
    ":" * 20_000,
    "Answer: " + "9" * 6000,
    "Answer: 1e999",
    "IVXLCDM " * 3000,
    "I" * 20_000,
    "a,b;" * 5000,
]
TEXT_KINDS = {
    "babilong": {},
    "cmrc_em": {},
    "cmrc_f1": {},
    "graphwalks": {},
    "hotpotqa_f1": {},
    "loogle_bleu": {},
    "loogle_cloze": {"match": "partial"},
    "loogle_meteor": {"stages": "exact_stem"},
    "loogle_reorder": {},
    "loogle_rouge": {},
    "mrcr": {},
    "musique_f1": {},
    "oolong": {},
    "qasper_f1": {},
    "sort_accuracy": {"parser": "openai"},
}


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_hostile_replies_are_scored(kind):
    metric = find_kind(Metric, kind).model_validate(TEXT_KINDS[kind])
    for asked in (example("B", scoring=GOLD), example("7", "B", scoring={**GOLD, "answer_type": "ANSWER_TYPE.DATE"})):
        for reply in HOSTILE:
            score = metric.score(Answer(reply), asked)
            assert score is not None
            assert 0 <= score <= 1, reply[:20]
            assert all(isinstance(flag, str) for flag in metric.flags(Answer(reply), asked))
    real = Oolong(split="real")
    assert all(0 <= real.score(Answer(reply), example("7")) <= 1 for reply in HOSTILE)


def test_metrics_with_further_gold_do_not_apply_without_it():
    kinds = ("babilong", "graphwalks", "loogle_cloze", "loogle_reorder", "mrcr", "oolong")
    found = [find_kind(Metric, kind)() for kind in kinds]
    assert [metric.score(Answer("x"), example("x")) for metric in found] == [None] * len(kinds)
    assert [metric.flags(Answer("x"), example("x")) for metric in found] == [()] * len(kinds)


def test_every_difference_is_named():
    for kind in (*TEXT_KINDS, "hotpotqa_joint", "qasper_evidence", "longmemeval_retrieval", "capped_recall"):
        head = Path(find_kind(Metric, kind).__module__.replace(".", "/") + ".py")
        assert "Differences" in (Path(__file__).parents[2] / head).read_text(encoding="utf-8"), kind
