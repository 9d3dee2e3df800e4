"""The command-line interface, with one file for each group of commands."""
