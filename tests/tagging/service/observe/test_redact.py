"""Redaction of secrets in log texts and tracebacks, in linear time."""

import pytest

from tagging.errors import InvalidMediaError
from tagging.service.observe.redact import LONGEST, format_traceback, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("opened https://cdn.example/a/v.mp4?token=abc&x=1 slowly", "opened https://cdn.example/a/v.mp4?… slowly"),
        ("https://cdn.example/v.mp4#part", "https://cdn.example/v.mp4?…"),
        ("postgresql://me:pass@db/videotag", "postgresql://…@db/videotag"),
        ("postgresql://me:p@ss:w@rd@db:5432/videotag", "postgresql://…@db:5432/videotag"),
        ("proxy https://p/https://me:pass@host/x", "proxy https://p/https://…@host/x"),
        ("'s3://key:secret@bucket/v?versionId=1': no", "'s3://…@bucket/v?…': no"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer …"),
        ("authorization=abc", "authorization=…"),
        ("sent BEARER abc, and basic dXNlcg==;", "sent BEARER …, and basic …;"),
        ('{"password": "two words", "n": 1}', '{"password": …, "n": 1}'),
        ("password=hunter2&user=me", "password=…&user=me"),
        ("api_key: abc api-key: def apikey=ghi", "api_key: … api-key: … apikey=…"),
        ("access_token='abc'", "access_token=…"),
        ("index loaded: 7 tags at 10:30, 3 of 4", "index loaded: 7 tags at 10:30, 3 of 4"),
        ("max_tokens=256, tokens: 12", "max_tokens=256, tokens: 12"),
        ("", ""),
    ],
)
def test_secrets_are_removed_and_other_text_is_kept(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "piece",
    ["://", "a", "'", '"', "\\", "password=", "bearer ", "https://a@", "https://a?", "\n", 'password="', "@", "b'"],
)
def test_redaction_is_fast_and_its_output_bounded_for_any_text(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    assert len(redact(text)) <= LONGEST + 1
    assert len(format_traceback(thrown(ValueError(text)))) < 2 * LONGEST


def thrown(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


TITLE = "my holiday in Kyoto"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (KeyError(TITLE), "builtins.KeyError: '…'"),
        (ValueError(f"no number: {TITLE!r} of 3"), "builtins.ValueError: no number: '…' of 3"),
        (ValueError(f"can't read {TITLE!r}, isn't it"), "builtins.ValueError: can't read '…', isn't it"),
        (ValueError(repr(f'{TITLE}\'s "end"')), "builtins.ValueError: '…'"),
        (ValueError(repr(TITLE.encode())), "builtins.ValueError: b'…'"),
        (ValueError(f"cut off: '{TITLE}"), "builtins.ValueError: cut off: '…'"),
        (ValueError(f"two lines: '\n{TITLE}\n' end"), "builtins.ValueError: two lines: '…' end"),
        (FileNotFoundError(2, "No such file", TITLE), "builtins.FileNotFoundError: [Errno 2] No such file: '…'"),
        (RuntimeError("CUDA out of memory: 2.00 GiB"), "builtins.RuntimeError: CUDA out of memory: 2.00 GiB"),
        (InvalidMediaError(f"{TITLE!r}: no picture"), "tagging.errors.InvalidMediaError: '…': no picture"),
    ],
)
def test_values_quoted_by_an_exception_are_hidden_and_other_words_are_kept(error: Exception, shown: str) -> None:
    *frames, last = format_traceback(thrown(error)).splitlines()
    assert last == shown
    assert "raise error from cause" in frames[-1]
    assert TITLE not in "".join(frames)


def test_causes_come_first_and_are_redacted_too() -> None:
    text = format_traceback(
        thrown(RuntimeError("outer"), thrown(KeyError(TITLE), thrown(ValueError(f"inner {TITLE!r}"))))
    )
    order = [text.index(name) for name in ("ValueError: inner '…'", "KeyError: '…'", "RuntimeError: outer")]
    assert order == sorted(order)
    assert TITLE not in text


def test_groups_cycles_and_unprintable_errors_are_formatted() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    text = format_traceback(ExceptionGroup("both", [first, MuteError()]))
    for part in (
        "ExceptionGroup: both (2 sub-exceptions)",
        "ValueError: first",
        "ValueError: second",
        "cannot be written",
    ):
        assert part in text


def test_a_deep_traceback_is_shortened() -> None:
    def down(n: int) -> None:
        down(n + 1)

    with pytest.raises(RecursionError) as raised:
        down(0)
    assert len(format_traceback(raised.value).splitlines()) < 200


def test_an_error_raised_from_none_hides_its_context() -> None:
    def replace() -> None:
        try:
            raise KeyError("before")
        except KeyError:
            raise ValueError("after") from None

    with pytest.raises(ValueError, match="after") as raised:
        replace()
    assert "KeyError" not in format_traceback(raised.value)
