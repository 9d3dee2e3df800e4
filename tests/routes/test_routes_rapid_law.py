"""What speculative decoding draws: the laws that it claims, by simulation over tables of probabilities."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
import torch
from scipy.stats import binomtest, chisquare

from ragvlc.core.decode_state import Draft
from ragvlc.engines.batching.sampling import sample_at, token_probabilities
from ragvlc.reading.acceptance_rules import AcceptanceRule
from ragvlc.reading.speculation_rounds import Limits, speculate

WIDTH = 4
TOKENS = 2
TABLES = {"target": 1, "near": 2, "far": 3}
PAPER, EXACT = AcceptanceRule(10.0), AcceptanceRule(10.0, mode="phat_exact")
RULES = [
    AcceptanceRule(eta, mode, tail, threshold)
    for eta in (0.0, 1.0, 10.0)
    for mode in ("paper", "phat_exact")
    for tail, threshold in (("paper", 0.1), ("code", 0.1), ("paper", 0.0))
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def row(name: str, taken: tuple[int, ...]) -> torch.Tensor:
    """Returns the probabilities behind `taken`: another row for every text, and for every model."""

    def logits(seed: int) -> torch.Tensor:
        place = sum((token + 1) * 7 ** (i % 20) for i, token in enumerate(taken)) % 2**40
        return torch.randn(WIDTH, generator=torch.Generator().manual_seed(1000 * seed + place))

    if name == "near":
        return (1.5 * logits(TABLES["target"]) + logits(TABLES[name])).softmax(-1)
    return (1.5 * logits(TABLES[name])).softmax(-1)


@dataclass
class Table:
    """A session whose model is a table. Counts how often it is asked, and about how much."""

    name: str
    draws: torch.Generator
    known: dict[tuple[int, ...], torch.Tensor]
    end_ids: frozenset[int] = frozenset()
    width: int = WIDTH
    taken: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def at(self, taken: tuple[int, ...]) -> torch.Tensor:
        if taken not in self.known:
            self.known[taken] = row(self.name, taken)
        return self.known[taken]

    def propose(self, n: int, *, min_probability: float = 0.0) -> Draft:
        tokens, rows = [], []
        while len(tokens) < n:
            rows.append(self.at(tuple(self.taken)))
            tokens.append(int(sample_at(rows[-1], float(torch.rand((), generator=self.draws)))))
            self.taken.append(tokens[-1])
            if tokens[-1] in self.end_ids or float(rows[-1][tokens[-1]]) < min_probability:
                break
        return Draft(tuple(tokens), torch.stack(rows))

    def verify(self, draft) -> torch.Tensor:
        self.asked.append(len(draft) + 1)
        rows = [self.at((*self.taken, *draft[:i])) for i in range(len(draft) + 1)]
        self.taken += draft
        return torch.stack(rows)

    def peek(self) -> torch.Tensor:
        return self.at(tuple(self.taken)).unsqueeze(0)

    def extend(self, tokens) -> None:
        self.taken += tokens

    def rewind(self, n: int) -> None:
        del self.taken[len(self.taken) - n :]


def pair(drafter: str, seed: int, known: dict) -> tuple[Table, Table]:
    """Returns sessions of target and drafter."""
    draws = torch.Generator().manual_seed(seed)
    return tuple(Table(name, draws, known.setdefault(name, {})) for name in ("target", drafter))


def sampled(rule: AcceptanceRule, gamma: int, drafter: str, n: int, **limits) -> dict[tuple[int, ...], int]:
    """Returns how often each text came out of `n` tries."""
    counts = dict.fromkeys(itertools.product(range(WIDTH), repeat=TOKENS), 0)
    points, known = torch.Generator().manual_seed(17), {}
    target, draft = pair(drafter, 23, known)
    for _ in range(n):
        target.taken, draft.taken = [], []
        found = speculate(target, draft, rule, Limits(gamma + 1, gamma, **limits), points)
        counts[tuple(found.tokens[:TOKENS])] += 1
    return counts


def one_token(rule: AcceptanceRule, drafter: str, taken: tuple[int, ...]) -> torch.Tensor:
    """Returns the law of a token that was drafted, by the closed form."""
    p, q = row("target", taken), row(drafter, taken)
    p_hat = rule.moved(p, q)
    kept = torch.minimum(q, p_hat)
    return kept + (1 - kept.sum()) * rule.residual(p, q, p_hat)


def law(first, second) -> dict[tuple[int, ...], float]:
    """Returns the law of texts of two tokens: `first()` and `second(token)` are rows."""
    one = first()
    return {(a, b): float(one[a] * second(a)[b]) for a in range(WIDTH) for b in range(WIDTH)}


def p_value(counts: dict[tuple[int, ...], int], expected: dict[tuple[int, ...], float]) -> float:
    """Returns the chi-square test's, cells expected fewer than 5 times merged."""
    n = sum(counts.values())
    cells = sorted(expected, key=expected.__getitem__)
    seen, wanted = [0], [0.0]
    for cell in cells:
        seen[-1] += counts[cell]
        wanted[-1] += n * expected[cell]
        if wanted[-1] >= 5 and cell != cells[-1]:
            seen.append(0)
            wanted.append(0.0)
    scale = sum(seen) / sum(wanted)
    return float(chisquare(seen, [one * scale for one in wanted]).pvalue)


