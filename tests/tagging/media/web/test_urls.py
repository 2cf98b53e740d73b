import re
from urllib.parse import urlsplit

import numpy as np
import pytest

from tagging.errors import SourceNotAllowedError
from tagging.media.web.urls import WebAddress, parse_typed_address, parse_web_address, redirected
from tagging.service.sources.origins import AllowedOrigins


@pytest.mark.parametrize(
    ("uri", "want"),
    [
        ("https://a.example/x", ("https", "a.example", 443, "/x", "")),
        ("HTTPS://A.Example:8443", ("https", "a.example", 8443, "/", "")),
        ("http://a.example?q=1#part", ("http", "a.example", 80, "/", "?q=1")),
        ("http://a.example/ä b%2fc%zz", ("http", "a.example", 80, "/%C3%A4%20b%2fc%25zz", "")),
        ("http://1.2.3.4:99/", ("http", "1.2.3.4", 99, "/", "")),
        ("http://[2606:4700:0:0::1]/", ("http", "2606:4700::1", 80, "/", "")),
        ("http://xn--bcher-kva.example/", ("http", "xn--bcher-kva.example", 80, "/", "")),
        ("http://a.example/b@c.example", ("http", "a.example", 80, "/b@c.example", "")),
        ("http://a_b.svc/", ("http", "a_b.svc", 80, "/", "")),
    ],
)
def test_plain_urls_are_parsed(uri: str, want: tuple[str, str, int, str, str]) -> None:
    assert parse_web_address(uri) == WebAddress(*want)


# URLs that some programs parse differently.
AMBIGUOUS = [
    "http:///x", "http:x", "http:/a.example/", "http:a.example", "http://", "http://:80/", "http://?", "https:////a/b",
    "http://a.example\\@b.example/", "http://b.example\\.a.example/", "http:\\\\a.example/", "http://a.example\t/",
    "ht\ttp://a.example/", "http://a.example\r\nHost: b/", "http://a.example/\n", "\nhttp://a.example/",
    " http://a.example/", "http:// a.example/", "http://a.example /", "http://a.example\u3000/", "http://a.example\0/",
    "http://user@a.example/", "http://user:password@a.example/", "http://@a.example/", "http://a.example@b.example/",
    "http://a.example:80@b.example/", "http://a.example%40b.example/", "http://a.example%2eb/", "http://%61.example/",
    "http://a.example./", "http://a.example../", "http://.a.example/", "http://a..example/", "http://-a.example/",
    "http://a-.example/", "http://a.example:/", "http://a.example:0/", "http://a.example:65536/",
    "http://a.example:99999999/", "http://a.example:8O/", "http://a.example:+80/", "http://a.example:-1/",
    "http://a.example:80:80/", "http://a.example:８０/", "http://a,b/", "http://a;b/", "http://a*b/", "http://*.example/",
    "http://ａ.example/", "http://a。example/", "http://bücher.example/", "http://\u212belvin/", "http://\u212aa.example/",
    "http\u017f://a.example/", "http://a\u00ad.example/", "http://a\u200b.example/", "http://①②⑦.⓪.⓪.①/",
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://017700000001/", "http://127.1/",
    "http://127.0.1/", "http://0177.0.0.1/", "http://127.0.0.01/", "http://127.0.0.1./", "http://127.0.0.0x1/",
    "http://256.0.0.1/", "http://1.2.3.4.5/", "http://a.1/", "http://a.0x7f/", "http://0/", "http://0x/", "http://٣/",
    "http://[::1/", "http://::1/", "http://[::1]x/", "http://[::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[v1.x]/",
    "http://[127.0.0.1]/", "http://[]/", "http://[[::1]]/", "http://[::g]/", "http://[::ffff:1.2.3]/",
    f"http://{'a' * 64}.example/", f"http://{'a.' * 127}example/", f"http://a.example/{'a' * 9000}",
    "https+file://a.example/", "http:/\\a.example/", "http:\\/a.example",
]  # fmt: skip


@pytest.mark.parametrize("uri", AMBIGUOUS)
def test_ambiguous_urls_are_refused(uri: str) -> None:
    with pytest.raises(SourceNotAllowedError) as caught:
        parse_web_address(uri)
    assert caught.value.message.isprintable()


def test_passwords_are_in_no_error_message() -> None:
    with pytest.raises(SourceNotAllowedError) as caught:
        parse_web_address("https://user:hunter2@a.example/")
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "hunter2" not in parse_web_address("https://a.example/film?signature=hunter2").name


