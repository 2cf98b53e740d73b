"""Errors of model threads as callers can have them raised."""


def raisable(error: BaseException) -> Exception:
    """Return the error, or a RuntimeError that it causes, where a future or its caller would not raise it as one.

    These are StopIteration, which futures refuse, and what is no Exception: a panic of a library in Rust, such as
    tokenizers, or SystemExit and CancelledError, which would end the event loop or a task that was not cancelled.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    unusual = RuntimeError(f"a model failed: {type(error).__name__}: {error}")
    unusual.__cause__ = error
    return unusual
