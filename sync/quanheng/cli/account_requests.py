"""What is asked for an account by command: unlock, unfreeze, restore, exempt, deregister."""

from __future__ import annotations

from datetime import date

from quanheng.cli.deciding import authenticate
from quanheng.cli.proposals import proposal_payload
from quanheng.cli.session import Given, Session
from quanheng.errors import ConfigurationError
from quanheng.model.person import RequestKind
from quanheng.operations.lifecycle.requesting import REQUESTS, ask_request, prepare_request


def accounts_restore(
    user: str,
    /,
    *,
    reason: str,
    until: str | None = None,
    open_with: str | None = None,
    session: Given,
) -> None:
    """Ask for an account back that was deregistered, or whose time is over. A second person decides.

    Parameters
    ----------
    user
        User name or staff number.
    reason
        Why; goes into the ledger. No ID number and no phone.
    until
        The new last day, YYYY-MM-DD, of an account whose time is over; only for such a one.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    ask_for(session, user, RequestKind.RESTORE, reason=reason, until=until, open_with=open_with)


def accounts_exempt(
    user: str,
    /,
    *,
    reason: str,
    until: str,
    open_with: str | None = None,
    session: Given,
) -> None:
    """Ask that an account not be locked for not logging in, until a day. A second person decides.

    Parameters
    ----------
    user
        User name or staff number.
    reason
        Why; goes into the ledger. No ID number and no phone.
    until
        Last day, YYYY-MM-DD in China, at most 12 months ahead; it ends by itself.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    ask_for(session, user, RequestKind.EXEMPT, reason=reason, until=until, open_with=open_with)


def accounts_deregister(user: str, /, *, reason: str, open_with: str | None = None, session: Given) -> None:
    """Ask that an account be deregistered (注销): off and without duties, its record kept. A second person
    decides.

    Parameters
    ----------
    user
        User name or staff number.
    reason
        Why; goes into the ledger. No ID number and no phone.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    ask_for(session, user, RequestKind.DEREGISTER, reason=reason, open_with=open_with)


def ask_for(
    session: Session,
    user: str,
    kind: RequestKind,
    *,
    reason: str,
    until: str | None = None,
    open_with: str | None = None,
) -> None:
    """Have an administrator log in and ask for something, and report the proposal."""
    context = session.context
    # Everything is seen to first: nobody logs in for something that cannot be.
    asked = prepare_request(context, user, kind, reason=reason, until=_day(until))
    person = authenticate(session, open_with, role="申请人")
    proposal = ask_request(context, asked, person)
    session.report(
        {
            "username": str(asked.username),
            "request": str(kind),
            "until": asked.request.until,
            "asked_by": str(person.username),
            "proposal": proposal_payload(proposal),
        },
        lambda out: out.print(
            f"已登记{REQUESTS[kind]}申请 {proposal.key[:12]}（{asked.username}）。"
            f"须第二人批准：quanheng approve {proposal.key[:12]}；批准后立即生效。"
        ),
    )


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError("--until is no day", remedy="write it as 2026-12-31") from None
