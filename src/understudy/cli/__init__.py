"""Commands: each parses, calls one function of a stage, and prints."""
