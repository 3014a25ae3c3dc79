"""``quanheng reject``."""

from __future__ import annotations

from quanheng.cli.deciding import Choice, decide_chosen
from quanheng.cli.session import Given


def reject(*key: str, choice: Choice | None = None, session: Given) -> None:
    """Reject proposals as a second person, who logs in to the realm in a browser.

    What a source still says is not proposed again; an approval given by mistake is not undone by this.
    All of them or none.

    Parameters
    ----------
    key
        Keys from 'quanheng proposals' (8 characters or more), or the digest of an unsafe plan.
    """
    decide_chosen(session, key, choice or Choice(), approve=False)
