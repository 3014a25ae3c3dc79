"""Whether Keycloak holds what it should, read live. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quanheng.keycloak.compare import Difference as ConfigurationGap
from quanheng.model.change import Change
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.realm import ObservedRealm
from quanheng.operations.administering import administrators_of
from quanheng.operations.answering.powers import judge_powers
from quanheng.operations.comparing import Compared, compare_observed
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import ids_of_glass
from quanheng.operations.glass.judging import find_glass
from quanheng.operations.lifecycle.tenure import find_tenures
from quanheng.operations.realm import read_drift
from quanheng.operations.refresh import read_live
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
    compared = compare_observed(context, observed)
    administrators = _administrators(context, compared)
    report = _report(compared, administrators)
    powers = judge_powers(context, compared)
    return replace(
        report,
        findings=(
            *report.findings,
            *find_glass(context, observed.groups),
            *find_tenures(context),
            *powers.findings({item.user: frozenset(item.ways) for item in administrators}),
        ),
        configuration=drift.differences,
        configuration_not_seen=drift.not_seen,
    )


def check_observed(context: Context, observed: ObservedRealm) -> CheckReport:
    """The same for a realm that was read already, without its configuration and permissions."""
    compared = compare_observed(context, observed)
    return _report(compared, _administrators(context, compared))


def _administrators(context: Context, compared: Compared) -> Sequence[Administrator]:
    observed = compared.observed
    people = {account.keycloak_id for account in compared.registry.accounts.values()}
    return list(
        administrators_of(context, observed).find(
            observed.users.values(), people, context.realm.own_actors, ids_of_glass(context)
        )
    )


def _report(compared: Compared, administrators: Sequence[Administrator]) -> CheckReport:
    return CheckReport(
        differences=compared.difference.changes,
        findings=(
            *compared.trusted.findings,
            *compared.adopted.findings,
            *compared.desired.findings,
            *compared.difference.findings,
            *map(_finding_of, administrators),
        ),
        users=len(compared.observed.users),
        groups=len(compared.observed.groups),
    )


def _finding_of(found: Administrator) -> Finding:
    remedy = "本系统无权收回此类角色，请主域管理员在控制台该用户（或所列组、角色）的“角色映射”中移除"
    return Finding(
        kind=FindingKind.ADMINISTRATOR,
        subject=str(found.username),
        detail=f"{describe(found)}；{remedy}",
        violation=True,
    )
