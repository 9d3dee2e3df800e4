"""Reading beyond the window: what each strategy makes of positions, and that nothing else changes a vector."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from ragvlc.core.errors import EngineError
from ragvlc.embedders import _attention, _extended_batch
from ragvlc.embedders._extension import ABSOLUTE, ROTARY, Extension, scale_of
from ragvlc.embedders._positions import extended_positions, interpolated_rows, window_spans
from ragvlc.embedders._rotary import ntk_frequency_factors
from ragvlc.embedders._self_extend import distances, grouped_attention_of
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder

WINDOW = 16
ABSOLUTE_KINDS = ("bert", "roberta")
ROTARY_KINDS = ("modernbert", "nomic", "mistral")
PAIRS = [(kind, way) for kind in ABSOLUTE_KINDS for way in ABSOLUTE]
PAIRS += [(kind, way) for kind in ROTARY_KINDS for way in ROTARY]


def opened(folder, extension=None, **settings):
    return SentenceTransformerEmbedder(model=folder, device="cpu", extension=extension, **settings).open()


@pytest.fixture(scope="module")
def engine(built):
    made = {}

    def get(kind, extension=None, **settings):
        settings = {"max_length": 64 if extension else None} | settings
        key = (kind, str(extension), str(settings))
        if key not in made:
            made[key] = opened(built(kind), extension, **settings)
        return made[key]

    return get


# -- E1: positions by hand


def ids(strategy, length, window=8):
    import torch

    return extended_positions(strategy, torch.tensor([scale_of(length, window)]), length, window)[0].tolist()


def test_scales_are_windows_filled():
    assert [scale_of(length, 8) for length in (0, 8, 9, 16, 17)] == [1, 1, 2, 2, 3]


def test_positions_by_hand():
    assert ids("grouped", 8) == list(range(8))
    assert ids("grouped", 9) == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert ids("grouped", 17) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5]
    assert ids("recurrent", 17) == [*range(8), *range(8), 0]
    assert ids("interpolated", 8) == list(range(8))
    assert ids("interpolated", 16) == [place / 2 for place in range(15)] + [7.0]  # 7.5 has no right neighbour


def test_positions_are_each_texts_own_whatever_the_padding():
    import torch

    lengths = [8, 9, 17]
    scales = torch.tensor([scale_of(length, 8) for length in lengths])
    for strategy in ("grouped", "recurrent", "interpolated"):
        batch = extended_positions(strategy, scales, 40, 8)
        assert batch.max() < 8
        for row, length in zip(batch, lengths, strict=True):
            assert row[:length].tolist() == ids(strategy, length)


# -- E3: parallel windows


@pytest.mark.parametrize(
    ("tokens", "spans"),
    [
        (0, [(0, 0)]),
        (100, [(0, 100)]),
        (510, [(0, 510)]),
        (511, [(0, 510), (1, 511)]),
        (1020, [(0, 510), (510, 1020)]),
        (1021, [(0, 510), (510, 1020), (511, 1021)]),
        (1200, [(0, 510), (510, 1020), (690, 1200)]),
    ],
)
def test_windows_lie_side_by_side_and_the_last_ends_with_the_text(tokens, spans):
    assert window_spans(tokens, 510) == spans


# -- E4: rows between rows


def test_interpolated_rows_are_the_tables_own_or_on_the_line_between_two():
    import torch

    rows = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    found = interpolated_rows(rows, torch.tensor([ids("interpolated", 24)]))[0]
    assert torch.equal(found[::3], rows)
    assert torch.allclose(found[4], rows[1] + (rows[2] - rows[1]) / 3, atol=1e-6)
    assert torch.equal(found[22], rows[7])
    assert torch.equal(found[23], rows[7])


# -- E5: SelfExtend


def test_self_extend_distances_are_the_papers():
    found = distances(10, near=4, group=2)
    assert found[0].abs().tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6]
    assert (-found[4]).tolist() == [-4, -3, -2, -1, 0, 1, 2, 3, 4, 4]


@pytest.mark.parametrize(("scale", "near", "group"), [(2, 256, 3), (4, 128, 5), (8, 64, 9)])
def test_self_extend_settings_are_the_papers_and_reach_just_the_window(scale, near, group):
    assert Extension(strategy="self_extend").near_and_group(scale, 512) == (near, group)
    found = distances(512 * scale, near, group)
    assert found.abs().max() == 512
    assert (found == -found.T).all()
    assert (found[0].abs().diff() >= 0).all()


def test_with_groups_of_one_distances_stay():
    found = distances(30, near=4, group=1)
    assert (found == distances(30, near=30, group=7)).all()


@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_parts_is_one_softmax_over_all_distances(causal, monkeypatch):
    import torch

    monkeypatch.setattr(_attention, "_BLOCK", 7)
    lengths, shapes = (37, 12, 37), [(5, 3), (5, 3), (9, 2)]
    size, heads, width = 8, 2, 40
    drawn = torch.Generator().manual_seed(1)
    states = [torch.randn(3, width, heads, size, generator=drawn) for _ in range(3)]
    frequencies = 1 / 50 ** (torch.arange(0, size, 2) / size)
    for far in grouped_attention_of(lengths, width, shapes, frequencies):
        got = far.attention(
            *[flat.reshape(3 * width, heads, size)[far.tokens] for flat in states], scale=0.4, causal=causal
        )
        for row, (length, shape) in enumerate(zip(lengths, shapes, strict=True)):
            if shape != (far.near, far.group):
                continue
            own = (far.tokens >= row * width) & (far.tokens < (row + 1) * width)
            query, key, value = (state[row, :length] for state in states)
            want = told(query, key, value, distances(length, *shape), frequencies, 0.4, causal)
            assert torch.allclose(got[own], want, atol=1e-5)


def told(query, key, value, apart, frequencies, scale, causal):
    """Returns attention where each pair's scores are computed for itself, at the distance it is told."""
    import torch

    half = query.shape[-1] // 2
    angles = apart[..., None] * frequencies  # of the query against the key: [i, j, d/2]
    cos, sin = angles.cos()[:, :, None], angles.sin()[:, :, None]
    a, b = query[:, None, :, :half], query[:, None, :, half:]
    turned = torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)
    scores = (turned * key[None]).sum(-1) * scale
    if causal:
        scores = scores.masked_fill(torch.ones(len(query), len(query)).triu(1).bool()[..., None], -math.inf)
    return torch.einsum("ijh,jhd->ihd", scores.softmax(dim=1), value)


