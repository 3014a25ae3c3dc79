"""OpenID Connect RP-Initiated Logout 1.0. There is no session here to end: it only finds the way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt

from quanheng.bridge.provider.asking import MAX_TOKEN, with_parameters
from quanheng.bridge.provider.signing import ALGORITHM, SigningKeys
from quanheng.bridge.settings import ProviderClientSettings

_SIGNATURE_ALONE: Final[Any] = {
    # A token that has expired still says whose it was (section 4).
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_sub": False,
    "verify_jti": False,
}


class Leaving:
    """Judges requests to log out."""

    def __init__(self, issuer: str, clients: Sequence[ProviderClientSettings], keys: SigningKeys) -> None:
        self._issuer = issuer
        self._clients: Mapping[str, ProviderClientSettings] = {item.client_id: item for item in clients}
        self._keys = keys

    def way_back(self, parameters: Sequence[tuple[str, str]]) -> str | None:
        """Where to redirect to; None when no address was given, or it is not certainly the client's."""
        given = dict(parameters)
        if any(count > 1 for count in Counter(name for name, _ in parameters).values()):
            return None
        wanted, state = given.get("post_logout_redirect_uri", ""), given.get("state", "")
        client = self._clients.get(given.get("client_id", ""))
        if "id_token_hint" in given:
            hinted = self._hinted(given["id_token_hint"])
            if hinted is None or given.get("client_id", hinted.client_id) != hinted.client_id:
                return None
            client = hinted
        if client is None or wanted not in client.post_logout_redirect_uris:
            return None
        if len(state) > MAX_TOKEN or not state.isprintable():
            return None
        return with_parameters(wanted, {"state": state}) if state else wanted

    def _hinted(self, token: str) -> ProviderClientSettings | None:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = next(item for item in self._keys.published() if item["kid"] == kid)
            public = jwt.PyJWK(key).key
            claims = jwt.decode(token, public, algorithms=[ALGORITHM], options=_SIGNATURE_ALONE)
        except (jwt.PyJWTError, StopIteration):
            return None
        return self._clients.get(str(claims.get("aud"))) if claims.get("iss") == self._issuer else None
