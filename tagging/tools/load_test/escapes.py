"""Hostile URIs for path traversal and server-side request forgery (SSRF).

A server that is tested with them allows the folder `allowed` and http://a.example:PORT, and nothing else.
"""

from itertools import product
from pathlib import Path
from urllib.parse import quote

import numpy as np


def words(text: str) -> list[str]:
    """Split the tables below, which read better than lists of strings."""
    return text.split()


PATHS = words("""
{secret} /etc/passwd /proc/self/environ /proc/self/fd/0 /dev/zero /dev/stdin /dev/fd/0 /dev/tty /sys/kernel/notes
//etc/passwd /{secret} / . .. ~ ~root/x secret ./secret {allowed}-not/film.mp4 {allowed}/../secret
{allowed}/sub/../../secret {allowed}/./../secret {allowed}//..//secret {allowed}/out {allowed}/up/secret
{allowed}/up/film.mp4 {allowed}/root/etc/passwd {allowed}/root{secret} {allowed}/passwd {allowed}/loop {allowed}/pipe
{allowed} {allowed}/ {allowed}/sub {allowed}/.. {allowed}\\..\\secret {allowed}/..\\secret {allowed}/%2e%2e/secret
{allowed}/..%2fsecret {allowed}/\u2025/secret {allowed}/．．/secret {allowed}/up/up/up/up/etc/passwd {parent}/film.mp4
""")
ODD_PATHS = ["", "{allowed}\0/../secret", "{secret}\0{allowed}/film.mp4", "{allowed}/film.mp4\0", "{allowed}/\udcff",
             " {secret}", "\n{secret}", "{secret}\n"]  # fmt: skip
FILE_HEADS = ["", "file://", "FILE://", "file://localhost", "file:", "file:/", "file:////", "file://a.example"]
UPWARDS = words("%2e%2e/ ..%2f %2E%2E%2F %252e%252e/ ..;/ ..%00/ %c0%ae%c0%ae/ .%2e/ %2e./")

OTHER_SCHEMES = words("""
concat: subfile,,start,0,end,9,,: pipe: data:video/mp4;base64, crypto: cache: async: ftp://a.example gopher://a.example
dict://a.example smb://a.example s3://bucket rtmp://a.example rtsp://a.example unix:// jar:file:// view-source: netdoc://
php://filter/ ldap://a.example tftp://a.example javascript: blob:http://a.example ws://a.example hls+http://a.example
""")

HOSTS = words("""
127.0.0.1 localhost LOCALHOST localhost. 0 0.0.0.0 127.1 127.0.1 2130706433 0x7f000001 0x7f.0.0.1 0177.0.0.1
017700000001 127.0.0.1. [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [64:ff9b::7f00:1] [2002:7f00:1::] [fe80::1%25lo]
127.127.127.127 ①②⑦.⓪.⓪.① 127。0。0。1 169.254.169.254 metadata.google.internal 10.0.0.1 192.168.0.1 [fd00::1]
a.example.c.example xa.example c.example a.example. .a.example a.example@127.0.0.1 user:pass@127.0.0.1
a.example:80@127.0.0.1 127.0.0.1\\@a.example 127.0.0.1#@a.example 127.0.0.1?@a.example 127.0.0.1/@a.example
a.example%2f@127.0.0.1
a.example%00.c.example ａ.example : @ a.example: private.example mixed.example mapped.example
""")
ODD_HOSTS = ["", "a.example\t.c.example", "a.example\r\nX: y", "a.example c.example", "a.example\0", "\u200ba.example"]
WEB_HEADS = [
    "http://",
    "https://",
    "HTTP://",
    "http:",
    "http:/",
    "http:///",
    "http:\\\\",
    "//",
    "http\t://",
    " http://",
]
REDIRECTS = ["to-loopback", "to-file", "to-port", "to-name", "to-private"]  # paths of the test server


def hostile_uris(folder: Path, port: int) -> list[str]:
    """Return the URIs.

    folder: contains `allowed`, and next to it files that must not be readable; port: the allowed port of a.example
    """
    allowed, secret = f"{folder}/allowed", f"{folder}/secret"
    paths = [path.format(allowed=allowed, secret=secret, parent=folder) for path in PATHS + ODD_PATHS]
    hosts = HOSTS + ODD_HOSTS
    uris = [head + path for head, path in product(FILE_HEADS, paths)]
    uris += [f"file://{quote(path, safe='', errors='surrogateescape')}" for path in paths]
    uris += [f"file://{allowed}/{up}secret" for up in UPWARDS]
    uris += [f"file://{allowed}/film.mp4{end}" for end in ("?x", "#x", "%00", "%00.mp4", "%0a")]
    uris += [scheme + path for scheme, path in product(OTHER_SCHEMES, ("", secret, f"{allowed}/film.mp4|{secret}"))]
    uris += [f"{head}{host}{end}" for head, host, end in product(WEB_HEADS, hosts, ("/film", f":{port}/film"))]
    uris += [f"http://a.example:{other}/film" for other in (1, 22, 80, port ^ 1, 65536 + port, f"0x{port:x}", -port)]
    uris += [f"http://a.example:{port}/{target}" for target in REDIRECTS]
    rng = np.random.default_rng(17)
    pieces = [*paths, *hosts, *WEB_HEADS, *FILE_HEADS, "/", "\\", "%2f", "..", "@", ":", "#", "?", "%00", "\t", allowed]
    uris += ["".join(pieces[n] for n in rng.integers(0, len(pieces), rng.integers(1, 6))) for _ in range(3000)]
    return uris