def test_an_origin_is_scheme_host_and_port() -> None:
    origins = AllowedOrigins(["https://a.example", "http://*.b.example:8080", "http://10.0.0.1", "https://[2606::1]:9"])
    allowed = ["https://a.example/x", "https://A.EXAMPLE:443", "http://x.b.example:8080", "http://x.y.b.example:8080",
               "http://10.0.0.1/", "https://[2606:0::1]:9"]  # fmt: skip
    refused = ["http://a.example", "https://a.example:8443", "https://x.a.example", "https://xa.example",
               "http://b.example:8080", "http://xb.example:8080", "https://x.b.example:8080", "http://x.b.example",
               "http://b.example.c:8080", "http://10.0.0.2/", "https://a.example.b", "https://[2606::2]:9"]  # fmt: skip
    assert all(parse_web_address(uri) in origins for uri in allowed)
    assert not any(parse_web_address(uri) in origins for uri in refused)
    assert parse_web_address("https://a.example") not in AllowedOrigins([])


def test_a_wildcard_over_an_ip_address_is_not_an_origin() -> None:
    with pytest.raises(SourceNotAllowedError):
        AllowedOrigins(["http://*.0.0.1"])


@pytest.mark.parametrize(
    ("location", "want"),
    [
        ("/c", "http://a.example:81/c"),
        ("c?d", "http://a.example:81/b/c?d"),
        ("../../c", "http://a.example:81/c"),
        ("//c.example/d", "http://c.example/d"),
        ("https://c.example", "https://c.example/"),
        ("?x", "http://a.example:81/b/x?x"),
    ],
)
def test_a_redirect_is_resolved_relative_to_its_url(location: str, want: str) -> None:
    got = redirected(parse_web_address("http://a.example:81/b/x"), location.encode())
    assert got == parse_web_address(want)


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://a.example/", "javascript:1", "data:,x", "//user@c.example/", "http://[::1",
     "\\\\c\\d", "/\tc", "//c.example\\@d", "http://2130706433/", "//0x7f.1", "gopher://c", "//[::1", "http:\\\\c"],
)  # fmt: skip
def test_a_redirect_to_another_scheme_or_an_ambiguous_url_is_refused(location: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        redirected(parse_web_address("http://a.example/b"), location.encode())


def test_accepted_urls_are_parsed_alike_by_the_standard_library() -> None:
    rng = np.random.default_rng(11)
    pieces = ["http", "https", "://", ":", "/", "\\", "@", "a.example", "b.example", "127.0.0.1", "[::1]", "%2f",
              "%40", ".", "..", "#", "?", "80", ":8080", "0x7f", "\t", "\r", " ", "é", "。", "[", "\0"]  # fmt: skip
    taken = 0
    for _ in range(20_000):
        uri = "http" + "".join(rng.choice(pieces, rng.integers(1, 8)))
        uri = re.sub("^http(://)?", "http://", uri) if rng.random() < 0.8 else uri
        try:
            ours = parse_web_address(uri)
        except SourceNotAllowedError:
            continue
        taken += 1
        theirs = urlsplit(uri)
        assert (theirs.scheme, theirs.hostname, theirs.port or ours.port) == (ours.scheme, ours.host, ours.port), uri
        assert theirs.username is None
    assert taken > 200


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("http://bücher.example:8080/é", ("http", "xn--bcher-kva.example", 8080, "/%C3%A9", "")),
        ("https://bücher:80?q=ü", ("https", "xn--bcher-kva", 80, "/", "?q=%C3%BC")),
        ("http://[::1]:80/a b", ("http", "::1", 80, "/a%20b", "")),
        ("HTTP://example.org", ("http", "example.org", 80, "/", "")),
        ("http://example.org./a\\b\nc", ("http", "example.org", 80, "/a%5Cb%0Ac", "")),
        ("http://me:p%40ss@example.org", ("http", "example.org", 80, "/", "", "Basic bWU6cEBzcw==")),
    ],
)
def test_urls_of_a_manifest_are_brought_into_the_plain_form(url: str, want: tuple[str, str, int, str, str]) -> None:
    assert parse_typed_address(url) == WebAddress(*want)


def test_credentials_follow_a_redirect_only_to_the_same_origin() -> None:
    address = parse_typed_address("http://me:secret@a.example/x")
    assert redirected(address, b"/y").authorization == address.authorization
    assert redirected(address, b"https://a.example/y").authorization == ""
    assert redirected(address, b"http://b.example/y").authorization == ""
    assert "secret" not in repr(address) + address.name
    assert address.authorization not in repr(address)