def target_law() -> dict[tuple[int, ...], float]:
    return law(lambda: row("target", ()), lambda token: row("target", (token,)))


def moved_law(rule: AcceptanceRule, drafter: str) -> dict[tuple[int, ...], float]:
    return law(lambda: one_token(rule, drafter, ()), lambda token: one_token(rule, drafter, (token,)))


SIZES = [pytest.param(2000, id="2k"), pytest.param(50_000, id="50k", marks=pytest.mark.slow)]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("gamma", [1, 2, 5])
@pytest.mark.parametrize("drafter", ["near", "far"])
def test_without_transfer_tokens_follow_the_target(drafter, gamma, n):
    counts = sampled(AcceptanceRule(), gamma, drafter, n)
    assert p_value(counts, target_law()) > 1e-4
    # And the test would see it if they followed the drafter.
    assert p_value(counts, law(lambda: row(drafter, ()), lambda token: row(drafter, (token,)))) < 1e-6


@pytest.mark.parametrize("confident", [0.2, 0.4])
def test_a_draft_that_ends_early_leaves_the_law_alone(confident):
    assert p_value(sampled(AcceptanceRule(), 4, "near", 2000, min_probability=confident), target_law()) > 1e-4


@pytest.mark.parametrize("n", SIZES)
def test_with_transfer_tokens_follow_neither_and_the_closed_form_says_what(n):
    counts = sampled(PAPER, 3, "far", n)
    assert p_value(counts, target_law()) < 1e-6
    assert p_value(counts, moved_law(PAPER, "far")) > 1e-4


@pytest.mark.parametrize("n", SIZES)
def test_behind_a_full_draft_the_paper_draws_from_the_target(n):
    """So with eta above 0 the law depends on gamma; without, it does not."""
    counts = sampled(PAPER, 1, "far", n)
    assert p_value(counts, moved_law(PAPER, "far")) < 1e-6
    p, q = row("target", ()), row("far", ())
    p_hat = PAPER.moved(p, q)
    accepted = torch.minimum(q, p_hat)
    rejected = one_token(PAPER, "far", ()) - accepted
    expected = {}
    for a, b in itertools.product(range(WIDTH), repeat=2):
        # The token behind an accepted one is the bonus; behind a rejected one stands the last token alone: from p, too.
        expected[a, b] = float((accepted[a] + rejected[a]) * row("target", (a,))[b])
    assert p_value(counts, expected) > 1e-4


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("gamma", [1, 3])
@pytest.mark.parametrize("tail", ["paper", "code"])
def test_exact_for_the_moved_target(tail, gamma, n):
    rule = AcceptanceRule(5.0, "phat_exact", tail)
    expected = law(
        lambda: rule.moved(row("target", ()), row("far", ())),
        lambda token: rule.moved(row("target", (token,)), row("far", (token,))),
    )
    counts = sampled(rule, gamma, "far", n)
    assert p_value(counts, expected) > 1e-4
    assert p_value(counts, moved_law(AcceptanceRule(5.0, "paper", tail), "far")) < 1e-4  # it would see the other law


