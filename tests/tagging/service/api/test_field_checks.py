import pytest

from tagging.errors import InvalidRequestError
from tagging.service.api.field_checks import Fields


def found(fields: Fields) -> dict[str, str]:
    try:
        fields.finish()
    except InvalidRequestError as error:
        return error.violations
    return {}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    fields = Fields()
    fields.line("name", "", 10)
    fields.text("title", "abc", 2)
    fields.number("page_size", 7, 0, 5)
    fields.text("fine", "abc", 3)
    with pytest.raises(InvalidRequestError) as raised:
        fields.finish()
    assert list(raised.value.violations) == ["name", "title", "page_size"]
    assert raised.value.message == (
        "name: required, and left out; title: 3 characters, at most 2 are taken; "
        "page_size: 7, expected a number in [0, 5]"
    )


@pytest.mark.parametrize("value", ["a", " a b ", "日本語", "🎬" * 10, "e\u0301", "\u202eabc", "\ufeffx"])
def test_a_line_may_be_of_any_script_and_of_its_longest_length(value: str) -> None:
    fields = Fields()
    fields.line("id", value, 10)
    assert not found(fields)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", "required, and left out"),
        (" \t\u2003\n", "required, and found nothing but white space"),
        ("a" * 11, "11 characters, at most 10 are taken"),
        ("a\0b", "U+0000 at character 2, which no text may have"),
        ("ab\n", "U+000A at character 3, a control character"),
        ("\x9b31m", "U+009B at character 1, a control character"),
    ],
)
def test_a_line_that_is_none_is_told_with_what_was_found(value: str, told: str) -> None:
    fields = Fields()
    fields.line("id", value, 10)
    assert found(fields) == {"id": told}


def test_a_text_may_be_empty_and_have_lines_but_not_u0000() -> None:
    fields = Fields()
    fields.text("a", "", 10)
    fields.text("b", "one\ntwo\t\x7f", 10)
    fields.text("c", "x\0", 10)
    assert found(fields) == {"c": "U+0000 at character 2, which no text may have"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.1, 1.0000001])
def test_a_number_out_of_range_is_refused_and_so_is_none(value: float) -> None:
    fields = Fields()
    fields.number("n", value, 0, 1)
    assert list(found(fields)) == ["n"]


@pytest.mark.parametrize("value", [0, 1, 0.5, -0.0, 5e-324])
def test_the_ends_of_a_range_are_in_it(value: float) -> None:
    fields = Fields()
    fields.number("n", value, 0, 1)
    assert not found(fields)
