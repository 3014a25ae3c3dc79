"""No log line says who somebody is."""

from __future__ import annotations

import logging
import re
from random import Random

import pytest

from fixtures.identities import IdentityMint
from quanheng.logs import HIDDEN, get_logger, holds_number, redact, redact_text, start_logs
from quanheng.model.sensitive import Sensitive

_MINT = IdentityMint("14", 1, Random(7))  # noqa: S311 -- synthetic people
NUMBERS = [_MINT.resident_number() for _ in range(50)]
PHONES = [_MINT.phone() for _ in range(50)]
FULL_WIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")


@pytest.mark.parametrize("number", NUMBERS)
def test_an_id_number_is_taken_out_however_it_is_written(number: str) -> None:
    """18 digits, 15 digits, a lower-case x and full width are all replaced, inside Chinese text too."""
    for written in (number, number.lower(), number[:6] + number[8:17], number.translate(FULL_WIDTH)):
        assert redact_text(f"人员{written}已停用") == f"人员{HIDDEN}已停用"


@pytest.mark.parametrize("phone", PHONES)
def test_a_phone_is_taken_out_however_it_is_written(phone: str) -> None:
    """Eleven digits, with 86 before them, with blanks or hyphens, in full width."""
    spaced = f"{phone[:3]} {phone[3:7]} {phone[7:]}"
    for written in (phone, f"+86 {phone}", f"86{phone}", spaced, spaced.replace(" ", "-")):
        assert redact_text(f"联系{written}。") == f"联系{HIDDEN}。"
    assert redact_text(phone.translate(FULL_WIDTH)) == HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        "140902001001",  # a village's code
        "R140902-00017",
        "people.csv:3320",
        "sx0000017",
        "2026-11-22T06:31:43.013518+00:00",
        "plan 6f252095a66a has expired",
        "asking for a token: ConnectionError",
        "1409020-0017",  # a staff number
        "plan " + "a" + "15400112233" + "b" * 52,
        "users/15400112-2334-4455-9667-15400112233a",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    """Codes of organisations, staff numbers, places in files, times and plain words are not touched."""
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "password=Sunny-Day-2026",
        "the bind password: Sunny-Day-2026",
        '{"client_secret": "Sunny-Day-2026"}',
        '{"access_token": "Sunny-Day-2026"}',
        "refresh_token=Sunny-Day-2026&x=1",
        "Authorization: Bearer Sunny-Day-2026",
        "postgresql://quanheng:Sunny-Day-2026@db/quanheng",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.Sunny-Day-2026",
        "-----BEGIN PRIVATE KEY-----\nSunny-Day-2026\n-----END PRIVATE KEY-----",
    ],
)
def test_a_secret_in_a_text_is_taken_out(text: str) -> None:
    """Whatever has the name or the shape of a secret is replaced."""
    assert "Sunny-Day" not in redact_text(text)


def test_values_are_taken_out_however_deep_they_lie() -> None:
    """Sensitive values, bytes and everything under the name of a secret, in mappings and lists."""
    event = {
        "person": {"phone": Sensitive(PHONES[0]), "rows": [NUMBERS[0], {"password_file": "x"}]},
        "bind_password": "Sunny-Day-2026",
        "raw": b"Sunny-Day-2026",
        "number": int(PHONES[1]),
        PHONES[2]: 1,
        "count": 3,
    }
    assert redact(event) == {
        "person": {"phone": HIDDEN, "rows": [HIDDEN, {"password_file": HIDDEN}]},
        "bind_password": HIDDEN,
        "raw": HIDDEN,
        "number": HIDDEN,
        HIDDEN: 1,
        "count": 3,
    }


def test_logs_go_to_standard_error_without_anybody_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and those of libraries pass the same net, and what an exception says is not repeated."""
    start_logs()
    log = get_logger("quanheng.test")
    log.info("row read", document=NUMBERS[0], source="hr")
    logging.getLogger("some.library").warning("sent %s", PHONES[0])
    logging.getLogger("some.library").info("too much detail")
    try:
        int(NUMBERS[1] + "x")
    except ValueError:
        log.exception("it broke", phone=Sensitive(PHONES[1]))
    out, err = capsys.readouterr()
    assert out == ""
    assert "row read" in err
    assert "source='hr'" in err
    assert "fault='ValueError'" in err
    assert re.search(rf"frames=\['{re.escape(__name__)}:\d+'\]", err)  # where, and nothing of what
    assert "too much detail" not in err
    for secret in (*NUMBERS[:2], *PHONES[:2]):
        assert secret not in err


@pytest.mark.parametrize(
    "text",
    [
        "110101-19900101-1234",
        "110101 1990 0101 123X",
        "110101·1990·01·01·1234",
        "110101-900101-123",
        "138.0013.8000",
        "86.138_0013_8000",
        "1380\u200b0138000",
        "①③⑧⓪⓪①③⑧⓪⓪⓪",
        "".join(chr(0x1D7CE + int(digit)) for digit in "13800138000"),
    ],
)
def test_a_number_in_parts_is_one(text: str) -> None:
    """However it is separated, with whatever digits, with characters that are not seen."""
    assert holds_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "R140902-00001",
        "1409020-0017",
        "140902-2024-00017",
        "140902-20240901-0001",
        "140902001-2024-00001",
        "19980901-001",
        "sx0000017",
        "139e4567-1391-1234-1234-a13812345678",
    ],
)
def test_a_staff_number_is_none(text: str) -> None:
    """Areas, years of hire and serial numbers, user names that were issued, ids."""
    assert not holds_number(text)
