"""Output of external programs that a benchmark runs."""


def last_line(output: str, otherwise: str = "no output") -> str:
    """Return the last line of a program's stderr, which usually states the error; `otherwise` if it is empty."""
    return (output.strip().splitlines() or [otherwise])[-1]
