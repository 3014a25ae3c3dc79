"""The two-person bootstrap: who the first administrators are, ledger entry 0 (decision 5).

Nobody can be approved by an administrator while there is none. So ``quanheng keys generate`` makes two
seals, one for each of two people, shown once; the bootstrap needs both, works once, and names one
person for each kind of administrator of the topmost area. Their accounts then come from the sources.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from hashlib import scrypt
from pathlib import Path
from typing import Final

from quanheng.errors import ConfigurationError, RefusedError
from quanheng.identity.files import write_private
from quanheng.ledger.chain import Ledger
from quanheng.model.ids import OrgCode, PostId, StaffNo
from quanheng.model.registry import Founder
from quanheng.operations.context import Context
from quanheng.operations.trust import founders_message
from quanheng.policy.compiling import AREA_DIGITS
from quanheng.store.meta import read_founders, write_founders

SEALS: Final = "seals.json"
_COST: Final = {"n": 2**14, "r": 8, "p": 1}
"""About 50 ms a guess; a seal has 100 random bits, so the cost is only a courtesy."""


def make_seals(directory: Path) -> tuple[str, str]:
    """Make the two seals; only their hashes are kept. Show each to one person."""
    seals = (_random_seal(), _random_seal())
    entries = []
    for seal in seals:
        salt = secrets.token_bytes(16)
        entries.append({"salt": salt.hex(), "hash": _hash(seal, salt)})
    write_private(directory / SEALS, json.dumps(entries).encode())
    return seals


def bootstrap(context: Context, founders: Mapping[PostId, StaffNo], seals: Sequence[str]) -> None:
    """Name the first administrators by staff number, one for each administrator's post of the root.

    Whoever audits is approved by them like anybody else: that post approves nobody (三员).
    Raises :class:`RefusedError` when a seal is wrong, both are the same, one person is named twice,
    or it was done before.
    """
    _require_seals(context.settings.keys_directory / SEALS, seals)
    root = context.pack.info.root[0]
    tier = next(tier for tier, digits in AREA_DIGITS.items() if digits == len(root))
    wanted = {
        PostId(post.id)
        for post in context.pack.posts_at(OrgCode(root))
        if post.kind == "administrator" and tier in post.tiers and post.id not in context.pack.audit_posts
    }
    if set(founders) != wanted or len(set(founders.values())) != len(founders):
        raise RefusedError(
            "the bootstrap names one person for each of " + "、".join(sorted(wanted)),
            remedy="name a different staff number for each",
        )
    rows = [(str(staff_no), str(post), root) for post, staff_no in sorted(founders.items())]
    keyring = context.keyring
    with context.database.transaction() as connection:
        if read_founders(connection):
            raise RefusedError(
                "the bootstrap was done before", remedy="administrators approve what comes next"
            )
        named = [Founder(staff_no=StaffNo(a), post=PostId(b), area=OrgCode(c)) for a, b, c in rows]
        write_founders(connection, rows, keyring.sign(founders_message(named)).hex())
        Ledger(connection, keyring, context.clock).begin(
            {"founders": [list(row) for row in rows], "by": context.who, "seals": 2}
        )


def _random_seal() -> str:
    text = base64.b32encode(secrets.token_bytes(13)).decode().rstrip("=")[:20]
    return "-".join(text[at : at + 5] for at in range(0, 20, 5))


def _hash(seal: str, salt: bytes) -> str:
    return scrypt(seal.strip().upper().encode(), salt=salt, dklen=32, **_COST).hex()


def _require_seals(file: Path, seals: Sequence[str]) -> None:
    try:
        entries = json.loads(file.read_text())
    except FileNotFoundError:
        raise ConfigurationError(f"{file.name} is missing", remedy="run 'quanheng keys generate'") from None
    opened = {
        place
        for place, entry in enumerate(entries)
        for seal in seals
        if hmac.compare_digest(_hash(seal, bytes.fromhex(entry["salt"])), entry["hash"])
    }
    if len(seals) != 2 or len(opened) != 2:
        raise RefusedError("the two seals do not both fit", remedy="each of the two people types their own")