def test_every_kernel_gives_what_the_plain_one_gives():
    import torch

    assert _attention._kernel("cpu", torch.float32, 32) is _attention._fused_on_cpu
    # One that is wrong, or not there, is not taken.
    assert not _attention._agrees(lambda q, k, v, *rest: (v, torch.zeros(v.shape[:2])), "cpu", torch.float32, 8)
    assert not _attention._agrees(_attention._flash_on_gpu, "cpu", torch.float32, 8)


# -- E6: NTK


def test_ntk_keeps_the_fastest_rotation_and_slows_the_others():
    import torch

    assert torch.equal(ntk_frequency_factors(torch.tensor([1.0]), 4), torch.ones(1, 4))
    found = ntk_frequency_factors(torch.tensor([3.0]), 4)[0]
    base = 10_000 ** -(torch.arange(4, dtype=torch.float64) / 4)
    raised = 30_000 ** -(torch.arange(4, dtype=torch.float64) / 4)
    assert torch.allclose(base * found, raised)
    assert found[0] == 1
    assert (found.diff() < 0).all()


def test_ntk_factors_are_the_papers_and_rise_between():
    factor = Extension(strategy="ntk").ntk_factor
    assert [factor(scale) for scale in (1, 2, 4, 8)] == [1, 3, 5, 10]
    assert factor(3) == 4
    assert factor(16) == 20
    assert Extension(strategy="ntk", factor=7).ntk_factor(2) == 7


# -- E7: the factor on queries


def test_attention_factor_is_one_up_to_the_window():
    factor = Extension(strategy="grouped").attention_factor
    assert [factor(tokens, 512) for tokens in (0, 2, 512)] == [1, 1, 1]
    assert factor(4096, 512) == pytest.approx(12 / 9)
    assert Extension(strategy="grouped", attention_scaling=False).attention_factor(4096, 512) == 1


# -- E2, E8: whole models


