import pytest

from tagging.errors import InvalidRequestError
from tagging.service.api.field_checks import Fields


def violations_of(fields: Fields) -> dict[str, str]:
    try:
        fields.finish()
    except InvalidRequestError as error:
        return error.violations
    return {}


def test_all_violations_are_reported_together() -> None:
    fields = Fields()
    fields.line("name", "", 10)
    fields.text("title", "abc", 2)
    fields.number("page_size", 7, 0, 5)
    fields.text("fine", "abc", 3)
    with pytest.raises(InvalidRequestError) as raised:
        fields.finish()
    assert list(raised.value.violations) == ["name", "title", "page_size"]
    assert raised.value.message == (
        "name: required, but missing; title: 3 characters, expected at most 2; "
        "page_size: 7, expected a number in [0, 5]"
    )


@pytest.mark.parametrize("value", ["a", " a b ", "日本語", "🎬" * 10, "e\u0301", "\u202eabc", "\ufeffx"])
def test_a_line_may_use_any_script_and_the_full_length(value: str) -> None:
    fields = Fields()
    fields.line("id", value, 10)
    assert not violations_of(fields)


@pytest.mark.parametrize(
    ("value", "violation"),
    [
        ("", "required, but missing"),
        (" \t\u2003\n", "required, found no visible character"),
        ("\u200b", "required, found no visible character"),
        ("a" * 11, "11 characters, expected at most 10"),
        ("a\0b", "U+0000 at character 2, which is not allowed in text"),
        ("ab\n", "U+000A at character 3, a control character"),
        ("\x9b31m", "U+009B at character 1, a control character"),
    ],
)
def test_an_invalid_line_is_reported_with_the_reason(value: str, violation: str) -> None:
    fields = Fields()
    fields.line("id", value, 10)
    assert violations_of(fields) == {"id": violation}


def test_a_text_may_be_empty_or_multiline_but_has_no_null_character() -> None:
    fields = Fields()
    fields.text("a", "", 10)
    fields.text("b", "one\ntwo\t\x7f", 10)
    fields.text("c", "x\0", 10)
    assert violations_of(fields) == {"c": "U+0000 at character 2, which is not allowed in text"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.1, 1.0000001])
def test_a_number_out_of_range_is_a_violation_and_so_is_nan(value: float) -> None:
    fields = Fields()
    fields.number("n", value, 0, 1)
    assert list(violations_of(fields)) == ["n"]


@pytest.mark.parametrize("value", [0, 1, 0.5, -0.0, 5e-324])
def test_the_ends_of_a_range_are_valid(value: float) -> None:
    fields = Fields()
    fields.number("n", value, 0, 1)
    assert not violations_of(fields)
