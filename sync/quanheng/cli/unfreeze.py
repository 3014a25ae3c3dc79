"""``quanheng unfreeze``."""

from __future__ import annotations

from quanheng.cli.account_requests import ask_for
from quanheng.cli.session import Given
from quanheng.model.person import RequestKind


def unfreeze(user: str, /, *, reason: str, open_with: str | None = None, session: Given) -> None:
    """Ask for an account back that is frozen, by command or in the console. A second person decides.

    Whoever asks is an administrator of that county or above, logs in to the realm in a browser, and is
    neither the person concerned nor the one who approves.

    Parameters
    ----------
    user
        User name or staff number.
    reason
        Why; goes into the ledger. No ID number and no phone.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    ask_for(session, user, RequestKind.UNFREEZE, reason=reason, open_with=open_with)
