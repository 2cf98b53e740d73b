"""Hostile inputs for a service, drawn from a seed: each a value that says what is sent and which answers are right."""

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
from tagging.tools.load_test.oddities import ODD_TEXTS, UNREADABLE

T = TypeVar("T")

TOKEN = PREFIX + "hostile".ljust(43, "0")  # of a client that may do all: what follows it gets further in
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
MESSAGE_BYTES = 2**20  # what the attacked service takes: beyond it is tried, too
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
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the begin of TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",  # and its settings
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x01\x05\xff\xff\xff\xff",  # a frame of 16 MiB to come
)


@dataclass(frozen=True, slots=True)
class Attack:
    """A call, or bytes for the port."""

    kind: str
    method: str  # with its service; empty: the first message goes to the port as it is
    messages: tuple[bytes, ...]
    right: frozenset[StatusCode]
    metadata: tuple[tuple[str, str | bytes], ...] = METADATA
    timeout_s: float | None = None
    cancel_after_s: float | None = None
    half_closed: bool = True  # False: a stream that never says that it has ended


class Attacks:
    def __init__(self, rng: np.random.Generator, media: Sequence[bytes], place: Path) -> None:
        """media: healthy files to damage; place: as `build_place` made it"""
        self._rng = rng
        self._media = [one for one in media if len(one) <= MEDIA_BYTES]
        self._uris = hostile_uris(place, 1)
        self._kinds: Sequence[Callable[[], Attack]] = (
            self._noise, self._damaged, self._damaged, self._media_damaged, self._media_damaged, self._odd_text,
            self._odd_text, self._uri, self._uri, self._token, self._size, self._hurried, self._stream, self._elsewhere,
            self._wire,
        )  # fmt: skip

    def draw(self, count: int) -> Iterator[Attack]:
        for _ in range(count):
            yield self._one_of(self._kinds)()

    def _noise(self) -> Attack:
        return self._call("noise", self._one_of(METHODS), self._rng.bytes(int(self._rng.integers(500))))

    def _damaged(self) -> Attack:
        method = self._one_of(METHODS)
        return self._call("damaged request", method, mutant([self._healthy()[method]], self._rng))

    def _media_damaged(self) -> Attack:
        content = mutant(self._media, self._rng)
        right = frozenset({StatusCode.OK, StatusCode.INVALID_ARGUMENT}) | BUSY
        if self._rng.random() < 0.2:
            labelled = pb.AddLabelledVideoRequest(video_id="hostile", content=content, tags=["hostile"])
            return self._call("damaged media", "AddLabelledVideo", labelled.SerializeToString(), right)
        return self._call(
            "damaged media",
            "TagVideo",
            pb.TagVideoRequest(video_id=self._id(), content=content).SerializeToString(),
            right,
        )

    def _odd_text(self) -> Attack:
        if self._rng.random() < 0.2:  # bytes that are no UTF-8, where the proto has a text
            data = raw_field(1, self._id().encode()) + raw_field(4, self._one_of(UNREADABLE))
            return self._call("odd text", "TagVideo", data, frozenset({StatusCode.INVALID_ARGUMENT}))
        text, other = self._one_of(ODD_TEXTS), self._one_of(ODD_TEXTS)
        method, message = self._one_of(
            [
                ("TagVideo", pb.TagVideoRequest(video_id=self._id(), title=text, description=other)),
                ("TagVideo", pb.TagVideoRequest(video_id=text, title=other, uploader_id=text)),
                ("GetTagging", pb.GetTaggingRequest(video_id=text, bundle_version=other)),
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
        uri = self._one_of(self._uris).encode("utf-8", errors="surrogateescape")
        right = frozenset({StatusCode.INVALID_ARGUMENT, StatusCode.PERMISSION_DENIED, StatusCode.NOT_FOUND}) | BUSY
        if self._rng.random() < 0.2:
            labelled = raw_field(1, b"hostile") + raw_field(2, uri) + raw_field(6, b"hostile")
            return self._call("escaping uri", "AddLabelledVideo", labelled, right)
        return self._call("escaping uri", "TagVideo", raw_field(1, self._id().encode()) + raw_field(2, uri), right)

    def _token(self) -> Attack:
        metadata: tuple[tuple[str, str | bytes], ...] = self._one_of(
            [
                (("authorization", "Bearer " + self._rng.bytes(32).hex()),),
                (("authorization", "Bearer"),),
                (("authorization", ""),),
                (("authorization", "Basic dXNlcjpwYXNz"),),
                (("authorization", "Bearer a"), ("authorization", "Bearer b")),
                (("authorization", "Bearer " + "x" * 4000),),
                (("authorization", "Bearer " + "x" * 20_000),),  # beyond gRPC's own limit
                (("authorization-bin", self._rng.bytes(100)),),
                (("traceparent", "00-" + "f" * 32 + "-" + "0" * 16 + "-zz"), ("x-request-id", "x" * 1000)),
                tuple((f"x-{number}", "y") for number in range(200)),
            ]
        )
        method = self._one_of([one for one in METHODS if one != STREAM])
        right = frozenset({StatusCode.UNAUTHENTICATED}) | BUSY  # too many headers, too
        return self._call("no good token", method, self._healthy()[method], right, metadata)

    def _size(self) -> Attack:
        method = self._one_of(METHODS)
        size = self._one_of([0, MESSAGE_BYTES - 20, MESSAGE_BYTES, MESSAGE_BYTES + 1, 3 * MESSAGE_BYTES])
        filler = raw_field(int(self._rng.integers(1, 12)), bytes(max(size - 6, 0))) if size else b""
        return self._call("empty or huge", method, filler)

    def _hurried(self) -> Attack:
        method = self._one_of(METHODS)
        message = self._healthy()[method]
        if method == "TagVideo" and self._rng.random() < 0.5:
            message = pb.TagVideoRequest(video_id=self._id(), content=self._one_of(self._media)).SerializeToString()
        right = ANSWERS | {StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED}
        wait_s = float(self._rng.random() ** 3) / 10
        if self._rng.random() < 0.5:
            return self._call("deadline too near", method, message, right, timeout_s=wait_s)
        return self._call("cancelled", method, message, right, cancel_after_s=wait_s)

    def _stream(self) -> Attack:
        """Some requests, a few of them damaged; it ends, is given up, or stays open until the deadline."""
        healthy = self._healthy()[STREAM]
        messages = [
            healthy if self._rng.random() < 0.7 else mutant([healthy], self._rng) for _ in range(self._rng.integers(12))
        ]
        ending = int(self._rng.integers(3))
        return Attack(
            ("stream", "stream given up", "stream left open")[ending],
            SERVICE + STREAM,
            tuple(messages),
            ANSWERS | {StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED} if ending else ANSWERS,
            cancel_after_s=float(self._rng.random()) / 5 if ending == 1 else None,
            timeout_s=float(self._rng.random()) / 2 if ending == 2 else None,
            half_closed=not ending,
        )

    def _elsewhere(self) -> Attack:
        """Calls that there are not, and those of health and reflection, which answer noise as gRPC does."""
        method = self._one_of(OTHERS)
        right = {StatusCode.UNIMPLEMENTED}
        if method in OTHERS[:2]:
            right = {StatusCode.OK, StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT, StatusCode.UNKNOWN}
        return Attack("elsewhere", method, (self._rng.bytes(int(self._rng.integers(50))),), frozenset(right))

    def _wire(self) -> Attack:
        tail = self._rng.bytes(int(self._rng.integers(300))) if self._rng.random() < 0.7 else b""
        return Attack("no gRPC at all", "", (self._one_of(WIRE) + tail,), frozenset())

    def _call(
        self,
        kind: str,
        method: str,
        message: bytes,
        right: frozenset[StatusCode] = ANSWERS,
        metadata: tuple[tuple[str, str | bytes], ...] = METADATA,
        timeout_s: float | None = None,
        cancel_after_s: float | None = None,
    ) -> Attack:
        return Attack(kind, SERVICE + method, (message,), right, metadata, timeout_s, cancel_after_s)

    def _healthy(self) -> Mapping[str, bytes]:
        """A request of every call, under an id of its own."""
        one, tag = self._id(), "0123456789abcdef"
        video = pb.TagVideoRequest(video_id=one, title="a dog barks at night", options=pb.TagVideoOptions(max_tags=5))
        messages = {
            "TagVideo": video,
            STREAM: pb.StreamTagVideosRequest(request=video),
            "GetTagging": pb.GetTaggingRequest(video_id=one),
            "ListTags": pb.ListTagsRequest(page_size=5, text="o"),
            "CreateTag": pb.CreateTagRequest(name="dog", aliases=["hound"], parent_ids=[tag], language="en"),
            "UpdateTag": pb.UpdateTagRequest(tag_id=tag, name="dogs", add_aliases=["hounds"]),
            "MergeTags": pb.MergeTagsRequest(target_id=tag, source_ids=["f" * 16]),
            "UndoTagEdit": pb.UndoTagEditRequest(number=1),
            "ListTagEdits": pb.ListTagEditsRequest(page_size=5, tag_id=tag),
            "AddLabelledVideo": pb.AddLabelledVideoRequest(video_id="hostile", title="a dog", tags=["dog"]),
            "RemoveLabelledVideo": pb.RemoveLabelledVideoRequest(video_id=one),
            "SubmitFeedback": pb.SubmitFeedbackRequest(video_id=one, accepted_tag_ids=[tag], feedback_id=one),
            "GetBundle": pb.GetBundleRequest(),
            "ActivateBundle": pb.ActivateBundleRequest(folder="nowhere"),
            "ShadowBundle": pb.ShadowBundleRequest(version="none"),
            "GetChurn": pb.GetChurnRequest(max_tags=3),
        }
        return {name: message.SerializeToString() or raw_field(15, b"x") for name, message in messages.items()}

    def _id(self) -> str:
        return str(UUID(bytes=self._rng.bytes(16)))

    def _one_of(self, choices: Sequence[T]) -> T:
        return choices[int(self._rng.integers(len(choices)))]


def build_place(folder: Path, film: bytes) -> Path:
    """A folder whose `allowed` may be opened and has no film, with ways out of it to films: who gets one got out."""
    place = folder / "place"
    allowed = place / "allowed"
    (allowed / "sub").mkdir(parents=True)
    for inside in (allowed / "film.mp4", allowed / "sub" / "film.mp4"):
        inside.write_bytes(b"no film")
    for outside in (place / "secret", place / "film.mp4", place / "allowed-not" / "film.mp4"):
        outside.parent.mkdir(exist_ok=True)
        outside.write_bytes(film)
    for name, target in {"out": "../secret", "up": "..", "root": "/", "passwd": "/etc/passwd", "loop": "loop"}.items():
        (allowed / name).symlink_to(target)
    os.mkfifo(allowed / "pipe")
    return place


def raw_field(number: int, data: bytes) -> bytes:
    """A field of a message as it is on the wire: with bytes that a message would not take."""
    head, length = bytearray([number << 3 | 2]), len(data)
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*head, length]) + data
