"""Which sentences of servers mean that the prompt is too long, and which only sound like it."""

from __future__ import annotations

import pytest

from ragvlc.engines.remote.error_words import codes_of, words_of
from ragvlc.engines.remote.window_words import exceeds_window

TOO_LONG = [
    # OpenAI and those who copy it
    "This model's maximum context length is 4097 tokens. However, your messages resulted in 5120 tokens.",
    (
        "This model's maximum context length is 4097 tokens. However, you requested 5120 tokens (5000 in the messages, "
        "120 in the completion). Please reduce the length of the messages or completion."
    ),
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300010 tokens.",
    "prompt token count of 130000 exceeds the limit of 128000",
    "Request body too large for gpt-4o model. Max size: 8000 tokens.",
    # vLLM
    (
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that "
        "`max_model_len` is no smaller than the number of text tokens plus multimodal tokens. For image inputs, the "
        "number of image tokens depends on the number of images and their aspect ratios."
    ),
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 3000. This model's maximum context length is 4096 "
        "tokens and your request has 2000 input tokens (3000 > 4096 - 2000)."
    ),
    (
        "You passed 4097 input tokens and requested 1 output tokens. However, the model's context length is only 4096 "
        "tokens, resulting in a maximum input length of 4095 tokens."
    ),
    "This model's maximum context length is 8192 tokens, but the request needs at least 9000",
    # llama.cpp, LM Studio, Ollama, exllama
    "the request exceeds the available context size (4096 tokens), try increasing it",
    "request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it",
    "input is larger than the max context size. skipped",
    "Context size has been exceeded.",
    (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough."
    ),
    "The number of tokens to keep from the initial prompt is greater than the context length.",
    "Reached context length of 4096 tokens with this model",
    "input length exceeds maximum context length",
    "the input length exceeds the context length",
    "prompt too long; exceeded max context length by 100 tokens",
    "Prompt length 5000 is greater than max_seq_len 4096",
    # SGLang, TGI, LMDeploy, TensorRT-LLM, MLC
    "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 5000.",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 1500",
    "The token sequence length (5000) exceeds the session_len limit (4096)",
    "The sum of prompt length (5000.0) and query length max_tokens (10) should not exceed max_num_tokens (4096)",
    "prompt length (5000) should not exceed max_num_tokens (4096)",
    "Prompt length (5000) exceeds maximum input length (4096). Set log level to info and check TRTGptModel logs",
    "Request prompt has 5000 tokens in total, larger than the model input length limit 4096.",
    # Anthropic, Google, Amazon, xAI, Cohere, Mistral and others
    "prompt is too long: 213462 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000, decrease input length or `max_tokens`",
    "input length and max_tokens exceed context limit: 199000 + 4096 > 200000",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "input token count (9) exceeds the maximum",
    "Unable to submit request because the input token count is 40000 but model only supports up to 32768.",
    "Input is too long for requested model.",
    "Too many input tokens. Max input tokens: 128000, request input token count: 130000",
    "Malformed input request: expected maxLength: 20000, actual: 30000, please reformat your input and try again.",
    "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
    "too many tokens: total number of tokens in the prompt exceeds the limit of 4081.",
    "too many tokens: size limit exceeded by 920 tokens. Try using shorter or fewer inputs",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "total length of all messages is too long",
    "The prompt is too long: 200000, model maximum context length: 131071",
    (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (100000 "
        "of text input, 10000 of tool input, 30000 in the output). Please reduce the length of either one."
    ),
    "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
    "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model",
    "Invalid request: Your request exceeded model token limit: 8192",
    "Prompt exceeds max length",
    "InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
    "invalid params, context window exceeds limit",
    "the max input characters is 20000",
    "Prompt 超长",
    "The max_total_tokens of prompt exceed",
    "Die Eingabe (9000 Token) ist zu lang",
    "输入长度超过模型最大长度限制",
    "context_length_exceeded",
    "The context window of 8192 tokens is full.",
    "max_tokens must be at least 1, got -808.",
    "llama: prompt (9000 tokens) > n_ctx (4096)",
    "The number of tokens in the prompt (9000) is larger than the context (4096)",
    "Your prompt has 9000 tokens; the limit is 8192.",
    "The prompt you supplied has 9000 tokens but only 8192 are supported",
    "prompt tokens (9000) + max_tokens (512) > 8192",
    "Die Eingabe überschreitet die maximale Kontextlänge von 8192 Token",
    "Le prompt dépasse la fenêtre de contexte",
    "La entrada supera la ventana de contexto",
    "ContextWindowExceededError: litellm.BadRequestError: the prompt was refused",
]
NOT_TOO_LONG = [
    # rates and quotas count tokens too
    (
        "Rate limit reached for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Used 20000, "
        "Requested 15000. Please try again in 10s."
    ),
    (
        "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000. The input or output "
        "tokens must be reduced in order to run successfully."
    ),
    "This request would exceed your organization's rate limit of 40,000 input tokens per minute",
    "Number of request tokens has exceeded your per-minute rate limit",
    "Quota exceeded for quota metric 'Generate Content API input token count' and limit 'input tokens per minute'",
    "Too many tokens, please wait before trying again. Your daily quota of input tokens is exceeded.",
    "You exceeded your current quota, please check your plan and billing details.",
    "Too many tokens per day, please wait before trying again.",
    "This request requires more credits, or fewer max_tokens. You requested 65536 tokens, but can only afford 10.",
    # the answer's limit
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, you provided 100000.",
    "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4",
    "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
    "max_new_tokens must be <= 2048",
    "max_tokens must be at least 1, got 0",
    # other things there can be too much of
    "The prompt has too many images: 21 exceeds the maximum number of images of 20",
    "Input exceeds the maximum number of images per prompt (16)",
    "At most 1 image(s) may be provided in one request.",
    "The image input is too large: exceeds maximum size of 20 MB",
    "Too many stop sequences: at most 4 are allowed",
    "Invalid 'tools': array too long. Expected an array with maximum length 128",
    "Invalid 'prompt_cache_key': string too long. Expected a string with maximum length 64, got 90",
    "Request header fields too large",
    "Bearer token is too long",
    # about the setting, not about this prompt
    "Unrecognized request argument supplied: context_length",
    "num_ctx must be greater than 0",
    "context_window must be a positive integer",
    "temperature must be at most 2",
    "logprobs is not supported",
    "Model is overloaded. Please try again later.",
    "",
]


