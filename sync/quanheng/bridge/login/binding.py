"""What binds a login to the browser that began it (RFC 10027: the one who finishes is the one who began)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.responses import Response

from quanheng.bridge.values import LOGIN_ID_BYTES, SECRET_BYTES, LoginId
from quanheng.model.sensitive import Sensitive

COOKIE_PREFIX: Final = "__Host-qh-"
"""``__Host-``: of this host alone, over TLS, for every path (RFC 6265bis, section 4.1.3.2)."""
COOKIES: Final = 5
"""Logins that one browser has under way."""
_SHOWN: Final = 8
_ID: Final = re.compile(r"[A-Za-z0-9_-]{32}")


def new_login_id() -> LoginId:
    """Random, 192 bits."""
    return LoginId(secrets.token_urlsafe(LOGIN_ID_BYTES))


def login_id(text: str) -> LoginId | None:
    """The id in an address, if it has the form of one."""
    return LoginId(text) if _ID.fullmatch(text) else None


def new_browser_secret() -> Sensitive:
    """Random, 256 bits."""
    return Sensitive(secrets.token_urlsafe(SECRET_BYTES))


def browser_hash(secret: Sensitive) -> str:
    """What the store keeps of it."""
    return hashlib.sha256(secret.reveal().encode()).hexdigest()


def held_secret(cookies: Mapping[str, str], login: LoginId) -> Sensitive | None:
    """What the browser holds for a login, whether or not it is right."""
    found = cookies.get(_name(login))
    return Sensitive(found) if found else None


def is_holder(secret: Sensitive | None, stored_hash: str) -> bool:
    """Whether the browser is the one that began; in constant time. Nobody is that of an empty hash."""
    shown = browser_hash(secret) if secret is not None else ""
    return hmac.compare_digest(shown, stored_hash) and bool(stored_hash)


def csrf_token(secret: Sensitive, login: LoginId) -> str:
    """What a form of ours sends along: nobody can compute it without the browser's secret."""
    digest = hmac.digest(secret.reveal().encode(), b"form:" + login.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_csrf_token(shown: str, secret: Sensitive, login: LoginId) -> bool:
    """Whether a form is ours; in constant time."""
    return hmac.compare_digest(shown.encode(), csrf_token(secret, login).encode())


def give_cookie(response: Response, login: LoginId, secret: Sensitive, seconds: int) -> None:
    """Have the browser hold the secret."""
    _put(response, _name(login), secret.reveal(), seconds)


def drop_cookie(response: Response, login: LoginId) -> None:
    """Have the browser forget it."""
    _put(response, _name(login), "", 0)


def drop_surplus(response: Response, cookies: Sequence[str]) -> None:
    """Make room for one more login; ``cookies`` are the names that the browser sent, in its order.

    Browsers send the oldest first (RFC 6265, section 5.4).
    """
    ours = [name for name in cookies if re.fullmatch(COOKIE_PREFIX + r"[A-Za-z0-9_-]{1,64}", name)]
    for name in ours[: max(0, len(ours) - COOKIES + 1)]:
        _put(response, name, "", 0)


def _name(login: LoginId) -> str:
    return COOKIE_PREFIX + login[:_SHOWN]


def _put(response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")
