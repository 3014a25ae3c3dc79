"""Every table of the store. Columns ending in ``_sealed`` are encrypted with the data key; columns
ending in ``_index`` are keyed hashes. Times are aware and kept in UTC, days are days in China.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Instant(TypeDecorator[datetime]):
    """An aware point in time. SQLite forgets the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values and store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime reached the store")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back an aware value in UTC."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = MetaData()

PASSING: Final[Mapping[str, bool]] = {"passing": True}
"""Marks a table whose rows are worth nothing a little later: no backup has them, and none keeps a store from
being restored."""

person = Table(
    "person",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("serial", Integer, nullable=False, unique=True),
    Column("username", String(64), nullable=False, unique=True),
    Column("subject", String(64), nullable=False, unique=True),
    Column("document_index", String(64), nullable=False, unique=True),
    Column("phone_index", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("staff_no", String(64), nullable=False, index=True),
    Column("document_sealed", LargeBinary, nullable=False),
    Column("phone_sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("person_id", String(32), primary_key=True),
    Column("keycloak_id", String(36), nullable=False, unique=True),
    Column("enabled_written", Boolean, nullable=False),
    # What we last wrote: tells a disable in the console (a hold) from drift.
    Column("counts_from", Instant),
    # When it was made, or given back: from then on three months without a login count. Null: not seen yet.
    Column("given_back", Boolean, nullable=False, default=False),
    # Whether it counts from when it was given back: no history begins the count earlier.
)

claim = Table(
    "claim",
    metadata,
    Column("source", String(32), primary_key=True),
    Column("person_id", String(32), primary_key=True, index=True),
    Column("org", String(24), primary_key=True),
    Column("post", String(48), primary_key=True),  # '' when the row names none
    Column("employment", String(48), nullable=False),
    Column("status", String(48), nullable=False),
    Column("status_from", Date),
    Column("status_to", Date),
    Column("post_start", Date),
    Column("locator", Text, nullable=False),
    Column("absent_since", Date),
    Column("missing_since", Date),
    Column("quarantined", Boolean, nullable=False, default=False),
    Column("signature", String(256), nullable=False, server_default=""),
)

unit = Table(
    "unit",
    metadata,
    Column("code", String(24), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("parent", String(24)),
    Column("source", String(32), nullable=False),
    Column("locator", Text, nullable=False),
)

source_state = Table(
    "source_state",
    metadata,
    Column("source", String(32), primary_key=True),
    Column("mode", String(16), nullable=False),
    Column("scope", JSON, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("accepted_at", Instant, nullable=False),
)

hold = Table(
    "hold",
    metadata,
    Column("person_id", String(32), primary_key=True),
    Column("kind", String(24), primary_key=True),
    Column("since", Date, nullable=False),
    Column("reason", Text, nullable=False),
    Column("origin", Text, nullable=False),
)

withholding = Table(
    "withholding",
    metadata,
    Column("person_id", String(32), primary_key=True),
    Column("post", String(48), primary_key=True),
    Column("area", String(24), primary_key=True),
    Column("actor", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("signature", String(256), nullable=False, server_default=""),
)

basis = Table(
    "basis",
    metadata,
    # Bases that no source says; those of the sources are in ``claim``.
    Column("person_id", String(32), primary_key=True),
    Column("post", String(48), primary_key=True),
    Column("area", String(24), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("signature", String(256), nullable=False),
)

waiver = Table(
    "waiver",
    metadata,
    Column("key", String(64), primary_key=True),  # of the proposal that a second person decides
    Column("person_id", String(32), nullable=False),
    Column("rule", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("control", Text, nullable=False),
    Column("until", Date, nullable=False),
)

account_request = Table(
    "account_request",
    metadata,
    Column("key", String(64), primary_key=True),  # of the proposal that a second person decides
    Column("person_id", String(32), nullable=False, index=True),
    Column("kind", String(24), nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Date),
    Column("about", String(128), nullable=False),
)

term = Table(
    "term",
    metadata,
    # Accounts that are for a time.
    Column("person_id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("owner", String(32), nullable=False),
    Column("until", Date, nullable=False),
    Column("purpose", Text, nullable=False),
)

last_login = Table(
    "last_login",
    metadata,
    # The newest login of a person to each client, from login events or from a bureau's own history.
    Column("person_id", String(32), primary_key=True),
    Column("client", String(255), primary_key=True),
    Column("at", Instant, nullable=False),
)

login_gap = Table(
    "login_gap",
    metadata,
    # Times of which login events are missing: whoever might have logged in then counts as having done so.
    Column("id", Integer, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("covered_at", Instant),  # null: no history covers it
)

tenure = Table(
    "tenure",
    metadata,
    # How long a person holds, or held, a high-risk post: one row for each time without a break.
    Column("person_id", String(32), primary_key=True),
    Column("post", String(48), primary_key=True),
    Column("area", String(24), primary_key=True),
    Column("since", Date, primary_key=True),
    Column("until", Date),  # last day; null: goes on
    Column(
        "seen", Date, nullable=False
    ),  # first day on which we saw it; "since" is a source's word before it
)

announced = Table(
    "announced",
    metadata,
    # What people were told once: a lock that is due on a day, a tenure that ends, a proposal that is late.
    Column("topic", String(32), primary_key=True),
    Column("subject", String(160), primary_key=True),
    Column("at", Instant, nullable=False, index=True),
)

review_item = Table(
    "review_item",
    metadata,
    # One line of a month's 《账号清理清单》.
    Column("key", String(64), primary_key=True),
    Column("month", String(7), nullable=False, index=True),
    Column("county", String(24), nullable=False),
    Column("person_id", String(32)),
    Column("username", String(64), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("detail", Text, nullable=False),
    Column("proposed", String(24), nullable=False),
    Column("deadline", Date, nullable=False),
    Column("answer", String(24)),
    Column("answer_reason", Text),
    Column("answered_by", String(64)),
    Column("answered_at", Instant),
    Column("settled", String(160)),  # what was done with the answer: key of a request, or a digest
)

proposal = Table(
    "proposal",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("summary", Text, nullable=False),
    Column("area", String(24)),
    Column("post", String(48)),
    Column("origin", Text, nullable=False),
    Column("proposer", String(128), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("decided_by", String(64)),
    Column("decided_at", Instant),
    Column("signature", String(256)),
    Column("created_at", Instant, nullable=False),
)

mirror_user = Table(
    "mirror_user",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("body", JSON, nullable=False),
)

mirror_group = Table(
    "mirror_group",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("body", JSON, nullable=False),
)

mirror_role = Table(
    "mirror_role",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("body", JSON, nullable=False),
)

mirror_state = Table(
    "mirror_state",
    metadata,
    Column("realm", String(64), primary_key=True),
    Column("cursor", Instant, nullable=False),
    Column("swept_at", Instant, nullable=False),
)

seen_event = Table(
    "seen_event",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", Instant, nullable=False, index=True),
)

to_judge = Table(
    "to_judge",
    metadata,
    # Users whom an event has told of and who have not been judged since; '*everybody' and '*structure'
    # are what they say.
    Column("user_id", String(36), primary_key=True),
    Column("since", Instant, nullable=False),
)

exposure = Table(
    "exposure",
    metadata,
    # How long somebody held what was not theirs, both times by Keycloak's clock; of a role in a group or in
    # another role, no user.
    Column("event_id", String(64), primary_key=True),
    Column("user_id", String(36), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("subject", String(36), nullable=False),  # id of the group, or a digest of the role's name
    Column("granted_at", Instant, nullable=False),
    Column("revoked_at", Instant, index=True),  # null: still held
)

notice = Table(
    "notice",
    metadata,
    # What people are to be told, once for each way of telling; gone when it was told.
    Column("id", Integer, primary_key=True),
    Column("channel", String(16), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant, nullable=False, index=True),
)

plan = Table(
    "plan",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("planner", String(128), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("base_revision", Integer, nullable=False),
    Column("unsafe", JSON, nullable=False),
    Column("body_sealed", LargeBinary, nullable=False),
    Column("approved_by", String(64)),
    Column("approved_at", Instant),
    Column("finished_at", Instant),
)

journal = Table(
    "journal",
    metadata,
    Column("plan", String(64), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("done_at", Instant, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("kind", String(48), nullable=False, index=True),
    Column("plan", String(64)),
    Column("step", Integer),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    UniqueConstraint("plan", "step", name="one_entry_per_change"),
)

ledger_head = Table(
    "ledger_head",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("realm", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("token", String(32), nullable=False),
    Column("until", Instant, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("source", String(32), nullable=False, index=True),
    Column("locator", Text, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("field", String(64), nullable=False),
    Column("value_kind", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("county", String(24)),
    Column("staff_no", String(64)),
    Column("document_index", String(64)),
    Column("original_sealed", LargeBinary, nullable=False),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
)
Index("quarantine_by_county", quarantine.c.county)

meta = Table(
    "meta",
    metadata,
    Column("key", String(48), primary_key=True),
    Column("value", Text, nullable=False),
)

card_login = Table(
    "card_login",
    metadata,
    # One code of a login by card, and the request it is for. No ID number, no card number, no secret: of
    # what the browser holds its SHA-256.
    Column("id", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("client_id", String(64), nullable=False),
    Column("client_name", String(60), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("client_state", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("code_challenge", String(43), nullable=False),
    Column("scope", Text, nullable=False),
    Column("locale", String(2), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deadline", Instant, nullable=False, index=True),
    Column("expires_at", Instant),
    Column("qr_code", Text),
    # SHA-256 of it, which stays: no code is ever on two screens, whoever made it twice.
    Column("qr_code_hash", String(64), unique=True),
    Column("refreshes", Integer, nullable=False),
    Column("address", String(64), nullable=False),
    Column("browser", String(120), nullable=False),
    Column("refusal", String(32)),
    Column("office", String(120), nullable=False, server_default=""),
    Column("person_id", String(32)),
    Column("subject", String(64)),
    Column("region", String(24), nullable=False, server_default=""),
    Column("authenticated_at", Instant),
    info=dict(PASSING),
)
Index("card_login_open", card_login.c.state, card_login.c.deadline)

bridge_code = Table(
    "bridge_code",
    metadata,
    # Authorization codes, by their SHA-256.
    Column("code_hash", String(64), primary_key=True),
    Column("client_id", String(64), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("code_challenge", String(43), nullable=False),
    Column("scope", Text, nullable=False),
    Column("subject", String(64), nullable=False),
    Column("authenticated_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant),
    info=dict(PASSING),
)

bridge_token = Table(
    "bridge_token",
    metadata,
    # Access tokens for userinfo, by their SHA-256; of a code that comes a second time they are gone.
    Column("token_hash", String(64), primary_key=True),
    Column("code_hash", String(64), nullable=False, index=True),
    Column("client_id", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("scope", Text, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    info=dict(PASSING),
)

bridge_assertion = Table(
    "bridge_assertion",
    metadata,
    # Client assertions that were taken: each counts once (RFC 7523, section 3).
    Column("digest", String(64), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
    info=dict(PASSING),
)

bridge_key = Table(
    "bridge_key",
    metadata,
    # Keys that sign tokens; the private half is wrapped in the bridge's own key, not in the data key.
    Column("kid", String(64), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("public_jwk", JSON, nullable=False),
    Column("private_wrapped", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("signs_from", Instant, nullable=False),
    Column("published_until", Instant),  # null: not retired
    info=dict(PASSING),
)

login_record = Table(
    "login_record",
    metadata,
    # Who logged in by card, when, from where, and how it ended: written once by the bridge, taken into the
    # ledger by the daemon, which has the key for it.
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("outcome", String(32), nullable=False),
    Column("person_id", String(32), index=True),
    Column("client_id", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("browser", String(120), nullable=False),
    Column("region", String(24), nullable=False),
    Column("noted_at", Instant),  # null: not in the ledger yet
)
