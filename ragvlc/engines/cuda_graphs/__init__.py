"""CUDA-graph decode for models of Llama's shape, with a self-test against the library's own model."""
