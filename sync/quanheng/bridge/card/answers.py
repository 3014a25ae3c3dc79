"""What the contents of answers mean. Pure.

Whatever cannot be used is refused, and no message of a refusal holds a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from quanheng.bridge.card.messages import OpenedAnswer, PlatformRefusedError
from quanheng.bridge.card.port import PlatformAnswerError, UnusableAnswerError
from quanheng.bridge.settings import PlatformSettings
from quanheng.bridge.values import Card, ScanAnswer, ScanState
from quanheng.identity.documents import DocumentError, canonical_document
from quanheng.model.change import Json
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import DocumentKind
from quanheng.printable import printable

MAX_CODE_CHARACTERS: Final = 512
"""More does not fit on a screen: a QR code with error correction M holds 2,331 bytes at its largest."""
_CODE: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_CODE_CHARACTERS}}}")
_CARD_NUMBER: Final = re.compile(r"[\x21-\x7e]{1,128}")
_REGION: Final = re.compile(r"[0-9]{2,12}")
_MAX_NAME: Final = 100
_STATUS: Final = re.compile(r"[0-9A-Za-z]{1,8}")

_FIELDS: Final = "compare [bridge.platform.fields] and the code tables with the platform's description"


def read_code(answer: OpenedAnswer, settings: PlatformSettings) -> str:
    """The new code. Raises :class:`PlatformAnswerError`."""
    if answer.code not in settings.success_codes:
        raise PlatformRefusedError(answer.code)
    code = _text(answer.content or {}, settings.fields.qr_code)
    if not code:
        raise UnusableAnswerError("the card platform's answer has no code", remedy=_FIELDS)
    if not _CODE.fullmatch(code):
        raise UnusableAnswerError("the card platform's code does not fit into a QR code", remedy=_FIELDS)
    return code


def read_scan(answer: OpenedAnswer, code: str, settings: PlatformSettings) -> ScanAnswer:
    """What became of ``code``. Raises :class:`PlatformAnswerError` for an answer about another code, and
    :class:`UnusableAnswerError` for a confirmation without a card and for a state that nobody knows.
    """
    fields, content = settings.fields, answer.content
    if content is not None:
        _require_same(_text(content, fields.qr_code), code)
    if (told := settings.code_states.get(answer.code)) is not None:
        return ScanAnswer(state=ScanState(told))
    if content is None:
        raise UnusableAnswerError("the card platform's answer about a code is empty", remedy=_FIELDS)
    state = _text(content, fields.state)
    essc_no = _text(content, fields.essc_no)
    if not state:
        meant = ScanState.CONFIRMED if essc_no else ScanState.WAITING
    elif (known := settings.states.get(state)) is not None:
        meant = ScanState(known)
    else:
        raise UnusableAnswerError("the card platform's answer has a state that is not known", remedy=_FIELDS)
    if meant is not ScanState.CONFIRMED:
        return ScanAnswer(state=meant)
    if not _CARD_NUMBER.fullmatch(essc_no):
        raise UnusableAnswerError("the card platform says confirmed and names no card", remedy=_FIELDS)
    return ScanAnswer(state=meant, essc_no=Sensitive(essc_no))


def read_card(answer: OpenedAnswer, essc_no: Sensitive, settings: PlatformSettings, today: date) -> Card:
    """The card of this number. Raises :class:`PlatformAnswerError` for an answer about another card, and
    :class:`UnusableAnswerError` for one without a document or a name that can be used.
    """
    if answer.code not in settings.success_codes:
        raise PlatformRefusedError(answer.code)
    fields, content = settings.fields, answer.content
    if content is None:
        raise UnusableAnswerError("the card platform's answer about a card is empty", remedy=_FIELDS)
    _require_same(_text(content, fields.essc_no), essc_no.reveal())
    name = _text(content, fields.name)
    if not 0 < len(name) <= _MAX_NAME or printable(name) != name:
        raise UnusableAnswerError("the card platform's answer names nobody", remedy=_FIELDS)
    kind = _read_kind(_text(content, fields.document_kind), settings)
    try:
        document = canonical_document(kind, _text(content, fields.document_number), today=today)
    except DocumentError:
        raise UnusableAnswerError(
            "the card platform's answer has no document number of its kind", remedy=_FIELDS
        ) from None
    status = _text(content, fields.card_status)
    region = _text(content, fields.region)
    return Card(
        region=region if _REGION.fullmatch(region) else "",
        # A status that is missing is in no table: the card is not usable.
        usable=status != "" and status in settings.usable_card_states,
        status=status if _STATUS.fullmatch(status) else "",
        document=document,
        name=Sensitive(name),
    )


def _read_kind(code: str, settings: PlatformSettings) -> DocumentKind:
    if not code:
        return DocumentKind.RESIDENT_ID
    try:
        return DocumentKind(settings.document_kinds[code])
    except (KeyError, ValueError):
        raise UnusableAnswerError(
            "the card platform's answer has a kind of document that is not known", remedy=_FIELDS
        ) from None


def _require_same(echo: str, asked: str) -> None:
    """An answer that says whom it is about has to be about whom we asked; one that does not is bound to the
    question by TLS alone."""
    if echo and echo != asked:
        raise PlatformAnswerError(
            "the card platform's answer is about something else than the question",
            remedy="an old answer was sent again, or a cache stands between: let nothing but TLS be between",
        )


def _text(content: Mapping[str, Json], field: str) -> str:
    value = content.get(field)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UnusableAnswerError("the card platform's answer has a field of a wrong kind", remedy=_FIELDS)
