"""Addresses of files and of objects in buckets."""

import pytest

from tagging.files.addresses import is_remote, label_of, resolve_next_to, split_bucket


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("s3://bucket/a.mp4", True),
        ("S3://bucket/a.mp4", True),
        ("gs://bucket/a.mp4", True),
        ("abfs://container@account.dfs.core.windows.net/a", True),
        ("https://host/a.mp4", False),
        ("talk: part 1.mp4", False),
        ("s3:/bucket/a.mp4", False),
        ("folder/s3://a", False),
        ("", False),
    ],
)
def test_an_object_is_told_from_a_file(address: str, wanted: bool) -> None:
    assert is_remote(address) is wanted


@pytest.mark.parametrize(
    ("manifest", "uri", "wanted"),
    [
        ("lists/m.jsonl", "clips/a.mp4", "lists/clips/a.mp4"),
        ("m.jsonl", "a.mp4", "a.mp4"),
        ("/lists/m.jsonl", "/media/a.mp4", "/media/a.mp4"),
        ("s3://b/m.jsonl", "a.mp4", "s3://b/a.mp4"),
        ("s3://b/lists/m.jsonl", "clips/a b%20?#.mp4", "s3://b/lists/clips/a b%20?#.mp4"),
        ("s3://b/lists/m.jsonl", "../clips/./a.mp4", "s3://b/clips/a.mp4"),
        ("s3://b/lists/m.jsonl", "../../../other/a.mp4", "s3://b/other/a.mp4"),
        ("s3://b/lists/m.jsonl", "/media/a.mp4", "/media/a.mp4"),
    ],
)
def test_a_relative_uri_is_next_to_the_manifest_and_never_leaves_its_bucket(
    manifest: str, uri: str, wanted: str
) -> None:
    assert resolve_next_to(manifest, uri) == wanted


def test_the_name_of_an_object_is_literal() -> None:
    assert split_bucket("S3://bucket/a b%20c?d#e/ü.mp4") == ("s3://bucket", "a b%20c?d#e/ü.mp4")
    assert split_bucket("s3://bucket") == ("s3://bucket", "")


def test_a_message_has_no_credentials_of_a_bucket() -> None:
    assert label_of("s3://key:sec/ret@bucket/a.mp4") == "s3://***@bucket/a.mp4"
    assert label_of("/folder/x\n.jsonl") == "/folder/x\n.jsonl"
