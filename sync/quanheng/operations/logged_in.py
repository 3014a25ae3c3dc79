"""Whoever logged in, as the realm has that person now: a token outlives its account."""

from __future__ import annotations

from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.model.realm import RealmUser
from quanheng.operations.context import Context


def account_of(context: Context, person: AuthenticatedPerson) -> RealmUser:
    """The account, read live.

    Raises :class:`RefusedError` when it is gone, disabled, or another of the same name.
    """
    user = context.realm.find_user(person.username)
    if user is None or not user.enabled or str(user.id) != person.subject:
        raise RefusedError(f"{person.username} is not an enabled account", remedy="log in again")
    return user
