"""`python -m ragvlc` is `ragvlc`."""

from ragvlc.cli import main

main()
