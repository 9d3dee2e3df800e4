"""Makes `python -m ragvlc` run the `ragvlc` command."""

from ragvlc.cli.main import main

main()
