"""Sealing: new credentials for the accounts that break the glass, each in a file for one envelope.

They are shown nowhere else and kept nowhere: whoever loses an envelope seals again.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from quanheng.clock import CHINA
from quanheng.errors import ConfigurationError, QuanhengError, RefusedError
from quanheng.identity.files import link_new, write_private
from quanheng.keycloak.credentials import Credential
from quanheng.keycloak.glass import OTP_DIGITS, OTP_SECONDS, GlassAccounts
from quanheng.keycloak.open import connect_admin
from quanheng.keycloak.password_policy import meets
from quanheng.ledger.chain import Ledger
from quanheng.logs import get_logger
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId, Username
from quanheng.model.sensitive import Sensitive
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import (
    MADE,
    SEALED,
    GlassAccount,
    digest_of_marks,
    names_of_glass,
    read_glass,
)
from quanheng.operations.noting import note
from quanheng.policy.schema_lifecycle import Passwords

log = get_logger(__name__)

_READABLE: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
"""Without what is taken for something else on paper: I, l, 1, O, o, 0."""
UNFINISHED: Final = ".unfinished"
"""After the name of a file whose credentials do not hold yet."""
_GROUPS: Final = 4
_GROUP: Final = 6
_OTP_BYTES: Final = 20
"""As long as what HMAC-SHA-1 gives (RFC 4226, section 4)."""


def seal_accounts(
    context: Context, admin: Credential, folder: Path, only: Collection[Username] = ()
) -> tuple[Path, ...]:
    """Make or renew the sealed accounts (``only`` these), and write a file for each; returns the files.

    What an account had before, password, one-time password and sessions, ends once its file is written. When
    that goes wrong half way the account is switched off, and its file is gone. A file is called
    ``….unfinished`` until its sealing is written down: after one that is left by a process that was killed
    the account has to be sealed again. Of two that seal one account into one folder at once, the later ends
    with the account switched off. Raises
    :class:`ConfigurationError` before anything is done when a file is there already or cannot be written;
    :class:`RefusedError` when somebody else made an account of such a name.
    """
    names = names_of_glass(context)
    if unknown := sorted(set(only) - set(names)):
        raise ConfigurationError(
            f"there is no sealed account '{unknown[0]}'", remedy=f"name one of {', '.join(names)}"
        )
    files = {name: folder / f"{name}.txt" for name in names if not only or name in only}
    _require_room(folder, files.values())
    keyring = context.keyring
    with context.database.reading() as connection:
        begun = Ledger(connection, keyring, context.clock).last() is not None
        known = {account.name: account for account in read_glass(context, connection)}
    if not begun:
        raise RefusedError(
            "there is no ledger yet in which the sealing could be written down",
            remedy="run 'quanheng bootstrap' first",
        )
    with connect_admin(context.settings.keycloak, admin) as connection:
        accounts = GlassAccounts(connection)
        address = accounts.address()
        for name, file in files.items():
            _seal(context, accounts, known[name], file, address, admin.label)
    return tuple(files.values())


def _require_room(folder: Path, files: Collection[Path]) -> None:
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: is no folder", remedy="make it first, for yourself alone")
    for file in files:
        if file.exists() or file.is_symlink():
            raise ConfigurationError(
                f"{file}: is there already", remedy="put it into its envelope, or name another folder"
            )


def _seal(
    context: Context, accounts: GlassAccounts, known: GlassAccount, file: Path, address: str, by: str
) -> None:
    user = _account(context, accounts, known, by)
    # Of its own name: who else seals at the same time finds the page there in the end, and not this one.
    unfinished = file.with_name(f"{file.name}.{secrets.token_hex(4)}{UNFINISHED}")
    password = _new_password(context.pack.lifecycle.passwords)
    otp = Sensitive(base64.b32encode(secrets.token_bytes(_OTP_BYTES)).decode())
    # Before they hold, and before the old ones end: what holds and was not written would be lost.
    write_private(unfinished, _page(context, known.name, password, otp, address).encode())
    with _undone(accounts, user, unfinished):
        accounts.void(user)
        accounts.empower(user)
        body: dict[str, Json] = {
            "account": str(known.name),
            "user": str(user),
            "administrator": by,
            "credentials": digest_of_marks(accounts.arm(user, password, otp)),
        }
        with context.database.transaction() as connection:
            note(context, connection, SEALED, body)
        link_new(unfinished, file)
    unfinished.unlink()


@contextmanager
def _undone(accounts: GlassAccounts, user: KeycloakId, file: Path) -> Iterator[None]:
    """Whatever went wrong: the account may have taken the new credentials although the answer was lost. No
    account is left on that nobody knows the credentials of."""
    try:
        yield
    except BaseException:
        try:
            accounts.void(user)
        except QuanhengError as error:
            log.error("the account may be on: seal it again", account=str(user), problem=str(error))  # noqa: TRY400 -- expected
        file.unlink(missing_ok=True)
        raise


def _account(context: Context, accounts: GlassAccounts, known: GlassAccount, by: str) -> KeycloakId:
    """The account, made when there is none. Its id is known before it has anything: nobody takes it for a
    stranger's then."""
    found = accounts.find(known.name)
    if found is not None:
        if found != known.id:
            raise RefusedError(
                f"there is an account '{known.name}' that quanheng did not make",
                remedy="see in Keycloak's console what it is, and delete it there; then seal again",
            )
        return found
    moment = accounts.server_time()
    made = accounts.make(known.name, f"应急账号 {known.name.rpartition('-')[2]}")
    body: dict[str, Json] = {
        "account": str(known.name),
        "user": str(made),
        "administrator": by,
        "since": moment.isoformat(),
    }
    with context.database.transaction() as connection:
        note(context, connection, MADE, body)
    return made


def _new_password(rules: Passwords | None) -> Sensitive:
    """One that Keycloak takes: of so many signs at random one in forty has no digit."""
    count, between = _GROUPS, "-"
    if rules is not None:
        count = max(count, ceil(max(rules.length, rules.administrator_length) / _GROUP))
        between *= max(1, ceil(rules.special / (count - 1)))
    while True:
        groups = ("".join(secrets.choice(_READABLE) for _ in range(_GROUP)) for _ in range(count))
        password = between.join(groups)
        if rules is None or meets(rules, password):
            return Sensitive(password)


def _page(context: Context, name: Username, password: Sensitive, otp: Sensitive, address: str) -> str:
    """What lies in the envelope, for somebody who never saw it."""
    secret = otp.reveal()
    question = {
        "secret": secret,
        "issuer": f"quanheng {context.realm_name}",
        "algorithm": "SHA1",
        "digits": OTP_DIGITS,
        "period": OTP_SECONDS,
    }
    label = quote(f"{question['issuer']}:{name}")
    uri = f"otpauth://totp/{label}?{urlencode(question, quote_via=quote)}"
    spaced = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    at = context.clock().astimezone(CHINA)
    return f"""权衡 应急账号（域 {context.realm_name}）
封存时间：{at:%Y-%m-%d %H:%M}

用户名：{name}
口令：{password.reveal()}
动态口令密钥：{spaced}
动态口令 URI：{uri}
登录地址：{address}

用法：在手机的动态口令应用中手工输入密钥（基于时间，{OTP_DIGITS} 位，{OTP_SECONDS} 秒）；
用浏览器打开登录地址，依次输入用户名、口令（含短横线）和动态口令。
每次登录都会通知有关人员并记入台账。用后须重新封存。
"""
