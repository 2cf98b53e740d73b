"""Configuration of the service's database."""

from typing import Self

from pydantic import ConfigDict, PositiveFloat, PositiveInt, SecretStr

from tagging.config.base import Branch


class DatabaseConfig(Branch):
    """The database of stored results, feedback, tag edits and labelled videos (store/database/).

    `url` is sqlite:///FILE, with four slashes for an absolute path, or postgresql://USER:PASSWORD@HOST:PORT/NAME
    (store/database/address.py); None: the file of tagging/paths.py. It may contain a password, so it is never
    shown and never stored in a bundle.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = None
    connections: PositiveInt = 5  # per process; further transactions wait
    wait_timeout_s: PositiveFloat = 5.0  # for a connection, and for locks of other writers
    connect_timeout_s: PositiveFloat = 5.0
    statement_timeout_s: PositiveFloat = 30.0  # PostgreSQL only
    answer_timeout_s: PositiveFloat = 10.0  # a caller's longest wait for a transaction, then UNAVAILABLE

    def patient(self, timeout_s: float) -> Self:
        """Return the configuration with this limit for all waiting but that for a connection to open.

        It is for work on whole tables, for which no call of a service waits.
        """
        limits = ("wait_timeout_s", "statement_timeout_s", "answer_timeout_s")
        return self.model_copy(update=dict.fromkeys(limits, timeout_s))
