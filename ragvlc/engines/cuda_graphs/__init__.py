"""CUDA-graph decoding for models with Llama's architecture, tested against their Transformers implementation."""
