"""The configuration tree; tagging/config/profiles.py says where its values come from.

Each part of the program receives only its own branch. A bundle keeps the tree it was trained with.
"""

from pydantic import ConfigDict, PositiveFloat, PositiveInt, SecretStr

from tagging.config.base import Branch


class DatabaseConfig(Branch):
    """Where the service keeps results, feedback, tag edits and labelled videos (store/database/).

    `url` is sqlite:///FILE, with four slashes for an absolute path, or postgresql://USER:PASSWORD@HOST:PORT/NAME
    (store/database/address.py); None: the file that tagging/paths.py names. It may hold a password, so it is shown
    nowhere, and no bundle keeps it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = None
    connections: PositiveInt = 5  # at once, a process; who needs another waits
    wait_timeout_s: PositiveFloat = 5.0  # for a connection, and for what another writer has locked
    connect_timeout_s: PositiveFloat = 5.0
    statement_timeout_s: PositiveFloat = 30.0  # PostgreSQL alone
    answer_timeout_s: PositiveFloat = 10.0  # that a caller waits for all of this, who is then told to come back
