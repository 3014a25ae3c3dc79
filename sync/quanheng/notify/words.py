"""The words of a notice, in Chinese, for staff."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from string import Template
from typing import Final

from quanheng.clock import CHINA
from quanheng.logs import redact_json
from quanheng.model.change import Json
from quanheng.notify.port import USERS, Notice
from quanheng.printable import escape_json

_MOMENTS: Final = frozenset({"since", "until"})
"""Facts that are moments in ISO 8601; people read them in China's time."""


@dataclass(frozen=True, slots=True)
class Words:
    """What people read."""

    subject: str
    text: str


def words_of(notice: Notice) -> Words:
    """Subject and text; a line that asks for a fact which is missing or empty is left out.

    Each fact by itself is gone over as a log is: what looks like a person's number or a secret is taken out,
    and none makes a line of its own or has a say in what stands beside it.
    """
    folder = resources.files("quanheng.notify") / "templates"
    template = (folder / f"{notice.kind}.txt").read_text(encoding="utf-8")
    at = notice.at.astimezone(CHINA)
    facts: dict[str, Json] = {**_clean(notice.facts), "realm": notice.realm, "at": _moment(at)}
    names = facts.pop("names", None)
    known = names if isinstance(names, dict) else {}
    shown = {name: _text(name, value, known) for name, value in facts.items()}
    lines = [
        Template(line).substitute(shown)
        for line in template.splitlines()
        if all(shown.get(name) for name in Template(line).get_identifiers())
    ]
    subject, text = lines[0], "\n".join(lines[1:])
    return Words(subject=subject, text=re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")


def as_json(notice: Notice) -> str:
    """A notice for programs, in one line: facts, and the words for people beside them."""
    words = words_of(notice)
    body = {
        "id": notice.id,
        "kind": str(notice.kind),
        "at": notice.at.isoformat(),
        "realm": notice.realm,
        "subject": words.subject,
        "text": words.text,
        "facts": _clean(notice.facts),
    }
    return escape_json(json.dumps(body, ensure_ascii=False, sort_keys=True))


def _clean(facts: Mapping[str, Json]) -> dict[str, Json]:
    return {name: redact_json(value) for name, value in facts.items()}


def _text(name: str, value: Json, names: Mapping[str, Json]) -> str:
    if isinstance(value, list):
        return "".join(f"\n- {_text(name, item, names)}" for item in value)
    if value is None:
        return ""
    if name in USERS and value:
        return str(names.get(str(value)) or f"{value}（Keycloak 用户 ID）")
    if name in _MOMENTS and isinstance(value, str) and value:
        return _moment(datetime.fromisoformat(value).astimezone(CHINA))
    return str(value)


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
