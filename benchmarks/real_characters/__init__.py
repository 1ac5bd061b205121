"""Characters of a television series and a play: sheets of our own beside scripts that others wrote."""
