"""What the contents of the card platform's answers mean."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fixtures.card_platform import platform_settings
from fixtures.identities import a_mint
from quanheng.bridge.card.answers import read_card, read_code, read_scan
from quanheng.bridge.card.messages import OpenedAnswer, PlatformRefusedError
from quanheng.bridge.card.port import PlatformAnswerError, UnusableAnswerError
from quanheng.bridge.settings import PlatformSettings
from quanheng.bridge.values import Card, ScanState
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import DocumentKind

TODAY = date(2026, 11, 23)
MINT = a_mint()
NUMBER = MINT.resident_number()
ESSC = Sensitive("card-of-somebody")
CARD = {
    "esscNo": ESSC.reveal(),
    "aab301": "140902",
    "aaz502": "1",
    "aac002": NUMBER,
    "aac003": "王测试",
}


@pytest.fixture
def settings(tmp_path: Path) -> PlatformSettings:
    """Of an adapter, with a code that says expired and one that says cancelled."""
    states = {"701": "expired", "702": "cancelled"}
    return platform_settings(tmp_path, "http://127.0.0.1/CSB/", code_states=states)


def told(content: dict[str, Any] | None, code: str = "000000") -> OpenedAnswer:
    """An answer that was opened."""
    return OpenedAnswer(code=code, content=content)


def card(settings: PlatformSettings, **changes: Any) -> Card:
    """The card of an answer with changes; None takes a field out."""
    content = {name: value for name, value in (CARD | changes).items() if value is not None}
    return read_card(told(content), ESSC, settings, TODAY)


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        ("0", ScanState.WAITING),
        ("1", ScanState.SCANNED),
        ("2", ScanState.CONFIRMED),
        (2, ScanState.CONFIRMED),
        ("3", ScanState.CANCELLED),
        ("4", ScanState.EXPIRED),
        ("5", ScanState.EXPIRED),
    ],
)
def test_states_are_those_of_the_table(settings: PlatformSettings, state: object, meant: ScanState) -> None:
    """As text or as a number; the card's number is there exactly when it was confirmed."""
    found = read_scan(told({"qrCode": "c", "qrCodeStatus": state, "esscNo": " e1 "}), "c", settings)
    assert found.state is meant
    assert found.essc_no == (Sensitive("e1") if meant is ScanState.CONFIRMED else None)


@pytest.mark.parametrize("number", ["", "   ", "\t", None, "two words", "x" * 129])
def test_confirmed_without_a_card_is_unusable(settings: PlatformSettings, number: str | None) -> None:
    """Mistake 2 of deployed code: an empty card number is accepted."""
    content: dict[str, Any] = {"qrCodeStatus": "2"}
    with pytest.raises(UnusableAnswerError):
        read_scan(told(content if number is None else {**content, "esscNo": number}), "c", settings)


def test_without_a_state_the_card_says_it(settings: PlatformSettings) -> None:
    """A number that is there means confirmed, an empty or missing one waiting."""
    assert read_scan(told({"esscNo": "e"}), "c", settings).state is ScanState.CONFIRMED
    for content in ({"esscNo": " "}, {"esscNo": None}, {"qrCodeStatus": "", "esscNo": ""}, {}):
        assert read_scan(told(content), "c", settings).state is ScanState.WAITING


@pytest.mark.parametrize("state", ["77", "confirmed", "02", True, ["2"], {"2": "2"}, 2.0])
def test_an_unknown_state_is_unusable(settings: PlatformSettings, state: object) -> None:
    """Fail closed; also where a card comes with it."""
    with pytest.raises(UnusableAnswerError):
        read_scan(told({"qrCodeStatus": state, "esscNo": "e"}), "c", settings)


def test_an_answer_about_another_code_is_refused(settings: PlatformSettings) -> None:
    """A replayed answer; one that does not say is believed."""
    with pytest.raises(PlatformAnswerError, match="something else"):
        read_scan(told({"qrCode": "other", "qrCodeStatus": "2", "esscNo": "e"}), "c", settings)
    with pytest.raises(PlatformAnswerError, match="something else"):
        read_scan(told({"qrCode": "other"}, "701"), "c", settings)
    assert read_scan(told({"qrCodeStatus": "1"}), "c", settings).state is ScanState.SCANNED


