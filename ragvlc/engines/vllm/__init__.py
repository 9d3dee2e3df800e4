"""vLLM, in a process group of its own."""
