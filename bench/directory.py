"""Changing entries of the bench's slapd, as a bureau does between two runs."""

from __future__ import annotations

import warnings
from base64 import b64decode
from types import TracebackType
from typing import Any, Final, Self

from deploy.local.slapd import SUFFIX, RunningSlapd
from tests.fixtures.people import Population, SyntheticRow, build_ldif

from bench.harness import PEOPLE_DN, POSTS_DN

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 2.9.1 uses old names of pyasn1
    import ldap3

_CLASS: Final = "objectClass"


class Writer:
    """Writes as the directory's administrator. Every method raises when the server refuses."""

    def __init__(self, slapd: RunningSlapd) -> None:
        server = ldap3.Server(slapd.url, get_info=ldap3.NONE)
        self._connection: Any = ldap3.Connection(
            server, slapd.admin_dn, slapd.admin_password, raise_exceptions=True
        )
        self._names: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._connection.bind()
        found = self._connection.extend.standard.paged_search(
            PEOPLE_DN, "(objectClass=qhStaff)", attributes=["uid"], paged_size=1000
        )
        self._names = {entry["raw_attributes"]["uid"][0].decode(): entry["dn"] for entry in found}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.unbind()

    def change(self, row: SyntheticRow, **attributes: str) -> None:
        """Replace attributes of a person's entry."""
        changes = {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in attributes.items()}
        self._connection.modify(self._names[row.staff_no], changes)

    def add(self, row: SyntheticRow, population: Population) -> None:
        """Add a person's entry, and the person to the group of the post."""
        name, attributes = _entry(build_ldif([row], population.units, SUFFIX), row.staff_no)
        self._connection.add(name, attributes.pop(_CLASS), attributes)
        self._connection.modify(f"cn={row.post},{POSTS_DN}", {"member": [(ldap3.MODIFY_ADD, [name])]})


def _entry(ldif: str, uid: str) -> tuple[str, dict[str, list[str]]]:
    """The entry of one person from an LDIF whose lines are not folded."""
    for block in ldif.split("\n\n"):
        attributes: dict[str, list[str]] = {}
        for line in block.splitlines():
            name, _, value = line.partition(":")
            text = b64decode(value[2:]).decode() if value.startswith(": ") else value.removeprefix(" ")
            attributes.setdefault(name, []).append(text)
        if attributes.get("uid") == [uid]:
            return attributes.pop("dn")[0], attributes
    raise ValueError(f"no entry of {uid}")