@pytest.mark.parametrize("kind", [*ABSOLUTE_KINDS, *ROTARY_KINDS, "mpnet", "deberta"])
def test_within_the_window_vectors_are_the_librarys(built, engine, words, kind):
    from sentence_transformers import SentenceTransformer

    texts = [words(n, n) for n in (0, 1, 3, 14, 9, 14, 30)]
    own = SentenceTransformer(built(kind), device="cpu").encode(texts, normalize_embeddings=True)
    assert engine(kind).embed(texts) == pytest.approx(own, abs=1e-5)


def test_what_the_library_adds_for_its_pooling_and_its_padding_is_heeded(built, words, tmp_path):
    from sentence_transformers import SentenceTransformer

    texts = [words(n, n) for n in (2, 9, 5)]
    model = SentenceTransformer(built("bert"), device="cpu")
    model[1].include_prompt = False
    model.save(str(tmp_path / "prompted"))
    own = SentenceTransformer(str(tmp_path / "prompted"), device="cpu").encode(
        texts, prompt="w1 w2 ", normalize_embeddings=True
    )
    assert opened(str(tmp_path / "prompted"), passage_prompt="w1 w2 ").embed(texts) == pytest.approx(own, abs=1e-5)
    last = SentenceTransformer(built("mistral", "lasttoken"), device="cpu")
    last.tokenizer.padding_side = "left"  # as decoders have it; ours stands behind the text always
    own = last.encode(texts, normalize_embeddings=True)
    assert opened(built("mistral", "lasttoken")).embed(texts) == pytest.approx(own, abs=1e-5)


@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_extensions_change_nothing_within_the_window_and_heed_no_batch_mates(built, engine, words, kind, way):
    short = [words(n, n) for n in (0, 1, 3, 14, 9)]
    long = [words(n, n) for n in (15, 16, 30, 31, 40, 62)]
    part = engine(kind, way)
    assert part.window == 64
    assert part.embed(short) == pytest.approx(engine(kind).embed(short), abs=1e-5)
    alone = np.concatenate([part.embed([text]) for text in short + long])
    assert part.embed(short + long) == pytest.approx(alone, abs=1e-5)
    few = engine(kind, way, batch_tokens=70).embed(long + short)
    assert few == pytest.approx(np.roll(alone, -len(short), axis=0), abs=1e-5)
    assert (np.abs(engine(kind).embed(long) - alone[len(short) :]).max(axis=1) > 1e-3).all()  # it does something


def test_extending_a_model_leaves_the_plain_pass_of_others_alone(built, engine, words):
    text = [words(10)]
    before = engine("nomic").embed(text)
    assert _extended_batch.current_batch() is None
    engine("nomic", "self_extend").embed([words(50)])
    assert (engine("nomic").embed(text) == before).all()


# -- against the models themselves, told the same in another way


def inner(built, kind):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(built(kind), device="cpu")


def mean_of(model, states):
    import torch

    return torch.nn.functional.normalize(states.mean(dim=1), dim=1).numpy()


def tokens_of(model, text):
    return model.tokenizer([text], return_tensors="pt")["input_ids"]


@pytest.mark.parametrize("way", ["grouped", "recurrent"])
def test_a_table_gives_the_rows_that_position_ids_would(built, engine, words, way):
    import torch

    text = words(38)  # 40 tokens, scale 3
    model = inner(built, "bert")
    found = tokens_of(model, text)
    where = torch.arange(40) // 3 if way == "grouped" else torch.arange(40) % 16
    with torch.inference_mode():
        own = model.transformers_model(
            found, position_ids=where[None], token_type_ids=torch.zeros_like(found)
        ).last_hidden_state
    got = engine("bert", {"strategy": way, "attention_scaling": False}).embed([text])
    assert got == pytest.approx(mean_of(model, own), abs=1e-5)


@pytest.mark.parametrize("kind", ABSOLUTE_KINDS)
def test_interpolation_is_a_longer_table(built, engine, words, kind):
    import torch

    text = words(46)  # 48 tokens, scale 3
    model = inner(built, kind)
    bert = model.transformers_model
    first = 2 if kind == "roberta" else 0
    rows = bert.embeddings.position_embeddings.weight.detach()[first:]
    longer = torch.nn.functional.interpolate(rows.T[None], size=46, mode="linear", align_corners=True)[0].T
    longer = torch.cat([rows[:1]] * first + [longer, rows[-1:], rows[-1:]])
    bert.embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(longer)
    found = tokens_of(model, text)
    with torch.inference_mode():
        where = torch.arange(48)[None] + first
        own = bert(found, position_ids=where, token_type_ids=torch.zeros_like(found)).last_hidden_state
    got = engine(kind, {"strategy": "interpolated", "attention_scaling": False}).embed([text])
    assert got == pytest.approx(mean_of(model, own), abs=1e-4)


