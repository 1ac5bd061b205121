"""``python -m understudy.cli``."""

from understudy.cli.app import main

main()
