"""`python -m ragvlc` is `ragvlc`."""

from ragvlc.cli.main import main

main()
