"""Engines that compute answers with language models; the generators in YAML configure them."""
