"""The clauses on texts and rankings, with inputs that hypothesis draws."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragvlc.testing.clauses.chunks import loses_nothing, permutes, selects_best_first
from ragvlc.testing.materials import hits_of

# A kind is frozen, so that a fixture made once serves every example that hypothesis draws. No deadline: first imports.
drawn = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
texts = st.text(
    alphabet=st.sampled_from("ab .\n,;茶馆。🫖é\u0301\t7") | st.characters(codec="utf-8"), max_size=200
) | st.lists(st.sampled_from(["The cat. ", "Dr. Who? ", "\n\n", "茶馆。", "x" * 30, "a "]), max_size=80).map("".join)
rankings = st.lists(st.sampled_from([3.0, 2.5, 1.0, 0.0, -1.5]) | st.floats(-9, 9), max_size=30).map(hits_of)


@drawn
@given(text=texts)
def test_chunks_are_pieces_of_the_text_that_lose_nothing(chunker_kind, build, text):
    small = {"size": 7} if "size" in type(build("chunkers", chunker_kind)).model_fields else {}
    loses_nothing(build("chunkers", chunker_kind, **small), text)


@drawn
@given(hits=rankings, seed=st.integers(0, 2**31 - 1))
def test_an_order_is_a_permutation(order_kind, build, hits, seed):
    permutes(build("orders", order_kind), hits, seed)


@drawn
@given(hits=rankings)
def test_a_selection_is_a_subset_best_first(selector_kind, build, hits):
    selects_best_first(build("selectors", selector_kind), hits)
