"""Servers, people and realms that the benches share."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from unicodedata import normalize

from deploy.local.guard import GuardOptions
from deploy.local.keycloak import RunningKeycloak, ServerDatabase, start_keycloak, stop_keycloak
from deploy.local.ports import free_port
from deploy.local.postgres import LocalPostgres
from deploy.local.server_database import create_server_database
from deploy.local.slapd import SUFFIX, RunningSlapd, start_slapd, stop_slapd
from tests.fixtures.ldif import PEOPLE_OU, POSTS_OU
from tests.fixtures.people import Population, build_ldif, generate_many, write_feed

from bench.measure import EMBEDDED, say
from quanheng.clock import system_clock
from quanheng.config import KeycloakSettings, read_settings
from quanheng.identity.keys import generate_keys
from quanheng.identity.rules_key import PUBLIC, make_rules_key
from quanheng.keycloak.clients import close_configurator, open_configurator
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.credentials import AdminPassword
from quanheng.keycloak.open import connect_admin, open_realm
from quanheng.logs import start_logs
from quanheng.model.ids import PostId, StaffNo
from quanheng.model.realm import NewUser
from quanheng.model.sensitive import Sensitive
from quanheng.model.staff import OrgUnit
from quanheng.operations.bootstrap import bootstrap, make_seals
from quanheng.operations.client_keys import make_client_keys
from quanheng.operations.context import Context
from quanheng.operations.realm import RealmOptions, apply_realm
from quanheng.operations.synchronise import synchronise

PEOPLE_DN: Final = f"ou={PEOPLE_OU},{SUFFIX}"
POSTS_DN: Final = f"ou={POSTS_OU},{SUFFIX}"
BATCH: Final = 25
"""Users per ``partialImport``."""
_TOLD_EACH: Final = 10_000
_ROOT: Final = Path(__file__).parent.parent
_TEMPLATE: Final = """\
packs = ["{pack}"]
keys_directory = "keys"

[keycloak]
url = "{keycloak}"
realm = "{realm}"
timeout_seconds = 3600
workers = {workers}
batch_size = {batch_size}
sync = {{ client_id = "quanheng-sync", key_file = "keys/quanheng-sync.pem" }}
configurator = {{ client_id = "quanheng-configurator", key_file = "keys/quanheng-configurator.pem" }}

[[sources]]
"""
_FEED: Final = """\
kind = "feed"
id = "hr"
directory = "feed"
"""
_LDAP: Final = """\
kind = "ldap"
id = "ldap"
url = "{url}"
tls = "starttls"
ca_file = "{ca_file}"
bind_dn = "{bind_dn}"
password_file = "{password_file}"
people_base = "{people}"
posts_base = "{posts}"
scope = [{scope}]
"""


def make_people(count: int) -> Population:
    """Operators of townships, villages and bank branches of 忻州, all of them in the directory."""
    population = generate_many(count, source="hr")
    people = tuple(
        # A directory that is written to over LDAP takes no full-width digits as a phone.
        replace(row, source="ldap", phone=normalize("NFKC", row.phone))
        for row in population.people
    )
    return replace(population, people=people)


@dataclass(frozen=True, kw_only=True)
class Servers:
    """A Keycloak and a slapd, both of this bench alone."""

    keycloak: RunningKeycloak
    slapd: RunningSlapd
    folder: Path
    database: ServerDatabase | None = None
    """Keycloak's; None: the embedded one."""

    @property
    def pids(self) -> Mapping[str, int]:
        """For :func:`bench.measure.measured`."""
        return {"keycloak": self.keycloak.pid, "slapd": self.slapd.pid}

    @cached_property
    def administrator(self) -> AdminPassword:
        """Of the master realm."""
        return AdminPassword(self.keycloak.admin_user, Sensitive(self.keycloak.admin_password))


@contextmanager
def started_servers(
    population: Population, *, guarded: str | None = None, database: str = EMBEDDED
) -> Iterator[Servers]:
    """Start both, the directory holding ``population``; stop them and remove everything in the end.

    With ``guarded`` the server has the guard, which guards the :class:`BenchRealm` of that name, and believes
    the rules of no other. ``database``: :data:`EMBEDDED`, or :data:`POSTGRESQL`, one that syncs to the disk.
    """
    folder = Path(tempfile.mkdtemp(prefix="quanheng-bench-"))
    keycloak: RunningKeycloak | None = None
    slapd: RunningSlapd | None = None
    try:
        say(f"starting slapd with {len(population.people):,} people, and Keycloak")
        ldif = folder / "people.ldif"
        ldif.write_text(build_ldif(population.people, population.units, SUFFIX), encoding="utf-8")
        slapd = start_slapd(folder / "slapd", ldif)
        guard = None
        if guarded is not None:
            keys = folder / guarded / "keys"
            make_rules_key(keys)
            guard = GuardOptions(public_keys=(keys / PUBLIC,), required_realms=(guarded,))
        with _database(database) as own:
            keycloak = start_keycloak(folder / "keycloak", heap="2g", guard=guard, database=own)
            yield Servers(keycloak=keycloak, slapd=slapd, folder=folder, database=own)
    finally:
        if keycloak is not None:
            stop_keycloak(keycloak.pid, hard=True)  # nothing of it is kept
        if slapd is not None:
            stop_slapd(slapd)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database(kind: str) -> Iterator[ServerDatabase | None]:
    if kind == EMBEDDED:
        yield None
        return
    # Not below the bench's own folder: that is this user's alone, and PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="quanheng-bench-postgres-", dir="/tmp"))
    server = LocalPostgres(folder, tcp_port=free_port())
    try:
        server.start()
        yield create_server_database(server, "keycloak")
    finally:
        server.stop(mode="immediate")
        shutil.rmtree(folder, ignore_errors=True)


