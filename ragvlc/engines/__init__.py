"""Engines that compute answers with language models, one folder per subject; generators configure them in YAML."""
