"""CUDA-graph decode for models of Llama's shape."""