def open_context(file: Path) -> Context:
    """Everything for a run. Keys are read before any transaction: reading them takes one of its own.

    Logs go to stderr from here on: stdout is the JSON's.
    """
    start_logs()
    context = Context(settings=read_settings(file))
    _ = context.keyring
    return context


class BenchRealm:
    """A fresh realm, configured as quanheng's are, with keys, store and ``quanheng.toml`` of its own."""

    def __init__(
        self,
        servers: Servers,
        name: str,
        population: Population,
        *,
        workers: int | None = None,
        batch_size: int | None = None,
        pack: str = "shanxi",
    ) -> None:
        self.servers = servers
        self.name = name
        self.folder = servers.folder / name
        self.folder.mkdir(exist_ok=True)  # the keys of the guard's rules are older than the realm
        default = KeycloakSettings.model_fields
        head = _TEMPLATE.format(
            keycloak=servers.keycloak.url,
            realm=name,
            workers=workers or default["workers"].default,
            batch_size=batch_size or default["batch_size"].default,
            pack=pack,
        )
        ldap = _LDAP.format(
            url=servers.slapd.url,
            ca_file=servers.slapd.ca_file,
            bind_dn=servers.slapd.bind_dn,
            password_file=servers.slapd.password_file,
            people=PEOPLE_DN,
            posts=POSTS_DN,
            scope=", ".join(f'"{code}"' for code in population.scope),
        )
        self.organisations_file = self._write("organisations.toml", head + _FEED)
        self.config_file = self._write("quanheng.toml", head + ldap)
        self.settings = read_settings(self.config_file)
        self._population = population
        self._administrator: Connection | None = None

    def configure(self) -> None:
        """Make the realm as ``quanheng realm apply`` does, admin events on, the configurator open."""
        generate_keys(self.settings.keys_directory)
        make_client_keys(self.settings)
        make_rules_key(self.settings.keys_directory)
        context = open_context(self.config_file)
        apply_realm(context, self.servers.administrator, RealmOptions(), keep_open=True)
        context.database.close()

    def prepare(self, *, delegated: bool = True) -> int:
        """Configure, and synchronise organisations alone, so that all groups are there; returns how many.

        ``delegated``: with the administrators' permissions, which are written while the configurator is open.
        """
        self.configure()
        self.feed_organisations(self._population.units, sequence=1)
        if not delegated:
            close_configurator(self.administrator)
        context = open_context(self.organisations_file)
        pack = context.pack
        posts = [post.id for post in pack.posts.posts if post.kind == "administrator"]
        posts = [post for post in posts if post not in pack.audit_posts]
        founders = {PostId(post): StaffNo(f"FOUNDER-{place}") for place, post in enumerate(posts)}
        bootstrap(context, founders, make_seals(context.settings.keys_directory))
        done = synchronise(context)
        context.database.close()
        if not delegated:
            open_configurator(self.administrator)
        return sum(done.outcome.done.values())

    def feed_organisations(self, units: Iterable[OrgUnit], *, sequence: int) -> None:
        """Issue the feed of :attr:`organisations_file`, which names these units and nobody."""
        scope = self._population.scope
        write_feed(self.folder / "feed", (), units, sequence=sequence, as_of=system_clock(), scope=scope)

    @property
    def administrator(self) -> Connection:
        """The master realm's administrator in this realm."""
        if self._administrator is None:
            self._administrator = connect_admin(self.settings.keycloak, self.servers.administrator)
        return self._administrator

    def count_users(self) -> int:
        """Users that Keycloak lists: service accounts are not among them."""
        admin = self.administrator
        return int(admin.get(admin.realm_path("/users/count")))

    def import_people(self, people: Sequence[NewUser]) -> None:
        """Make users by ``partialImport``, as a first load does; a batch is quicker when all share groups."""
        rest = open_realm(self.settings)

        def send(first: int) -> None:
            batch = people[first : first + BATCH]
            made = rest.import_users(batch)
            if len(made) != len(batch):
                raise SystemExit(f"{len(made)} of {len(batch)} were imported")

        with ThreadPoolExecutor(self.settings.keycloak.workers) as pool:
            for first in range(0, len(people), _TOLD_EACH):
                last = min(first + _TOLD_EACH, len(people))
                list(pool.map(send, range(first, last, BATCH)))
                say(f"{last:,} of {len(people):,} users made")
        rest.close()

    def remove(self) -> None:
        """Delete the realm, so that the next one finds the server as this one did."""
        self.administrator.request("DELETE", self.administrator.realm_path())

    def run_sync(self) -> dict[str, Any]:
        """One ``synchronise`` in a process of its own: see :mod:`bench.one_run`."""
        return run_child("bench.one_run", str(self.config_file))

    def _write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file


def run_child(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of ours in a fresh Python and return the JSON that it prints."""
    command: Sequence[str] = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures
