"""What servers with OpenAI's protocol take under another name or not at all, as data: `server: NAME` in a generator.

A preset is a shortcut for settings that a file could write itself, and those win over it. Add a server by adding an
entry, with the page that says so and the date it was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One server's differences from OpenAI's protocol as `openai_compatible` speaks it.

    Attributes:
        send: the server's names for fields of a request; None leaves the field out.
        hosts: ends of host names that belong to it, to suggest it in errors.
        note: what else to know.
        source: where the differences are documented or were reported.
        read: when the source was read, as an ISO date.
    """

    send: Mapping[str, str | None]
    source: str
    read: str
    hosts: tuple[str, ...] = ()
    note: str = ""


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "openai": Preset(
            {"max_tokens": "max_completion_tokens"},
            "https://github.com/openai/openai-agents-python/pull/679",
            "2026-11-28",
            ("api.openai.com", ".openai.azure.com"),
            "For chat models without reasoning.",
        ),
        "openai_reasoning": Preset(
            {
                "max_tokens": "max_completion_tokens",
                "temperature": None,
                "top_p": None,
                "stop": None,
                "logprobs": None,
            },
            "https://github.com/vercel/ai/issues/10932, https://github.com/BerriAI/litellm/pull/15244",
            "2026-11-28",
            ("api.openai.com", ".openai.azure.com"),
            "The limit counts the hidden thought too: give it room with answer_tokens, or less effort with "
            "extra: {reasoning_effort: minimal}. Stop texts are cut off here.",
        ),
        "anthropic": Preset(
            {"top_p": None, "seed": None, "logprobs": None},
            "https://platform.claude.com/docs/en/cli-sdks-libraries/libraries/openai-sdk",
            "2026-11-28",
            ("api.anthropic.com",),
            "temperature and top_p together are refused; temperature goes up to 1.",
        ),
        "anthropic_reasoning": Preset(
            {"temperature": None, "top_p": None, "seed": None, "logprobs": None},
            "https://openrouter.ai/docs/guides/evaluate-and-optimize/model-migrations/claude-4-7, "
            "https://github.com/sipeed/picoclaw/issues/2939",
            "2026-11-28",
            ("api.anthropic.com",),
            "From Claude Opus 4.7 on, sampling settings are refused.",
        ),
        "gemini": Preset(
            {"seed": None, "logprobs": None},
            "https://ai.google.dev/gemini-api/docs/openai, https://github.com/Vali-98/ChatterUI/issues/227",
            "2026-11-28",
            ("generativelanguage.googleapis.com",),
            "url: https://generativelanguage.googleapis.com/v1beta/openai. Unknown fields are refused.",
        ),
        "mistral": Preset(
            {"seed": "random_seed", "stream_options": None, "logprobs": None},
            "https://docs.mistral.ai/api, https://github.com/avante-corp/avante.nvim/issues/2347",
            "2026-11-28",
            ("api.mistral.ai",),
            "Unknown fields are refused; usage comes without being asked for.",
        ),
        "groq": Preset(
            {"logprobs": None},
            "https://console.groq.com/docs/openai",
            "2026-11-28",
            ("api.groq.com",),
            "A temperature of 0 is read as 1e-8.",
        ),
        "openrouter": Preset(
            {},
            "https://openrouter.ai/docs/api-reference/overview",
            "2026-11-28",
            ("openrouter.ai",),
            "Providers ignore fields that they do not know: extra: {provider: {require_parameters: true}} takes only "
            "those that know all.",
        ),
        "ollama": Preset(
            {},
            "https://docs.ollama.com/api/openai-compatibility",
            "2026-11-28",
            ("ollama.com",),
            "A prompt beyond num_ctx is cut in silence: set window to num_ctx (OLLAMA_CONTEXT_LENGTH), and "
            "tokenizer_from, so that a cut is noticed.",
        ),
        "llama_cpp": Preset(
            {},
            "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
            "2026-11-28",
            (),
            "The window of one question is the context divided by the number of slots (-np).",
        ),
        "tgi": Preset(
            {"top_p": None},
            "https://github.com/huggingface/text-generation-inference/blob/main/router/src/validation.rs",
            "2026-11-28",
            (".endpoints.huggingface.cloud",),
            "A top_p of 1 is refused; without it all tokens are sampled from.",
        ),
        "sglang": Preset({}, "https://docs.camel-ai.org/reference/camel.configs.sglang_config", "2026-11-28"),
        "lm_studio": Preset(
            {"logprobs": None},
            "https://lmstudio.ai/docs/developer/openai-compat, https://github.com/lmstudio-ai/lms/issues/60",
            "2026-11-28",
            (),
            "logprobs are ignored. Its window is the context length that the model was loaded with.",
        ),
        "vllm": Preset(
            {},
            "https://docs.vllm.ai/en/stable/serving/openai_compatible_server/",
            "2026-11-28",
            (),
            "Tells its window, and counts tokens for tokenizer_from: server. Fields left out take the values of the "
            "model's generation_config.json.",
        ),
    }
)
