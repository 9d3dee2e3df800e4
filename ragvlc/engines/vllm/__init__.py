"""The vLLM engine, which runs in a separate process group."""
