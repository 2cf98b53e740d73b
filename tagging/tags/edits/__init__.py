"""Edits of tags while a service runs: what they are, what they make of a catalog, and what a request leads to."""
