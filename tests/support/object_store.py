"""An S3 server on loopback (moto): it denies requests without credentials, as a real one does."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "backlog"


@dataclass(frozen=True)
class ObjectStore:
    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a process needs to use the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def put(self, name: str, content: bytes) -> str:
        """Store an object; return its address."""
        self._client().put_object(Bucket=BUCKET, Key=name, Body=content)
        return f"s3://{BUCKET}/{name}"

    def get(self, name: str) -> bytes:
        with self._client().get_object(Bucket=BUCKET, Key=name)["Body"] as body:
            return bytes(body.read())

    def remove(self, name: str) -> None:
        self._client().delete_object(Bucket=BUCKET, Key=name)

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects directly in a folder, in order; at most 1,000."""
        found = self._client().list_objects_v2(Bucket=BUCKET, Prefix=f"{folder}/", Delimiter="/").get("Contents", [])
        names = [str(each["Key"]).removeprefix(f"{folder}/") for each in found]
        return sorted(name for name in names if name)  # without the marker of the folder itself

    def make_bucket(self) -> None:
        self._client().create_bucket(Bucket=BUCKET)

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@contextmanager
def serving_objects() -> Iterator[ObjectStore]:
    """Run a server with an empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        store = ObjectStore(f"http://{host}:{port}")
        store.make_bucket()
        yield store
    finally:
        server.stop()
        assert server._server is not None
        server._server.server_close()  # which stop leaves open


def use(store: ObjectStore, patch: pytest.MonkeyPatch) -> None:
    """Set the variables of this process."""
    for name, value in store.environment.items():
        patch.setenv(name, value)