def test_numbers_worked_out_by_hand():
    p, q = torch.tensor([0.6, 0.4]), torch.tensor([0.2, 0.8])
    for eta, moved, out in [
        (0.0, (0.6, 0.4), (0.6, 0.4)),
        (1.0, (0.4026, 0.5974), (0.4026, 0.5974)),
        (2.0, (0.2324, 0.7676), (0.2324, 0.7676)),
        (5.0, (0.0267, 0.9733), (0.2, 0.8)),
    ]:
        rule = AcceptanceRule(eta, threshold=0.0)
        p_hat = rule.moved(p, q)
        kept = torch.minimum(q, p_hat)
        law_of_one = kept + (1 - kept.sum()) * rule.residual(p, q, p_hat)
        assert p_hat.tolist() == pytest.approx(moved, abs=5e-5)
        assert law_of_one.tolist() == pytest.approx(out, abs=5e-5)


def test_the_tails_are_different_operators():
    p, q = torch.tensor([0.70, 0.25, 0.04, 0.01]), torch.tensor([0.05, 0.60, 0.34, 0.01])
    plain = AcceptanceRule(3.0, threshold=0.0).moved(p, q)
    paper = AcceptanceRule(3.0, tail="paper").moved(p, q)
    low = plain < 0.1 * plain.max()
    assert low.tolist() == [False, False, False, True]
    assert paper.tolist() == [*plain[:3].tolist(), pytest.approx(0.01)]
    assert float(paper.sum()) != pytest.approx(1, abs=1e-4)  # the paper's row is not weighed anew
    assert float(AcceptanceRule(3.0, "phat_exact").moved(p, q).sum()) == pytest.approx(1)
    code = AcceptanceRule(3.0, tail="code").moved(
        p, q
    )  # q of the first and last is below a tenth of 0.6: they do not move
    by_hand = torch.tensor(
        [0.70, 0.25 * float(torch.tensor(3 * 0.35).exp()), 0.04 * float(torch.tensor(0.9).exp()), 0.01]
    )
    assert code.tolist() == pytest.approx((by_hand / by_hand.sum()).tolist(), abs=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_a_drafter_that_agrees_is_always_accepted(rule):
    target, draft = pair("target", 5, {})
    p = row("target", (1,))
    found = speculate(target, draft, rule, Limits(40, 5), torch.Generator().manual_seed(1))
    assert torch.allclose(rule.moved(p, p), p, atol=1e-6)
    assert found.accepted == found.tried
    assert found.tried[0] == found.rounds
    assert target.taken == draft.taken == found.tokens


@pytest.mark.parametrize("rule", RULES)
def test_what_is_left_is_a_law(rule):
    generator = torch.Generator().manual_seed(3)
    for scale in (0.0, 1e-4, 1.0, 30.0):
        p, q = ((scale * torch.randn(50, 6, generator=generator)).softmax(-1) for _ in range(2))
        left = rule.residual(p, q, rule.moved(p, q))
        assert torch.isfinite(left).all()
        assert (left >= 0).all()
        assert torch.allclose(left.sum(-1), torch.ones(50), atol=1e-5)
    certain = torch.eye(6)  # greedy rows: nothing is left where both agree
    assert torch.equal(AcceptanceRule().residual(certain, certain, certain), certain)


def test_how_much_is_accepted():
    target, draft = pair("near", 9, {})
    p, q = row("target", ()), row("near", ())
    points, rule, n = torch.Generator().manual_seed(2), AcceptanceRule(5.0), 3000
    accepted = 0
    for _ in range(n):
        target.taken, draft.taken = [], []
        found = speculate(target, draft, rule, Limits(2, 1), points)
        accepted += found.accepted[0]
    share = float(torch.minimum(q, rule.moved(p, q)).sum())
    assert binomtest(accepted, n, share).pvalue > 1e-4
    assert binomtest(accepted, n, share - 0.05).pvalue < 1e-4


def test_tokens_a_round_where_every_token_is_accepted_alike():
    """For independent acceptance a: (1 - a ** (gamma + 1)) / (1 - a)."""
    p, q = torch.tensor([0.6, 0.4]), torch.tensor([0.3, 0.7])
    target = Table("target", torch.Generator().manual_seed(4), {}, width=2)
    draft = Table("far", target.draws, {}, width=2)
    target.at, draft.at = (lambda taken: p), (lambda taken: q)
    found = speculate(target, draft, AcceptanceRule(), Limits(6000, 3), torch.Generator().manual_seed(6))
    a = float(torch.minimum(p, q).sum())
    assert len(found.tokens) / found.rounds == pytest.approx((1 - a**4) / (1 - a), rel=0.03)


def test_the_shift_is_a_step_down_the_gradient_of_the_divergence():
    z, temperature, eta = torch.randn(7, generator=torch.Generator().manual_seed(8), requires_grad=True), 0.7, 3.0
    q = torch.randn(7, generator=torch.Generator().manual_seed(9)).softmax(-1)
    p = (z / temperature).softmax(-1)
    (temperature**2 * (q * (q.log() - p.log())).sum()).backward()
    assert torch.allclose(z.grad, temperature * (p - q).detach(), atol=1e-6)
    moved = ((z - eta * z.grad) / temperature).softmax(-1)
    assert torch.allclose(AcceptanceRule(eta, threshold=0.0).moved(p, q), moved, atol=1e-6)


@pytest.mark.parametrize("gamma", [1, 2, 5, 10])
@pytest.mark.parametrize("max_tokens", [1, 2, 7, 12])
def test_the_target_is_asked_once_a_round(gamma, max_tokens):
    target, draft = pair("near", 11, {})
    found = speculate(target, draft, AcceptanceRule(), Limits(max_tokens, gamma), torch.Generator().manual_seed(5))
    assert len(found.tokens) == max_tokens
    assert len(target.asked) == found.rounds
    assert sum(found.tried) == sum(target.asked) - found.rounds
    assert max(target.asked) <= min(gamma + 1, max_tokens)
    assert target.taken == found.tokens
    assert sum(found.accepted) + found.rounds == max_tokens  # every round adds one token of the target's own


@pytest.mark.parametrize("end", range(WIDTH))
def test_nothing_stands_behind_an_end(end):
    for seed in range(30):
        target, draft = pair("near", seed, {})
        target.end_ids = draft.end_ids = frozenset({end})
        found = speculate(target, draft, AcceptanceRule(), Limits(12, 4), torch.Generator().manual_seed(seed))
        assert found.tokens.count(end) == int(found.ended)
        assert not found.ended or found.tokens[-1] == end
        assert target.taken == found.tokens
    assert found.tokens


def test_drawing():
    weights = torch.tensor([0.0, 0.3, 0.0, 0.5, 0.0])
    assert [int(sample_at(weights, point)) for point in (0.0, 0.374, 0.376, 0.999999999999)] == [1, 1, 3, 3]
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 5.0, 5.0]])
    assert token_probabilities(logits, 0.0, 1.0).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    kept = token_probabilities(logits, 1.0, 0.8)
    assert (kept > 0).tolist() == [[True, True, False, False], [False, False, True, True]]
    assert kept.sum(-1).tolist() == pytest.approx([1, 1])
    assert torch.allclose(token_probabilities(logits, 0.5, 1.0), (logits * 2).softmax(-1))
