"""Size limit of an explanation: lists and texts are cut until the response fits into the message that clients accept.

A client accepts 4 MiB, unless it was configured for more. Most explanations have less than a tenth of that; a bundle
without a fitted fusion ranks thousands of candidates, and an hour of speech has thousands of passages.
"""

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from videotag.v1 import tagging_pb2 as pb

MOST_BYTES = 3 * 2**20
FIRST_ENTRIES, FIRST_CHARACTERS = 1000, 20_000  # of each list and each text; halved until the response fits


def cut_to_fit(response: pb.ExplainVideoResponse, most_bytes: int = MOST_BYTES) -> None:
    """Cut the lists and texts of a response to at most `most_bytes`, and state the limits in a first warning.

    The list of questions stays complete: its length is limited by the request.
    """
    warnings = response.explanation.looked_at.warnings
    entries, characters = FIRST_ENTRIES, FIRST_CHARACTERS
    while response.ByteSize() > most_bytes and entries >= 1:
        if entries < FIRST_ENTRIES:
            del warnings[0]  # of the round before
        for part in (response.explanation, *response.questions):
            _cut(part, entries, characters)
        limits = f"lists to {entries} entries, texts to {characters} characters"
        warnings.insert(0, f"the explanation is cut to fit into a message: {limits}")
        entries, characters = entries // 2, characters // 2


def _cut(message: Message, entries: int, characters: int) -> None:
    for field, value in message.ListFields():
        if field.is_repeated:
            del value[entries:]
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                _cut(part, entries, characters)
        elif field.type == FieldDescriptor.TYPE_STRING and field.is_repeated:
            value[:] = [_shortened(text, characters) for text in value]
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, _shortened(value, characters))


def _shortened(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}…"
