"""The words of a notice, in Chinese, for staff."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from string import Template

from quanheng.clock import CHINA
from quanheng.logs import redact_text
from quanheng.model.change import Json
from quanheng.notify.port import Notice


@dataclass(frozen=True, slots=True)
class Words:
    """What people read."""

    subject: str
    text: str


def words_of(notice: Notice) -> Words:
    """Subject and text. Goes over them as over a log: what looks like a number of a person is taken out."""
    folder = resources.files("quanheng.notify") / "templates"
    template = (folder / f"{notice.kind}.txt").read_text(encoding="utf-8")
    facts = {name: _text(value) for name, value in notice.facts.items()}
    text = Template(template).safe_substitute(
        facts, realm=notice.realm, at=notice.at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
    )
    subject, _, rest = redact_text(text).partition("\n")
    return Words(subject=subject.strip(), text=rest.strip() + "\n")


def as_json(notice: Notice) -> str:
    """A notice for programs: facts, and the words for people beside them."""
    words = words_of(notice)
    body = {
        "id": notice.id,
        "kind": str(notice.kind),
        "at": notice.at.isoformat(),
        "realm": notice.realm,
        "subject": words.subject,
        "text": words.text,
        "facts": dict(notice.facts),
    }
    return redact_text(json.dumps(body, ensure_ascii=False, sort_keys=True))


def _text(value: Json) -> str:
    if isinstance(value, list):
        return "\n".join(f"- {_text(item)}" for item in value) or "- 无"
    return "" if value is None else str(value)
