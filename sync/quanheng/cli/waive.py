"""``quanheng waive``."""

from __future__ import annotations

from datetime import date

from quanheng.cli.deciding import authenticate
from quanheng.cli.proposals import proposal_payload
from quanheng.cli.session import Given
from quanheng.errors import ConfigurationError
from quanheng.operations.waiving import ask_waiver, prepare_waiver


def waive(
    user: str,
    /,
    *,
    rule: str,
    reason: str,
    control: str,
    until: str,
    open_with: str | None = None,
    session: Given,
) -> None:
    """Ask that a rule not count for somebody until a day. A second person decides with 'approve'.

    Only rules whose text leaves room (原则上). Whoever asks logs in to the realm in a browser, and is not
    the one who approves; nor is the person concerned.

    Parameters
    ----------
    user
        User name, or staff number, of the person concerned.
    rule
        Id of the rule, as 'explain' and 'predict' name it.
    reason
        Why; goes into the ledger.
    control
        The compensating control (防控措施); goes into the ledger.
    until
        Last day, YYYY-MM-DD in China, at most a year ahead. The waiver ends by itself.
    open_with
        Program that is given the address to log in at; otherwise the address is shown.
    """
    context = session.context
    # Everything is seen to first: nobody logs in for something that cannot be.
    asked = prepare_waiver(context, user, rule, reason=reason, control=control, until=_day(until))
    person = authenticate(session, open_with, role="申请人")
    proposal = ask_waiver(context, asked, person)
    session.report(
        {
            "asked_by": str(person.username),
            "until": asked.waiver.until,
            "proposal": proposal_payload(proposal),
        },
        lambda out: out.print(
            f"已登记豁免申请 {proposal.key[:12]}。须第二人批准：quanheng approve {proposal.key[:12]}；"
            f"批准后至 {asked.waiver.until.isoformat()} 有效，到期自动终止。"
        ),
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            "--until is not a day of the calendar", remedy="write it like 2026-12-31"
        ) from None
