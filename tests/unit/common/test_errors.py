from __future__ import annotations

import pytest

from cryptoproxy.errors import (
    CryptoProxyError,
    OperatorError,
    PoisonError,
    SettingsError,
    SizeError,
    TransientError,
    visible,
)


def test_every_kind_is_told_apart_and_caught_as_one() -> None:
    kinds = (SettingsError, TransientError, PoisonError, SizeError, OperatorError)
    for kind in kinds:
        assert issubclass(kind, CryptoProxyError)
        assert not any(issubclass(kind, other) for other in kinds if other is not kind)


def test_what_a_person_has_to_do_is_part_of_the_text() -> None:
    error = OperatorError("the topic is missing", remedy="Run `cryptoproxy setup`")
    assert str(error) == "the topic is missing. Run `cryptoproxy setup`"
    assert error.remedy == "Run `cryptoproxy setup`"


@pytest.mark.parametrize("seconds", [None, 0.0, 30.0])
def test_a_transient_error_carries_what_was_asked_for(seconds: float | None) -> None:
    assert TransientError("busy", retry_after=seconds).retry_after == seconds


def test_poison_has_a_short_reason() -> None:
    error = PoisonError("not_json", "invalid character")
    assert (error.reason, str(error)) == ("not_json", "invalid character")


def test_wrong_settings_are_one_line_each() -> None:
    assert str(SettingsError(["a is wrong", "b is wrong"])) == "a is wrong\nb is wrong"


FOREIGN = "a\rb\x1b[2Jc\x9bd\u2028e\u202ef\x7fg\ud800h\x00i\tj"


def test_what_others_have_said_is_visible_and_on_one_line() -> None:
    assert visible(FOREIGN) == r"a\rb\u001b[2Jc\u009bd\u2028e\u202ef\u007fg\ud800h\u0000i\tj"
    assert visible("one\ntwo") == r"one\ntwo"
    assert visible("Zürich 東京 👩‍💻 1 %, ₿") == "Zürich 東京 👩‍💻 1 %, ₿"
    assert visible(visible(FOREIGN)) == visible(FOREIGN)


@pytest.mark.parametrize(
    "error",
    [
        TransientError(FOREIGN),
        SizeError(FOREIGN),
        PoisonError("reason", FOREIGN),
        OperatorError(FOREIGN, remedy="Mend it"),
        SettingsError([FOREIGN, FOREIGN]),
    ],
)
def test_no_error_moves_the_cursor_of_who_reads_it(error: CryptoProxyError) -> None:
    assert r"a\rb\u001b[2Jc\u009bd" in str(error)
    assert all(character.isprintable() or character == "\n" for character in str(error))


def test_a_further_line_of_an_error_does_not_pass_for_another_message() -> None:
    error = OperatorError("it ended:\nlast words\n        more", remedy="See the log")
    assert str(error) == "it ended:\n    last words\n    more. See the log"
    assert str(TransientError(f"tried: {error}")) == f"tried: {error}"
