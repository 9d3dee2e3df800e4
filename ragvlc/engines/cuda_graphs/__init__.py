"""CUDA-graph decoding for Llama-shaped models, with a self-test against the model of the `transformers` library."""