@pytest.mark.parametrize("words", TOO_LONG)
def test_a_prompt_that_is_too_long_is_recognised(words: str) -> None:
    codes = codes_of({"error": {"type": words.partition(":")[0]}}) if words.startswith("ContextW") else frozenset()
    assert exceeds_window(words, codes)


@pytest.mark.parametrize("words", NOT_TOO_LONG)
def test_what_only_sounds_like_it_is_not(words: str) -> None:
    assert not exceeds_window(words)


def test_a_code_says_it_without_words_unless_it_is_of_a_name_that_is_too_long() -> None:
    body = {"error": {"message": "no", "code": "context_length_exceeded"}}
    assert exceeds_window(words_of(body), codes_of(body))
    long = {"code": "string_above_max_length", "message": "Invalid 'messages[0].content': string too long."}
    assert exceeds_window(words_of({"error": long}), codes_of({"error": long}))
    name = {"code": "string_above_max_length", "message": "Invalid 'user': string too long."}
    assert not exceeds_window(words_of({"error": name}), codes_of({"error": name}))


def test_a_long_sentence_is_read_in_time() -> None:
    import time

    started = time.perf_counter()
    exceeds_window("prompt tokens exceed " * 5000)
    exceeds_window("context " * 20000)
    exceeds_window("input length " * 10000)
    assert time.perf_counter() - started < 5
