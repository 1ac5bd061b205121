"""``python -m understudy``."""

from understudy.cli.app import main

main()