def test_scaled_attention_is_scaled_queries(built, engine, words):
    import torch

    text = words(38)
    model = inner(built, "bert")
    factor = math.log(40) / math.log(16)
    for layer in model.transformers_model.encoder.layer:
        layer.attention.self.query.weight.data *= factor
        layer.attention.self.query.bias.data *= factor
    found = tokens_of(model, text)
    with torch.inference_mode():
        where = (torch.arange(40) // 3)[None]
        kinds = torch.zeros_like(found)
        own = model.transformers_model(found, position_ids=where, token_type_ids=kinds).last_hidden_state
    assert engine("bert", "grouped").embed([text]) == pytest.approx(mean_of(model, own), abs=1e-5)


@pytest.mark.parametrize(("way", "kind"), [("grouped", "nomic"), ("interpolated", "nomic"), ("grouped", "mistral")])
def test_rotations_are_those_of_position_ids(built, engine, words, way, kind):
    import torch

    text = words(38)
    model = inner(built, kind)
    model.transformers_model.config.sliding_window = None
    where = torch.arange(40) // 3 if way == "grouped" else torch.arange(40) / 3
    found = tokens_of(model, text)
    mask = torch.ones_like(found)
    with torch.inference_mode():
        own = model.transformers_model(found, attention_mask=mask, position_ids=where[None]).last_hidden_state
    got = engine(kind, {"strategy": way, "attention_scaling": False}).embed([text])
    assert got == pytest.approx(mean_of(model, own), abs=1e-5)


def test_ntk_is_a_higher_base(built, engine, words):
    import torch

    text = words(38)  # scale 3, factor 4
    model = inner(built, "nomic")
    rotations = model.transformers_model.rotary_emb
    size = 2 * len(rotations.inv_freq)
    base = 4 * model.transformers_model.config.rope_parameters["rope_theta"]
    rotations.inv_freq = 1 / base ** (torch.arange(0, size, 2) / size)
    with torch.inference_mode():
        own = model.transformers_model(tokens_of(model, text)).last_hidden_state
    got = engine("nomic", {"strategy": "ntk", "attention_scaling": False}).embed([text])
    assert got == pytest.approx(mean_of(model, own), abs=1e-5)


def fixed(strategy, scale, **settings):
    return {"strategy": strategy, "scale": scale, "attention_scaling": False, **settings}


@pytest.mark.parametrize(("kind", "strategy"), [("bert", "interpolated"), ("nomic", "interpolated"), ("nomic", "ntk")])
def test_a_fixed_scale_is_for_all_texts_or_for_long_ones(built, engine, words, kind, strategy):
    short, three, four = words(9), words(40), words(60)  # 11, 42 and 62 tokens in a window of 16
    own, all_, long = (
        engine(kind, spec)
        for spec in (
            {"strategy": strategy, "attention_scaling": False},
            fixed(strategy, 4),
            fixed(strategy, 4, scaled="long"),
        )
    )
    assert all_.window == long.window == 64
    # A text that fills four windows has that scale anyway; one of three windows is compressed further.
    assert all_.embed([four]) == pytest.approx(own.embed([four]), abs=1e-6)
    assert np.abs(all_.embed([three]) - own.embed([three])).max() > 1e-4
    assert long.embed([three]) == pytest.approx(all_.embed([three]), abs=1e-6)
    # A short text, such as a question, is compressed too, unless only long ones are.
    assert np.abs(all_.embed([short]) - own.embed([short])).max() > 1e-4
    assert all_.embed([short, four])[:1] == pytest.approx(all_.embed([short]), abs=1e-5)
    assert long.embed([short]) == pytest.approx(own.embed([short]), abs=1e-6)
    assert long.embed([short, four])[:1] == pytest.approx(own.embed([short]), abs=1e-5)


def test_ntk_with_a_fixed_scale_raises_the_base_of_short_texts(built, engine, words):
    import torch

    text = words(9)
    model = inner(built, "nomic")
    rotations = model.transformers_model.rotary_emb
    size = 2 * len(rotations.inv_freq)
    base = 5 * model.transformers_model.config.rope_parameters["rope_theta"]  # the paper's factor at 4 windows
    rotations.inv_freq = 1 / base ** (torch.arange(0, size, 2) / size)
    with torch.inference_mode():
        own = model.transformers_model(tokens_of(model, text)).last_hidden_state
    assert engine("nomic", fixed("ntk", 4)).embed([text]) == pytest.approx(mean_of(model, own), abs=1e-5)


def test_a_fixed_scale_reads_no_further_than_it_reaches(built):
    assert opened(built("bert"), fixed("interpolated", 3)).window == 48
    with pytest.raises(EngineError, match="max_length 64 exceeds the 48 tokens that scale 3 reads in a window of 16"):
        opened(built("bert"), fixed("interpolated", 3), max_length=64)


@pytest.mark.parametrize("kind", ROTARY_KINDS)
def test_self_extend_without_groups_is_the_plain_pass(built, engine, words, kind):
    import torch

    texts = [words(n, n) for n in (20, 38, 61)]
    model = inner(built, kind)
    model.transformers_model.config.sliding_window = (
        model.transformers_model.config.sliding_window if kind == "modernbert" else None
    )
    spec = {"strategy": "self_extend", "attention_scaling": False, "group": 1, "neighbours": 5}
    got = engine(kind, spec).embed(texts)
    with torch.inference_mode():
        own = [mean_of(model, model.transformers_model(tokens_of(model, text)).last_hidden_state) for text in texts]
    assert got == pytest.approx(np.concatenate(own), abs=1e-5)


def test_layers_that_attend_nearby_keep_their_rotations(built, words):
    from ragvlc.embedders._applied_extension import apply_extension
    from ragvlc.embedders._extended_batch import ExtendedBatch, activate

    model = inner(built, "modernbert")
    apply_extension(model, Extension(strategy="grouped"), 64, "it")
    rotations = model.transformers_model.rotary_emb
    import torch

    states, places = torch.zeros(1, 20, 32), torch.arange(20)[None]
    own = {kind: rotations(states, places, kind)[0] for kind in ("full_attention", "sliding_attention")}
    with activate(ExtendedBatch((20,), positions=torch.zeros(1, 20))):
        assert torch.equal(rotations(states, places, "sliding_attention")[0], own["sliding_attention"])
        assert not torch.equal(rotations(states, places, "full_attention")[0], own["full_attention"])


def test_parallel_windows_are_the_mean_of_windows_embedded_apart(engine, words):
    text = words(40)
    each = text.split()
    parts = [" ".join(each[start:end]) for start, end in window_spans(40, 14)]
    mean = engine("bert").embed(parts).mean(axis=0)
    got = engine("bert", "parallel_windows").embed([words(3), text])[1]
    assert got == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_every_parallel_window_carries_the_prompt_and_what_is_cut_is_not_read(engine, words):
    text = words(50)
    each = text.split()
    plain = engine("mistral", passage_prompt="w1 w2 ")
    part = engine("mistral", "parallel_windows", passage_prompt="w1 w2 ", max_length=30)
    parts = [" ".join(each[start:end]) for start, end in window_spans(26, 12)]  # 30 less two words and two marks
    mean = plain.embed(parts).mean(axis=0)
    assert part.embed([text])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_minilm_reads_its_512_positions_as_the_library_does(embedding_model):
    from sentence_transformers import SentenceTransformer

    from ragvlc import packaged

    name = "packaged:all-minilm-l6-v2"
    texts = ["cats " * 400, "bond yields rose " * 90, "hello"]
    library = SentenceTransformer(packaged.resolve(name), device="cpu")
    library.max_seq_length = 512
    own = library.encode(texts, normalize_embeddings=True)
    part = opened(name, "grouped")
    assert part.window == 4096
    assert part.embed(texts) == pytest.approx(own, abs=1e-5)
    long = part.embed(["cats " * 700 + "dogs", "cats " * 700 + "bond yields"])
    assert long[0] @ long[1] < 1 - 1e-5  # the end is read


# -- settings and errors


def test_a_bare_strategy_is_a_mapping_and_the_spec_says_it_whole():
    part = SentenceTransformerEmbedder(extension="ntk")
    assert part == SentenceTransformerEmbedder(extension={"strategy": "ntk"})
    assert part.spec()["extension"]["attention_scaling"] is True
    assert SentenceTransformerEmbedder.build(part.spec()) == part


def test_keys_follow_every_setting_of_an_extension_and_none_of_the_batches(built):
    model = {"model": built("bert")}
    specs = [None, "grouped", "recurrent", {"strategy": "grouped", "window": 12}]
    specs += [{"strategy": "grouped", "attention_scaling": False}, "interpolated"]
    specs += [{"strategy": "interpolated", "scale": 8}, {"strategy": "interpolated", "scale": 8, "scaled": "long"}]
    keys = {SentenceTransformerEmbedder(**model, extension=spec).key for spec in specs}
    assert len(keys) == len(specs)
    part = SentenceTransformerEmbedder(**model, extension="grouped", batch_tokens=7, batch_size=3)
    assert part.key == SentenceTransformerEmbedder(**model, extension={"strategy": "grouped"}).key


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("grouping", "grouped"),
        ({"strategy": "grouped", "factor": 3}, "factor is a setting of ntk"),
        ({"strategy": "ntk", "group": 3}, "group is a setting of self_extend"),
        ({"strategy": "self_extend", "window": 64, "neighbours": 65}, "more than the window of 64"),
        ({"window": 64}, "strategy"),
        ({"strategy": "ntk", "factor": 0.5}, "greater than or equal to 1"),
        ({"strategy": "grouped", "scale": 8}, "scale is a setting of interpolated and ntk; grouped has none"),
        ({"strategy": "ntk", "scale": 1}, "greater than or equal to 2"),
        ({"strategy": "ntk", "scaled": "long"}, "Set scale, such as 8"),
    ],
)
def test_settings_that_do_not_fit_are_refused(spec, reason):
    with pytest.raises(ValidationError, match=reason):
        SentenceTransformerEmbedder(extension=spec)


