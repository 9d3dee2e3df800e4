"""RankAgreement of two sets of questions on a ranking: correlations, what is settled, intervals that cover."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from scipy.stats import kendalltau, spearmanr

from ragvlc.statistics.rankings import RankOutcome, ScoredSet, rank_agreement

WIDE = (0.2, 0.32, 0.44, 0.56, 0.68, 0.8)


def drawn(means, questions, documents, seed, tag, *, spread=0.08):
    """Returns a set whose ways have these expected scores; documents differ in which ways suit them."""
    rng = random.Random(f"{seed} {tag}")
    shift = random.Random(f"documents {seed}")
    suits = [[shift.gauss(0, spread) for _ in means] for _ in range(documents)]
    scores = {f"w{way}": {} for way in range(len(means))}
    clusters = {}
    for n in range(questions):
        name, document = f"{tag}{n}", rng.randrange(documents)
        clusters[name] = f"d{document}"
        hard = rng.gauss(0, 0.15)
        for way, mean in enumerate(means):
            scores[f"w{way}"][name] = float(rng.random() < mean + suits[document][way] + hard)
    return ScoredSet(scores, clusters)


def test_correlations_are_those_of_scipy():
    first, second = drawn(WIDE, 90, 12, 1, "a"), drawn(WIDE[::-1], 70, 12, 1, "b")
    found = rank_agreement(first, second, flips=500)
    means = [[sum(own.values()) / len(own) for own in one.scores.values()] for one in (first, second)]
    assert found.kendall == pytest.approx(kendalltau(*means).statistic)
    assert found.spearman == pytest.approx(spearmanr(*means).statistic)
    assert found.kendall < -0.5
    assert sorted(found.ranks[0]) == [1, 2, 3, 4, 5, 6]
    assert found.ranks[0][found.ways.index(found.best(0))] == 1


@pytest.mark.parametrize(
    ("second", "outcome"),
    [(WIDE, RankOutcome.ALIKE), (WIDE[::-1], RankOutcome.DIFFERENT), ((0.5,) * 6, RankOutcome.NOT_SETTLED)],
)
def test_what_differs_widely_is_settled_with_many_questions(second, outcome):
    found = rank_agreement(drawn(WIDE, 900, 60, 3, "a"), drawn(second, 900, 60, 3, "b"), flips=2000)
    assert found.outcome is outcome
    low, high = found.kendall_bounds
    assert low <= found.kendall <= high
    assert found.spearman_bounds[0] <= found.spearman <= found.spearman_bounds[1]


def test_fewer_than_sixty_questions_settle_nothing_and_it_says_how_many_are_needed():
    many = drawn(WIDE, 900, 60, 3, "a")
    perfect = drawn((0.0, 0.0, 0.0, 0.0, 0.0, 1.0), 59, 40, 3, "b", spread=0.0)
    found = rank_agreement(many, perfect, flips=500)
    assert found.outcome is RankOutcome.NOT_SETTLED
    assert found.needed() == 60
    assert rank_agreement(many, drawn(WIDE, 60, 40, 3, "b"), flips=500, least=10).enough


def test_more_questions_help_only_where_the_first_set_has_settled_enough():
    clear, few = drawn(WIDE, 900, 60, 5, "a"), drawn(WIDE, 80, 40, 5, "b")
    found = rank_agreement(clear, few, flips=1000)
    assert found.outcome is RankOutcome.NOT_SETTLED
    needed = found.needed()
    assert needed is not None
    assert needed > 80
    assert rank_agreement(clear, drawn(WIDE, 2 * needed, 120, 5, "c"), flips=1000).outcome is RankOutcome.ALIKE
    near = tuple(0.5 + 0.001 * n for n in range(6))
    assert rank_agreement(drawn(near, 100, 40, 5, "a"), few, flips=1000).needed() is None


def test_too_few_documents_settle_nothing():
    found = rank_agreement(drawn(WIDE, 900, 7, 3, "a"), drawn(WIDE, 900, 7, 3, "b"), flips=2000)
    assert not found.enough
    assert found.outcome is RankOutcome.NOT_SETTLED


def test_questions_without_a_score_in_some_way_do_not_count():
    first = drawn(WIDE[:3], 80, 20, 1, "a")
    first.scores["w1"]["a0"] = None
    found = rank_agreement(first, drawn(WIDE[:3], 80, 20, 1, "b"), flips=200)
    assert found.sets[0].questions == 79
    assert len(found.pairs) == 3


def test_pairs_say_which_set_settled_what():
    first = drawn((0.1, 0.9), 400, 40, 1, "a", spread=0.0)
    found = rank_agreement(first, drawn((0.9, 0.1), 400, 40, 1, "b", spread=0.0), flips=1000)
    [pair] = found.pairs
    assert pair.signs == (-1, 1)
    assert pair.verdict == "opposite"
    assert found.loss().mean == pytest.approx(0.8, abs=0.1)
    assert found.leading(0) == ("w1",)
    same = rank_agreement(first, drawn((0.5, 0.5), 400, 40, 1, "b", spread=0.0), flips=1000).pairs[0]
    assert same.verdict == "settled by the first alone"


def test_equal_scores_have_no_correlation():
    flat = ScoredSet({way: {f"q{n}": 1.0 for n in range(80)} for way in "ab"}, {f"q{n}": f"d{n}" for n in range(80)})
    found = rank_agreement(flat, flat, flips=200)
    assert found.kendall is None
    assert found.kendall_bounds == (-1.0, 1.0)
    assert found.pairs[0].p == (1.0, 1.0)


def test_other_ways_or_nothing_in_common_is_refused():
    one = drawn(WIDE[:2], 80, 20, 1, "a")
    with pytest.raises(ValueError, match="the same in both"):
        rank_agreement(one, drawn(WIDE[:3], 80, 20, 1, "b"))
    empty = ScoredSet({way: dict.fromkeys(own) for way, own in one.scores.items()}, one.clusters)
    with pytest.raises(ValueError, match="no question"):
        rank_agreement(one, empty)


def test_seven_ways_have_bounds_by_pairs():
    means = (*WIDE, 0.92)
    found = rank_agreement(drawn(means, 600, 60, 2, "a"), drawn(means, 600, 60, 2, "b"), flips=1000)
    unknown = sum(0 in pair.signs for pair in found.pairs)
    assert found.kendall_bounds[0] == pytest.approx(min(found.kendall, 1 - 2 * unknown / 21))
    assert found.spearman_bounds == (-1.0, 1.0)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 3, 2), (3, 2, 1, 0)])
@pytest.mark.parametrize("step", [0.02, 0.12])
def test_the_interval_covers_the_true_correlation(order, step):
    """Also where ways are nearly equal, where a percentile bootstrap of the documents hardly ever covers."""
    first = [0.3 + step * n for n in range(4)]
    second = [0.3 + step * n for n in order]
    pairs = list(combinations(range(4), 2))
    true = sum((first[a] < first[b]) == (second[a] < second[b]) for a, b in pairs) / 3 - 1
    covered = 0
    for seed in range(40):
        found = rank_agreement(drawn(first, 80, 20, seed, "a"), drawn(second, 80, 20, seed, "b"), flips=400)
        low, high = found.kendall_bounds
        covered += low - 1e-9 <= true <= high + 1e-9
    assert covered >= 36


def test_equal_ways_are_seldom_settled():
    wrong = sum(
        any(any(pair.signs) for pair in rank_agreement(
            drawn((0.5,) * 4, 70, 20, seed, "a"), drawn((0.5,) * 4, 70, 20, seed, "b"), flips=400
        ).pairs)
        for seed in range(60)
    )  # fmt: skip
    assert wrong <= 8  # 3 expected, of all pairs of both sets together
