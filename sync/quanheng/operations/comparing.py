"""A realm that was read, beside what the last accepted readings and decisions ask for. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from quanheng.clock import day_in_china
from quanheng.engine.adopt import Adopted, adopt_accounts
from quanheng.engine.desired import Desired
from quanheng.engine.diff import Difference
from quanheng.model.realm import ObservedRealm
from quanheng.model.registry import Registry
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded
from quanheng.operations.planning import compare
from quanheng.operations.trust import Trusted, read_trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Both sides, and how they differ."""

    observed: ObservedRealm
    trusted: Trusted
    adopted: Adopted
    desired: Desired
    difference: Difference

    @property
    def registry(self) -> Registry:
        """With the accounts as they are now."""
        return self.adopted.registry


def compare_observed(context: Context, observed: ObservedRealm) -> Compared:
    """Compare a whole realm."""
    keyring = context.keyring
    with context.database.reading() as connection:
        trusted = read_trusted(connection, keyring)
    adopted = adopt_accounts(trusted.registry, observed, today=day_in_china(context.clock()))
    desired, difference = compare(context, adopted.registry, observed, read_recoded(context))
    return Compared(
        observed=observed, trusted=trusted, adopted=adopted, desired=desired, difference=difference
    )
