from __future__ import annotations

import pytest

from cryptoproxy.common.errors import (
    CryptoProxyError,
    OperatorError,
    PoisonError,
    SettingsError,
    SizeError,
    TransientError,
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
