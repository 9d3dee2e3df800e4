"""A tiny chat tokenizer, trained in a moment."""

from __future__ import annotations

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|start|>' + message['role'] + '\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}"
)
TEXTS = ["the cat sat on the mat and the dog ran after the cat", "what is the answer to the question?"] * 20


def make_tokenizer(template: str | None = CHAT_TEMPLATE, **settings: object):
    """Returns a byte-level BPE of 320 tokens; `<think>` is an added token that is not special."""
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=318,
        special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens([AddedToken("<think>", normalized=False, special=False)])
    named = {"bos_token": "<|start|>", "eos_token": "<|end|>", "pad_token": "<|pad|>", **settings}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **named)
