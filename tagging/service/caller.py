"""Who calls: the client's name, for what is kept of its calls. Set by who lets it in; empty where nobody is asked."""

from contextvars import ContextVar

CALLER: ContextVar[str] = ContextVar("caller", default="")
