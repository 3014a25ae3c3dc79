"""Keycloak's own LDAP federation: the same people as users, by the server itself."""

from __future__ import annotations

from typing import Any, Final

from bench.harness import PEOPLE_DN, BenchRealm

_ATTRIBUTES: Final = {"org_code": "qhOrgCode", "staff_no": "employeeNumber"}
"""What quanheng keeps of an entry too. Its third, the person's id, is here the ``LDAP_ID`` that the
federation adds by itself; it adds ``LDAP_ENTRY_DN`` as a fourth."""
_UNUSED: Final = ("last name", "email", "creation date", "modify date")
"""Mappers that come with a new provider and would write what quanheng does not: removed, which saves the
federation their time."""


class Federation:
    """An LDAP provider of a realm: users imported and read-only, batch size as it comes (1000)."""

    def __init__(self, realm: BenchRealm) -> None:
        self._admin = realm.administrator
        slapd = realm.servers.slapd
        config = {
            "enabled": "true",
            "vendor": "other",
            "connectionUrl": slapd.url,
            "authType": "simple",
            "bindDn": slapd.bind_dn,
            "bindCredential": slapd.bind_password,
            "usersDn": PEOPLE_DN,
            "searchScope": "2",
            "usernameLDAPAttribute": "uid",
            "rdnLDAPAttribute": "uid",
            "uuidLDAPAttribute": "entryUUID",
            "userObjectClasses": "inetOrgPerson, qhStaff",
            "editMode": "READ_ONLY",
            "importEnabled": "true",
            "syncRegistrations": "false",
            "pagination": "true",
            "fullSyncPeriod": "-1",
            "changedSyncPeriod": "-1",
        }
        self._id = self._create("ldap", "org.keycloak.storage.UserStorageProvider", config)
        self._choose_mappers()

    def sync(self, *, changed_only: bool = False) -> dict[str, int]:
        """Have the server synchronise; it answers when it is done."""
        action = "triggerChangedUsersSync" if changed_only else "triggerFullSync"
        path = self._admin.realm_path(f"/user-storage/{self._id}/sync")
        answer = self._admin.request("POST", path, params={"action": action}).json()
        return {kind: answer[kind] for kind in ("added", "updated", "removed", "failed")}

    def _choose_mappers(self) -> None:
        admin = self._admin
        for mapper in admin.get(admin.realm_path("/components"), parent=self._id):
            if mapper["name"] in _UNUSED:
                admin.request("DELETE", admin.realm_path(f"/components/{mapper['id']}"))
        for name, attribute in _ATTRIBUTES.items():
            config = {
                "user.model.attribute": name,
                "ldap.attribute": attribute,
                "read.only": "true",
                "always.read.value.from.ldap": "false",
                "is.mandatory.in.ldap": "false",
            }
            kind = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper"
            self._create("user-attribute-ldap-mapper", kind, config, name=name)

    def _create(self, provider: str, kind: str, config: dict[str, str], name: str = "ldap") -> str:
        admin = self._admin
        body: dict[str, Any] = {
            "name": name,
            "providerId": provider,
            "providerType": kind,
            "config": {key: [value] for key, value in config.items()},
        }
        if kind.endswith("Mapper"):
            body["parentId"] = self._id
        made = admin.request("POST", admin.realm_path("/components"), json=body)
        return made.headers["Location"].rsplit("/", 1)[1]
