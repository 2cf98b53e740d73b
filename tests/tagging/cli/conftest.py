"""A running service for the commands that call one."""

from tests.tagging.service.conftest import shared_client

__all__ = ["shared_client"]
