"""The current caller: the authenticated client of the call that is being handled."""

from contextvars import ContextVar

from tagging.service.clients.clients import Client

_CALLER: ContextVar[Client] = ContextVar("caller")


def caller() -> Client:
    """Return the client of the current call, also in tasks that the call started. Raises LookupError elsewhere."""
    return _CALLER.get()


def set_caller(client: Client) -> None:
    """Make it the caller of the current task and of the tasks that it starts. Ends with the task."""
    _CALLER.set(client)