@pytest.mark.parametrize(
    ("kind", "spec", "reason"),
    [
        ("bert", "ntk", "positions are absolute; ntk is not for those. Known: parallel_windows, grouped"),
        ("nomic", "recurrent", "positions are rotary; recurrent is not for those"),
        ("deberta", "grouped", "only parallel_windows works"),
        ("mpnet", "grouped", "attention_scaling: false"),
        ("bert", {"strategy": "grouped", "window": 17}, "window 17 exceeds its 16 positions"),
        ("mistral", {"strategy": "ntk", "window": 17}, "attend to 16 tokens; the window cannot be 17"),
    ],
)
def test_models_that_cannot_be_extended_that_way_say_so(built, kind, spec, reason):
    with pytest.raises(EngineError, match=reason):
        opened(built(kind), spec)


def test_a_model_of_another_attention_is_extended_without_scaling(built, engine, words):
    part = engine("mpnet", {"strategy": "grouped", "attention_scaling": False})
    texts = [words(5), words(40)]
    alone = np.concatenate([part.embed([text]) for text in texts])
    assert part.embed(texts) == pytest.approx(alone, abs=1e-5)


def test_rotations_made_in_an_unknown_way_are_refused(built):
    from ragvlc.embedders._rotary import rotary_hook_of

    model = inner(built, "nomic").transformers_model
    model.rotary_emb.attention_scaling = 2.0
    found = rotary_hook_of(model, "it")
    found.check("it")  # a strength is known
    forward = model.rotary_emb.forward
    model.rotary_emb.forward = lambda x, positions: tuple(part.flip(-1) for part in forward(x, positions))
    with pytest.raises(EngineError, match="rotary_emb' computes rotations in a way that is not known"):
        found.check("it")
    model.rotary_emb.rope_type = "dynamic"
    with pytest.raises(EngineError, match="'dynamic' already"):
        rotary_hook_of(model, "it")


def test_a_model_that_passes_the_hooks_by_is_refused(built, monkeypatch):
    from transformers import NomicBertModel

    monkeypatch.setattr(NomicBertModel, "set_attn_implementation", lambda self, name: None)
    with pytest.raises(EngineError, match="attention is computed in a way that is not known"):
        opened(built("nomic"), "ntk")
