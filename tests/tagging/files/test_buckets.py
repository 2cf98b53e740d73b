"""Buckets without an account: one error, and the process lives."""

import os

import pytest

from tagging.errors import BackendUnavailableError
from tagging.files.buckets import ObjectFile, find

ADDRESS = "abfs://container@account.dfs.core.windows.net/videos.jsonl"


@pytest.mark.parametrize("use", [find, ObjectFile])
def test_azure_without_credentials_is_one_error(use: type[ObjectFile], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "")  # its command line may be logged in
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")  # the identity of an Azure machine
    with pytest.raises(BackendUnavailableError, match="there are no credentials") as raised:
        use(ADDRESS)
    assert "AZURE_CLIENT_SECRET" in raised.value.hint
