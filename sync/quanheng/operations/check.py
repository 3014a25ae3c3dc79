"""Whether Keycloak holds what it should, read live. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quanheng.clock import day_in_china
from quanheng.engine.adopt import adopt_accounts
from quanheng.keycloak.compare import Difference as ConfigurationGap
from quanheng.model.change import Change
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.realm import ObservedRealm
from quanheng.operations.administering import administrators_of
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded
from quanheng.operations.planning import compare
from quanheng.operations.realm import read_drift
from quanheng.operations.refresh import read_live
from quanheng.operations.trust import read_trusted
from quanheng.policy.administration import Administrator, describe


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What differs (ours) and what is only told (foreign, waiting, held)."""

    differences: tuple[Change, ...]
    findings: tuple[Finding, ...]
    users: int
    groups: int
    configuration: tuple[ConfigurationGap, ...] = ()
    """Settings of the realm that are not as ``keycloak-config/`` wants them, foreign ones included."""
    configuration_not_seen: tuple[str, ...] = ()
    """Parts of the configuration that the daily client may not read; 'quanheng realm status' does."""

    @property
    def clean(self) -> bool:
        """Whether everything that is ours is as it should be."""
        return not (
            self.differences
            or any(finding.violation for finding in self.findings)
            or any(not gap.foreign for gap in self.configuration)
        )


def check(context: Context) -> CheckReport:
    """Compare the realm, read live, with what the last accepted readings and decisions ask for."""
    observed = read_live(context.realm)
    drift = read_drift(context)
    return replace(
        check_observed(context, observed),
        configuration=drift.differences,
        configuration_not_seen=drift.not_seen,
    )


def check_observed(context: Context, observed: ObservedRealm) -> CheckReport:
    """The same for a realm that was read already, without its configuration."""
    today = day_in_china(context.clock())
    keyring = context.keyring
    with context.database.reading() as connection:
        trusted = read_trusted(connection, keyring)
    registry = trusted.registry
    recoded = read_recoded(context)
    adopted = adopt_accounts(registry, observed, today=today)
    desired, difference = compare(context, adopted.registry, observed, recoded)
    people = {account.keycloak_id for account in adopted.registry.accounts.values()}
    administrators = administrators_of(context, observed).find(
        observed.users.values(), people, context.realm.own_actors
    )
    return CheckReport(
        differences=difference.changes,
        findings=(
            *trusted.findings,
            *adopted.findings,
            *desired.findings,
            *difference.findings,
            *map(_finding_of, administrators),
        ),
        users=len(observed.users),
        groups=len(observed.groups),
    )


def _finding_of(found: Administrator) -> Finding:
    return Finding(
        kind=FindingKind.ADMINISTRATOR, subject=str(found.username), detail=describe(found), violation=True
    )
