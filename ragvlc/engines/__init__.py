"""Opened language models, a folder for each subject; generators name them in YAML."""
