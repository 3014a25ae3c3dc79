"""``quanheng approve``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from quanheng.cli.deciding import choose, decide_keys
from quanheng.cli.session import Given


def approve(
    *key: str,
    area: str | None = None,
    post: str | None = None,
    yes: Annotated[bool, Parameter(negative=())] = False,
    open_with: str | None = None,
    session: Given,
) -> None:
    """Approve proposals as a second person, who logs in to the realm in a browser.

    All of them or none: one that is not this person's to decide refuses the rest too.

    Parameters
    ----------
    key
        Keys from 'quanheng proposals' (8 characters or more), or the digest of an unsafe plan.
    area
        Everything that waits in this area; it is listed first. Never includes an unsafe plan.
    post
        With --area, only this post.
    yes
        Do not ask whether the list is right.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    keys = choose(session, key, area, post, yes=yes)
    decide_keys(session, keys, approve=True, open_with=open_with)
