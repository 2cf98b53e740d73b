"""Before each call: who makes it, whether they may, and whether not too often."""

from contextvars import ContextVar

from tagging.service.clients.clients import Client

_CALLER: ContextVar[Client] = ContextVar("caller")


def caller() -> Client:
    """Who makes the call that is answered, also in tasks that it starts; LookupError elsewhere."""
    return _CALLER.get()
