"""Self-contained HTML page of an explanation."""
