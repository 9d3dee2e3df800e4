"""The arguments that the tests name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class EngineArgs:
    model: str
    dtype: str = "auto"
    max_model_len: int | None = None
    enable_prefix_caching: bool = True
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    enforce_eager: bool = False
    load_format: str = "auto"
    max_num_batched_tokens: int | None = None
    disable_log_stats: bool = False
    additional_config: dict[str, Any] = field(default_factory=dict)
    _internal: int = 0


@dataclass
class AsyncEngineArgs(EngineArgs):
    enable_log_requests: bool = False
