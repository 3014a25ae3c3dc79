"""``quanheng approve``."""

from __future__ import annotations

from quanheng.cli.deciding import Choice, decide_chosen
from quanheng.cli.session import Given


def approve(*key: str, choice: Choice | None = None, session: Given) -> None:
    """Approve proposals as a second person, who logs in to the realm in a browser.

    All of them or none: one that is not this person's to decide refuses the rest too.

    Parameters
    ----------
    key
        Keys from 'quanheng proposals' (8 characters or more), or the digest of an unsafe plan.
    """
    decide_chosen(session, key, choice or Choice(), approve=True)
