"""Hostile inputs for the service, drawn from a seed: each value holds the bytes to send and the expected statuses."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import numpy as np
from grpc import StatusCode
from videotag.v1 import tagging_pb2 as pb

from tagging.service.clients.tokens import PREFIX
from tagging.tools.load_test.escapes import hostile_uris
from tagging.tools.load_test.mutate import mutant
from tagging.tools.load_test.odd_texts import ODD_TEXTS, UNREADABLE

T = TypeVar("T")

TOKEN = PREFIX + "hostile".ljust(43, "0")  # of a client with every role, so that attacks pass authentication
METADATA = (("authorization", f"Bearer {TOKEN}"),)

SERVICE = "/videotag.v1.TaggingService/"
METHODS = tuple(method.name for method in pb.DESCRIPTOR.services_by_name["TaggingService"].methods)
STREAM = "StreamTagVideos"
OTHERS = (
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    SERVICE + "NoSuchCall",
    "/videotag.v1.NoSuchService/TagVideo",
    "/",
    "//",
    "/../TagVideo",
    SERVICE + "TagVideo/" + "x" * 2000,
)
MESSAGE_BYTES = 2**20  # limit of the attacked service; larger messages are sent too
MEDIA_BYTES = MESSAGE_BYTES // 2

ANSWERS = frozenset({
    StatusCode.OK, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND, StatusCode.ALREADY_EXISTS, StatusCode.ABORTED,
    StatusCode.PERMISSION_DENIED, StatusCode.FAILED_PRECONDITION, StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.UNAUTHENTICATED,
})  # fmt: skip
BUSY = frozenset({StatusCode.RESOURCE_EXHAUSTED})
WIRE = (
    b"",
    b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the first bytes of a TLS handshake
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",  # followed by SETTINGS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x01\x05\xff\xff\xff\xff",  # the header of a 16 MiB frame
)


@dataclass(frozen=True, slots=True)
class Attack:
    """A gRPC call, or raw bytes for the port."""

    kind: str
    method: str  # the full path; empty: the first message is written to the port as it is
    messages: tuple[bytes, ...]
    expected: frozenset[StatusCode]
    metadata: tuple[tuple[str, str | bytes], ...] = METADATA
    timeout_s: float | None = None
    cancel_after_s: float | None = None
    half_closed: bool = True  # False: a stream that the client never closes


class Attacks:
    """A seeded generator of attacks."""

    def __init__(self, rng: np.random.Generator, media: Sequence[bytes], folder: Path) -> None:
        """Create a generator; media: valid files to damage; folder: made by `build_escape_folder`."""
        self._rng = rng
        self._media = [content for content in media if len(content) <= MEDIA_BYTES]
        self._uris = hostile_uris(folder, 1)
        self._kinds: Sequence[Callable[[], Attack]] = (
            self._noise, self._damaged, self._damaged, self._media_damaged, self._media_damaged, self._odd_text,
            self._odd_text, self._uri, self._uri, self._token, self._size, self._hurried, self._stream,
            self._other_call, self._wire,
        )  # fmt: skip

    def draw(self, count: int) -> Iterator[Attack]:
        """Yield `count` attacks of random kinds."""
        for _ in range(count):
            yield self._choose(self._kinds)()

    def _noise(self) -> Attack:
        return self._call("noise", self._choose(METHODS), self._rng.bytes(int(self._rng.integers(500))))

    def _damaged(self) -> Attack:
        method = self._choose(METHODS)
        return self._call("damaged request", method, mutant([self._valid_requests()[method]], self._rng))

    def _media_damaged(self) -> Attack:
        content = mutant(self._media, self._rng)
        expected = frozenset({StatusCode.OK, StatusCode.INVALID_ARGUMENT}) | BUSY
        if self._rng.random() < 0.2:
            labelled = pb.AddLabelledVideoRequest(video_id="hostile", content=content, tags=["hostile"])
            return self._call("damaged media", "AddLabelledVideo", labelled.SerializeToString(), expected)
        return self._call(
            "damaged media",
            "TagVideo",
            pb.TagVideoRequest(video_id=self._id(), content=content).SerializeToString(),
            expected,
        )

    def _odd_text(self) -> Attack:
        if self._rng.random() < 0.2:  # bytes that are not UTF-8 in a string field
            data = raw_field(1, self._id().encode()) + raw_field(4, self._choose(UNREADABLE))
            return self._call("odd text", "TagVideo", data, frozenset({StatusCode.INVALID_ARGUMENT}))
        text, other = self._choose(ODD_TEXTS), self._choose(ODD_TEXTS)
        method, message = self._choose(
            [
                ("TagVideo", pb.TagVideoRequest(video_id=self._id(), title=text, description=other)),
                ("TagVideo", pb.TagVideoRequest(video_id=text, title=other, uploader_id=text)),
                ("GetTagging", pb.GetTaggingRequest(video_id=text, bundle_version=other)),
                ("ExplainVideo", pb.ExplainVideoRequest(video_id=text, why=[other])),
                (
                    "ExplainVideo",
                    pb.ExplainVideoRequest(video=pb.TagVideoRequest(video_id=self._id(), title=text), why=[other]),
                ),
                ("ListTags", pb.ListTagsRequest(text=text, page_size=5)),
                ("ListTags", pb.ListTagsRequest(page_token=text, page_size=5)),
                ("CreateTag", pb.CreateTagRequest(name=text, description=other)),
                ("CreateTag", pb.CreateTagRequest(name=self._id(), aliases=[text, other], language=text)),
                ("UpdateTag", pb.UpdateTagRequest(tag_id=text, name=other)),
                ("AddLabelledVideo", pb.AddLabelledVideoRequest(video_id=text, title=other, tags=[text])),
                ("RemoveLabelledVideo", pb.RemoveLabelledVideoRequest(video_id=text)),
                ("SubmitFeedback", pb.SubmitFeedbackRequest(video_id=text, added_tags=[other], feedback_id=text)),
                ("ActivateBundle", pb.ActivateBundleRequest(folder=text)),
            ]
        )
        return self._call("odd text", method, message.SerializeToString())

    def _uri(self) -> Attack:
        uri = self._choose(self._uris).encode("utf-8", errors="surrogateescape")
        expected = frozenset({StatusCode.INVALID_ARGUMENT, StatusCode.PERMISSION_DENIED, StatusCode.NOT_FOUND}) | BUSY
        if self._rng.random() < 0.2:
            labelled = raw_field(1, b"hostile") + raw_field(2, uri) + raw_field(6, b"hostile")
            return self._call("escaping uri", "AddLabelledVideo", labelled, expected)
        return self._call("escaping uri", "TagVideo", raw_field(1, self._id().encode()) + raw_field(2, uri), expected)

    def _token(self) -> Attack:
        metadata: tuple[tuple[str, str | bytes], ...] = self._choose(
            [
                (("authorization", "Bearer " + self._rng.bytes(32).hex()),),
                (("authorization", "Bearer"),),
                (("authorization", ""),),
                (("authorization", "Basic dXNlcjpwYXNz"),),
                (("authorization", "Bearer a"), ("authorization", "Bearer b")),
                (("authorization", "Bearer " + "x" * 4000),),
                (("authorization", "Bearer " + "x" * 20_000),),  # beyond the header limit of gRPC
                (("authorization-bin", self._rng.bytes(100)),),
                (("traceparent", "00-" + "f" * 32 + "-" + "0" * 16 + "-zz"), ("x-request-id", "x" * 1000)),
                tuple((f"x-{number}", "y") for number in range(200)),
            ]
        )
        method = self._choose([name for name in METHODS if name != STREAM])
        expected = frozenset({StatusCode.UNAUTHENTICATED}) | BUSY  # also for too many headers
        return self._call("bad token", method, self._valid_requests()[method], expected, metadata)

    def _size(self) -> Attack:
        method = self._choose(METHODS)
        size = self._choose([0, MESSAGE_BYTES - 20, MESSAGE_BYTES, MESSAGE_BYTES + 1, 3 * MESSAGE_BYTES])
        filler = raw_field(int(self._rng.integers(1, 12)), bytes(max(size - 6, 0))) if size else b""
        return self._call("empty or huge", method, filler)

    def _hurried(self) -> Attack:
        method = self._choose(METHODS)
        message = self._valid_requests()[method]
        if method == "TagVideo" and self._rng.random() < 0.5:
            message = pb.TagVideoRequest(video_id=self._id(), content=self._choose(self._media)).SerializeToString()
        expected = ANSWERS | {StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED}
        wait_s = float(self._rng.random() ** 3) / 10
        if self._rng.random() < 0.5:
            return self._call("short deadline", method, message, expected, timeout_s=wait_s)
        return self._call("cancelled", method, message, expected, cancel_after_s=wait_s)

    def _stream(self) -> Attack:
        """A stream of requests, a few of them damaged, that ends, is cancelled, or stays open until the deadline."""
        valid = self._valid_requests()[STREAM]
        messages = [
            valid if self._rng.random() < 0.7 else mutant([valid], self._rng) for _ in range(self._rng.integers(12))
        ]
        ending = int(self._rng.integers(3))
        return Attack(
            ("stream", "stream cancelled", "stream left open")[ending],
            SERVICE + STREAM,
            tuple(messages),
            ANSWERS | {StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED} if ending else ANSWERS,
            cancel_after_s=float(self._rng.random()) / 5 if ending == 1 else None,
            timeout_s=float(self._rng.random()) / 2 if ending == 2 else None,
            half_closed=not ending,
        )

    def _other_call(self) -> Attack:
        """Calls that do not exist, and those of health and reflection, which handle noise as gRPC does."""
        method = self._choose(OTHERS)
        expected = {StatusCode.UNIMPLEMENTED}
        if method in OTHERS[:2]:
            expected = {StatusCode.OK, StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT, StatusCode.UNKNOWN}
        return Attack("other call", method, (self._rng.bytes(int(self._rng.integers(50))),), frozenset(expected))

    def _wire(self) -> Attack:
        tail = self._rng.bytes(int(self._rng.integers(300))) if self._rng.random() < 0.7 else b""
        return Attack("not gRPC", "", (self._choose(WIRE) + tail,), frozenset())

    def _call(
        self,
        kind: str,
        method: str,
        message: bytes,
        expected: frozenset[StatusCode] = ANSWERS,
        metadata: tuple[tuple[str, str | bytes], ...] = METADATA,
        timeout_s: float | None = None,
        cancel_after_s: float | None = None,
    ) -> Attack:
        return Attack(kind, SERVICE + method, (message,), expected, metadata, timeout_s, cancel_after_s)

    def _valid_requests(self) -> Mapping[str, bytes]:
        """Return a valid request for every call, under a new id."""
        video_id, tag = self._id(), "0123456789abcdef"
        video = pb.TagVideoRequest(
            video_id=video_id, title="a dog barks at night", options=pb.TagVideoOptions(max_tags=5)
        )
        messages = {
            "TagVideo": video,
            STREAM: pb.StreamTagVideosRequest(request=video),
            "GetTagging": pb.GetTaggingRequest(video_id=video_id),
            "ExplainVideo": pb.ExplainVideoRequest(video=video, why=["dog", "qqq"], why_answered=True),
            "ListTags": pb.ListTagsRequest(page_size=5, text="o"),
            "CreateTag": pb.CreateTagRequest(name="dog", aliases=["hound"], parent_ids=[tag], language="en"),
            "UpdateTag": pb.UpdateTagRequest(tag_id=tag, name="dogs", add_aliases=["hounds"]),
            "MergeTags": pb.MergeTagsRequest(target_id=tag, source_ids=["f" * 16]),
            "UndoTagEdit": pb.UndoTagEditRequest(number=1),
            "ListTagEdits": pb.ListTagEditsRequest(page_size=5, tag_id=tag),
            "AddLabelledVideo": pb.AddLabelledVideoRequest(video_id="hostile", title="a dog", tags=["dog"]),
            "RemoveLabelledVideo": pb.RemoveLabelledVideoRequest(video_id=video_id),
            "SubmitFeedback": pb.SubmitFeedbackRequest(video_id=video_id, accepted_tag_ids=[tag], feedback_id=video_id),
            "GetBundle": pb.GetBundleRequest(),
            "ActivateBundle": pb.ActivateBundleRequest(folder="nowhere"),
            "ShadowBundle": pb.ShadowBundleRequest(version="none"),
            "GetChurn": pb.GetChurnRequest(max_tags=3),
        }
        return {name: message.SerializeToString() or raw_field(15, b"x") for name, message in messages.items()}

    def _id(self) -> str:
        return str(UUID(bytes=self._rng.bytes(16)))

    def _choose(self, choices: Sequence[T]) -> T:
        return choices[int(self._rng.integers(len(choices)))]


def build_escape_folder(parent: Path, film: bytes) -> Path:
    """Create a folder whose subfolder `allowed` has no valid film but links to films outside.

    A URI that yields a film has escaped from `allowed`.
    """
    folder = parent / "files"
    allowed = folder / "allowed"
    (allowed / "sub").mkdir(parents=True)
    for inside in (allowed / "film.mp4", allowed / "sub" / "film.mp4"):
        inside.write_bytes(b"no film")
    for outside in (folder / "secret", folder / "film.mp4", folder / "allowed-not" / "film.mp4"):
        outside.parent.mkdir(exist_ok=True)
        outside.write_bytes(film)
    for name, target in {"out": "../secret", "up": "..", "root": "/", "passwd": "/etc/passwd", "loop": "loop"}.items():
        (allowed / name).symlink_to(target)
    os.mkfifo(allowed / "pipe")
    return folder


def raw_field(number: int, data: bytes) -> bytes:
    """Encode a length-delimited field by hand, so that it can hold bytes that a message would reject."""
    head, length = bytearray([number << 3 | 2]), len(data)
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*head, length]) + data
