"""The vLLM engine, run in a process group of its own."""
