"""Style of the protos: the lint categories STANDARD and COMMENTS of buf, and comments with ranges and defaults."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import regenerate
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

NUMBERS = {
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_FLOAT,
    FieldDescriptorProto.TYPE_DOUBLE,
}
RANGE = re.compile(r"in [\[(]|from [01]\b|at least 1\b|, from the start .* from 0")
UNSET = re.compile(r"Required|Default|[Dd]efault:|the default")
MESSAGES, FIELDS = 4, 2  # numbers of `message_type` and `field` in paths of source info


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "protos.binpb"
    regenerate.write_image(path)
    return path


@pytest.fixture(scope="module", params=["recommendation", "tagging", "topics"])
def proto(image: Path, request: pytest.FixtureRequest) -> FileDescriptorProto:
    return own_of(FileDescriptorSet.FromString(image.read_bytes()), request.param)


def own_of(read: FileDescriptorSet, name: str) -> FileDescriptorProto:
    [own] = [file for file in read.file if file.name == f"videotag/v1/{name}.proto"]
    return own


def fields_with_comments(proto: FileDescriptorProto) -> Iterator[tuple[DescriptorProto, FieldDescriptorProto, str]]:
    comments = {tuple(location.path): location.leading_comments for location in proto.source_code_info.location}
    for row, message in enumerate(proto.message_type):
        if not message.options.map_entry:
            for column, field in enumerate(message.field):
                comment = comments[(MESSAGES, row, FIELDS, column)]
                yield message, field, " ".join(comment.split())


def lint(image: Path) -> subprocess.CompletedProcess[str]:
    buf = shutil.which("buf", path=regenerate.BIN)
    if buf is None:
        pytest.skip("buf is not installed: pip install buf-bin")
    config = str(regenerate.PROTOS / "buf.yaml")
    return subprocess.run([buf, "lint", image, "--config", config], capture_output=True, text=True, check=False)


def test_the_protos_pass_bufs_lint_rules(image: Path) -> None:
    result = lint(image)
    assert result.returncode == 0, result.stdout + result.stderr


def test_violations_of_bufs_lint_rules_are_found(image: Path, tmp_path: Path) -> None:
    read = FileDescriptorSet.FromString(image.read_bytes())
    own = own_of(read, "tagging")
    own.message_type[0].field[0].name = "videoId"
    own.enum_type[0].value[0].name = "MODALITY_NONE"
    for location in own.source_code_info.location:
        if tuple(location.path) == (MESSAGES, 1, FIELDS, 0):
            location.ClearField("leading_comments")
    (tmp_path / "worse.binpb").write_bytes(read.SerializeToString())
    result = lint(tmp_path / "worse.binpb")
    assert result.returncode != 0
    complaints = ("lower_snake_case", "_UNSPECIFIED", "non-empty comment")
    assert all(complaint in result.stdout for complaint in complaints), result.stdout


def test_the_comment_of_every_number_states_its_range(proto: FileDescriptorProto) -> None:
    numbers = [(m.name, f.name, comment) for m, f, comment in fields_with_comments(proto) if f.type in NUMBERS]
    assert numbers
    assert [number for number in numbers if not RANGE.search(number[2])] == []


def test_the_comment_of_every_request_field_states_its_default(proto: FileDescriptorProto) -> None:
    fields = [
        (message.name, field.name, comment)
        for message, field, comment in fields_with_comments(proto)
        # members of a oneof are documented at the oneof; a proto3 optional is a oneof of its own
        if message.name.endswith(("Request", "Options"))
        and (not field.HasField("oneof_index") or field.proto3_optional)
    ]
    assert fields
    assert [field for field in fields if not UNSET.search(field[2])] == []


def test_lines_of_the_protos_are_no_longer_than_those_of_the_code() -> None:
    for path in regenerate.PROTOS.rglob("*.proto"):
        assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 120