def test_codes_of_messages_say_states(settings: PlatformSettings) -> None:
    """With and without a result."""
    assert read_scan(told(None, "701"), "c", settings).state is ScanState.EXPIRED
    assert read_scan(told({"esscNo": "e"}, "702"), "c", settings).state is ScanState.CANCELLED
    with pytest.raises(UnusableAnswerError):
        read_scan(told(None), "c", settings)
    for read in (lambda: read_code(told(None, "701"), settings), lambda: read_card_told("701", settings)):
        with pytest.raises(PlatformRefusedError):
            read()


def read_card_told(code: str, settings: PlatformSettings) -> Card:
    """A card's answer with a code."""
    return read_card(told(dict(CARD), code), ESSC, settings, TODAY)


@pytest.mark.parametrize("code", ["", None, "a b", "中", "x" * 513, ["c"], True])
def test_a_code_has_to_fit_on_a_screen(settings: PlatformSettings, code: object) -> None:
    """Printable ASCII, at most 512 characters."""
    with pytest.raises(UnusableAnswerError):
        read_code(told({"qrCode": code}), settings)
    assert read_code(told({"qrCode": "https://x/?a=1"}), settings) == "https://x/?a=1"


def test_a_card_is_read(settings: PlatformSettings) -> None:
    """The document in its canonical form; a missing kind is a resident identity number."""
    found = card(settings, aac002=f" {NUMBER.lower()} ")
    assert (found.region, found.usable, found.status) == ("140902", True, "1")
    assert found.document.kind is DocumentKind.RESIDENT_ID
    assert found.document.number == Sensitive(NUMBER)
    assert found.name == Sensitive("王测试")
    passport = card(settings, aac058="08", aac002=MINT.passport())
    assert passport.document.kind is DocumentKind.PASSPORT


@pytest.mark.parametrize("status", ["0", "2", "3", "4", "9", "7", "", " ", None, "11", 11, "１"])
def test_no_other_status_logs_in(settings: PlatformSettings, status: object) -> None:
    """Mistake 2 of deployed code: the card's status is not looked at. A missing one is not normal."""
    assert not card(settings, aaz502=status).usable


def test_an_empty_entry_in_the_table_lets_nobody_in(settings: PlatformSettings) -> None:
    """A slip in the settings is no way in for a card without a status."""
    slipped = settings.model_copy(update={"usable_card_states": ("1", "")})
    assert not card(slipped, aaz502=None).usable


@pytest.mark.parametrize(
    "changes",
    [
        {"aac002": None},
        {"aac002": ""},
        {"aac002": "1" * 18},
        {"aac002": ["x"]},
        {"aac003": None},
        {"aac003": " "},
        {"aac003": "x" * 101},
        {"aac003": "a\nb"},
        {"aac003": "\ud800"},
        {"aac003": True},
        {"aac058": "99"},
        {"aac058": "08"},
    ],
)
def test_a_card_of_nobody_is_unusable(settings: PlatformSettings, changes: dict[str, Any]) -> None:
    """No document, a wrong one, a kind that nobody knows, a name that breaks a line; and no value is told."""
    with pytest.raises(UnusableAnswerError) as refused:
        card(settings, **changes)
    assert NUMBER not in str(refused.value)
    assert "王测试" not in str(refused.value)


@pytest.mark.parametrize("region", ["140902\n", "14-09", "<b>", None, "1" * 13])
def test_a_region_is_digits_or_nothing(settings: PlatformSettings, region: str | None) -> None:
    """It goes into the record of logins; whoever has a good card logs in without it."""
    expected = "140902" if region == "140902\n" else ""
    assert card(settings, aab301=region).region == expected


def test_an_answer_about_another_card_is_refused(settings: PlatformSettings) -> None:
    """One that does not say is believed."""
    with pytest.raises(PlatformAnswerError, match="something else"):
        card(settings, esscNo="another")
    assert card(settings, esscNo=None).usable
    with pytest.raises(UnusableAnswerError):
        read_card(told(None), ESSC, settings, TODAY)
