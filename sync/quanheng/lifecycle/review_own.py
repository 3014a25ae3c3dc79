"""Records that seem to be one person's. Pure."""

from __future__ import annotations

import unicodedata

from quanheng.model.person import PersonRecord


def same_person(person: PersonRecord) -> tuple[str, str]:
    """What two records of one person have in common: name, full width folded, and phone by its index."""
    return unicodedata.normalize("NFKC", person.name).strip(), person.phone_index
