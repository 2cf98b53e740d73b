import pytest

from tagging.messages import without_credentials


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("http://me:secret@host/a", "http://***@host/a"),
        ("cannot fetch ftp://secret@host: no", "cannot fetch ftp://***@host: no"),
        ("two: s3://a:secret@b/c, http://x:secret@y?q=1", "two: s3://***@b/c, http://***@y?q=1"),
        ("http://me:se/cr?e#t@host/a", "http://***@host/a"),
        ("http://me:se@cret@host/a", "http://***@host/a"),
        ("https://host/photo@2x.mp4", "https://host/photo@2x.mp4"),
        ("https://host:8080/photo@2x.mp4", "https://host:8080/photo@2x.mp4"),
        ("https://[::1]:80/photo@2x.mp4", "https://[::1]:80/photo@2x.mp4"),
        ("https://host:/photo@2x.mp4", "https://host:/photo@2x.mp4"),
        ("me@host and /folder/me:secret@host", "me@host and /folder/me:secret@host"),
    ],
)
def test_user_and_password_of_urls_are_masked(text: str, want: str) -> None:
    assert without_credentials(text) == want
