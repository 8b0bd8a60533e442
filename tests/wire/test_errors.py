"""The error codes are one closed list: every table that speaks of them speaks of all of them."""

from __future__ import annotations

from typing import Final

import pytest

from hodhod_server.domain import errors, upload_errors
from hodhod_server.domain.errors import HodhodError
from hodhod_server.web.problems import HTTP_STATUS
from hodhod_wire.errors import ERROR_TEXTS, ErrorCode

CLASSES: Final = [
    value
    for value in {**vars(errors), **vars(upload_errors)}.values()
    if isinstance(value, type) and issubclass(value, HodhodError) and value is not HodhodError
]
PERSIAN_LETTERS: Final = range(0x0600, 0x0700)
TRY_LATER_STATUSES: Final = {403, 409, 423, 429, 460, 500, 503, 507}


def test_every_code_has_one_text_in_each_language() -> None:
    assert set(ERROR_TEXTS) == set(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_text_is_one_sentence_in_its_language(code: ErrorCode) -> None:
    text = ERROR_TEXTS[code]
    assert text.en.endswith(".")
    assert text.en.isascii()
    assert text.fa.endswith(".")
    assert any(ord(letter) in PERSIAN_LETTERS for letter in text.fa)
    assert "ي" not in text.fa, "write the Persian ی, not the Arabic ي"
    assert "ك" not in text.fa, "write the Persian ک, not the Arabic ك"


def test_every_code_has_exactly_one_class() -> None:
    codes = [cls.code for cls in CLASSES]
    assert sorted(codes) == sorted(ErrorCode), "each code: one class in domain/errors.py"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_class_explains_its_code_and_bears_its_name(cls: type[HodhodError]) -> None:
    assert cls.__doc__, "the docstring is the explanation in docs/reference/errors.md"
    assert cls.__name__.lower() == cls.code.replace("_", "")


def test_every_code_has_an_http_status() -> None:
    assert set(HTTP_STATUS) == set(ErrorCode), "add it to HTTP_STATUS in web/problems.py"


@pytest.mark.parametrize("code", ErrorCode)
def test_the_status_and_the_hint_to_try_again_agree(code: ErrorCode) -> None:
    status = HTTP_STATUS[code]
    assert 400 <= status < 600
    if ERROR_TEXTS[code].may_retry:
        assert status in TRY_LATER_STATUSES
    if status >= 500:
        assert ERROR_TEXTS[code].may_retry, "a fault of ours may be gone the next time"


@pytest.mark.parametrize("code", ErrorCode)
def test_a_code_is_a_word_that_travels_unescaped(code: ErrorCode) -> None:
    assert code == code.name.lower()
    assert code.replace("_", "").isalpha()
