"""A private OpenLDAP on this machine, for demos, tests and benches: its own folder, ports and certificates.

    server = start_slapd(Path(".demo/slapd"), Path("people.ldif"))
    ...
    stop_slapd(server)

It runs as the current user and listens on the loopback address only. Everything is kept in the folder,
so that it starts again with its data; another LDIF than the loaded one replaces the data.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.local.certificates import write_certificates
from deploy.local.ports import HOST, free_ports, is_free

SUFFIX: Final = "dc=hrss,dc=example"
SERVICES: Final = f"ou=services,{SUFFIX}"
"""Accounts of programs. They may read everything, at most :data:`_SIZE_LIMIT` entries per search."""
READER: Final = f"cn=quanheng,{SERVICES}"
"""The account that quanheng binds as: reads everything, without a limit."""
ADMINISTRATOR: Final = f"cn=admin,{SUFFIX}"

_SIZE_LIMIT: Final = 200
_SCHEMA: Final = Path(__file__).parent / "quanheng.schema.ldif"
_SYSTEM_SCHEMAS: Final = ("core", "cosine", "inetorgperson")
_SCHEMA_FOLDERS: Final = (Path("/etc/ldap/schema"), Path("/etc/openldap/schema"))
_MODULE_FOLDERS: Final = (Path("/usr/lib/ldap"), Path("/usr/lib64/openldap"), Path("/usr/lib/openldap"))
_STOP_SECONDS: Final = 20


class SlapdError(Exception):
    """The private slapd could not be prepared, started or stopped."""


@dataclass(frozen=True, kw_only=True)
class RunningSlapd:
    """A slapd that answers, and how to reach it."""

    folder: Path
    pid: int
    url: str
    """For StartTLS, or plain."""
    ldaps_url: str
    ca_file: Path
    suffix: str
    bind_dn: str
    """May read everything."""
    bind_password: str = field(repr=False)
    password_file: Path
    """The same password, in a file of mode 0600."""
    admin_dn: str
    """May write everything."""
    admin_password: str = field(repr=False)


def start_slapd(folder: Path, ldif: Path | None = None, *, port: int | None = None) -> RunningSlapd:
    """Start the slapd of a folder, or return it when it runs already with this content.

    ``ldif``: entries below :data:`SUFFIX`, parents first; None keeps whatever is there. ``port`` for
    ldap://, else a free one, the same at every start; ldaps:// has one of its own.
    Raises :class:`SlapdError` saying what to do.
    """
    _require_programs()
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = _State(folder)
    if state.running_pid() is not None:
        if state.holds(ldif) and port in (None, state.ports()[0]):
            return state.describe()
        stop_folder(folder)
    if not state.holds(ldif) or not state.config.is_dir():
        state.load(ldif)
    state.choose_ports(port)
    if not (state.tls / "ca.pem").exists():
        write_certificates(state.tls, host=HOST)
    state.launch()
    return state.describe()


def stop_slapd(server: RunningSlapd) -> None:
    """Stop it; its data stays in the folder."""
    stop_folder(server.folder)


def stop_folder(folder: Path) -> None:
    """Stop the slapd of a folder, if one runs."""
    state = _State(folder.resolve())
    pid = state.running_pid()
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while state.running_pid() == pid:
        if time.monotonic() > deadline:
            raise SlapdError(f"slapd {pid} does not end; see {folder}/slapd.log")
        time.sleep(0.02)


class _State:
    """The folder of one slapd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.data = folder / "data"
        self.tls = folder / "tls"
        self._pid_file = folder / "slapd.pid"
        self._ports_file = folder / "ports.json"
        self._digest_file = folder / "loaded.sha256"
        self._log_file = folder / "slapd.log"

    def running_pid(self) -> int | None:
        """Process id, when it is this folder's slapd that has it, and it lives."""
        try:
            pid = int(self._pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.config).encode() in command else None

    def holds(self, ldif: Path | None) -> bool:
        """Whether the data is what this LDIF says; nothing was asked for by None."""
        if not self._digest_file.exists():
            return False
        return ldif is None or self._digest_file.read_text() == _digest(ldif)

    def load(self, ldif: Path | None) -> None:
        """Build configuration and data anew."""
        for part in (self.config, self.data):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(mode=0o700)
        self._digest_file.unlink(missing_ok=True)
        reader = self._secret("password")
        admin = self._secret("admin-password")
        self._slapadd("0", _configuration(self.folder, self.data, self.tls, admin))
        self._slapadd("1", _foundation(reader))
        if ldif is not None:
            self._slapadd("1", ldif)
        self._digest_file.write_text(_digest(ldif))

    def choose_ports(self, port: int | None) -> None:
        """Keep the ports of the last start while they are free."""
        chosen = self.ports() if self._ports_file.exists() else (0, 0)
        fresh = free_ports(2)
        ldap = port or (chosen[0] if is_free(chosen[0]) else fresh[0])
        ldaps = next(one for one in (chosen[1], *fresh) if one != ldap and is_free(one))
        self._ports_file.write_text(json.dumps([ldap, ldaps]))

    def ports(self) -> tuple[int, int]:
        """Ports of ldap:// and ldaps://."""
        ldap, ldaps = json.loads(self._ports_file.read_text())
        return int(ldap), int(ldaps)

    def launch(self) -> None:
        """Start the server; slapd goes into the background by itself, once it listens."""
        ldap, ldaps = self.ports()
        urls = f"ldap://{HOST}:{ldap}/ ldaps://{HOST}:{ldaps}/"
        with self._log_file.open("ab") as log:
            done = subprocess.run(
                [str(_program("slapd")), "-F", str(self.config), "-h", urls],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode != 0 or not self._answers(ldap):
            raise SlapdError(
                f"slapd does not start; see {self._log_file}, or run "
                f"slapd -F {self.config} -h '{urls}' -d stats to see why"
            )

    def _answers(self, port: int) -> bool:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=5):
                if self.running_pid() is not None:
                    return True
            time.sleep(0.02)
        return False

    def describe(self) -> RunningSlapd:
        """The value for callers."""
        pid = self.running_pid()
        if pid is None:
            raise SlapdError(f"slapd ended at once; see {self._log_file}")
        ldap, ldaps = self.ports()
        return RunningSlapd(
            folder=self.folder,
            pid=pid,
            url=f"ldap://{HOST}:{ldap}",
            ldaps_url=f"ldaps://{HOST}:{ldaps}",
            ca_file=self.tls / "ca.pem",
            suffix=SUFFIX,
            bind_dn=READER,
            bind_password=self._secret("password"),
            password_file=self.folder / "password",
            admin_dn=ADMINISTRATOR,
            admin_password=self._secret("admin-password"),
        )

    def _secret(self, name: str) -> str:
        """A password that is made once and kept in a file of mode 0600."""
        file = self.folder / name
        if not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_urlsafe(24))
        return file.read_text()

    def _slapadd(self, database: str, entries: str | Path) -> None:
        """Write entries into a database while no server runs; ``-q`` skips checks, hence is quick."""
        command = [str(_program("slapadd")), "-q", "-n", database, "-F", str(self.config)]
        if isinstance(entries, Path):
            command += ["-l", str(entries)]
        done = subprocess.run(
            command,
            input=None if isinstance(entries, Path) else entries,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SlapdError(f"slapadd refused the entries: {done.stderr.strip()[-500:]}")


def _configuration(folder: Path, data: Path, tls: Path, admin_password: str) -> str:
    """cn=config in LDIF. Passwords are in the clear: the folder is the owner's alone, the data synthetic."""
    schemas = _existing(_SCHEMA_FOLDERS, "core.ldif")
    includes = [schemas / f"{name}.ldif" for name in _SYSTEM_SCHEMAS] + [_SCHEMA]
    modules = _existing(_MODULE_FOLDERS, "back_mdb.so")
    return "\n".join(
        [
            "dn: cn=config",
            "objectClass: olcGlobal",
            "cn: config",
            f"olcPidFile: {folder / 'slapd.pid'}",
            f"olcTLSCACertificateFile: {tls / 'ca.pem'}",
            f"olcTLSCertificateFile: {tls / 'server.pem'}",
            f"olcTLSCertificateKeyFile: {tls / 'server.key'}",
            "olcTLSVerifyClient: never",
            "olcDisallows: bind_anon",
            "olcThreads: 4",
            "",
            "dn: cn=module,cn=config",
            "objectClass: olcModuleList",
            "cn: module",
            f"olcModulePath: {modules}",
            "olcModuleLoad: back_mdb",
            "",
            "dn: cn=schema,cn=config",
            "objectClass: olcSchemaConfig",
            "cn: schema",
            "",
            *(f"include: {file.as_uri()}\n" for file in includes),
            "dn: olcDatabase={-1}frontend,cn=config",
            "objectClass: olcDatabaseConfig",
            "objectClass: olcFrontendConfig",
            "olcDatabase: {-1}frontend",
            "olcAccess: to * by * none",
            f"olcSizeLimit: {_SIZE_LIMIT}",
            "",
            "dn: olcDatabase={0}config,cn=config",
            "objectClass: olcDatabaseConfig",
            "olcDatabase: {0}config",
            "olcAccess: to * by * none",
            "",
            "dn: olcDatabase={1}mdb,cn=config",
            "objectClass: olcDatabaseConfig",
            "objectClass: olcMdbConfig",
            "olcDatabase: {1}mdb",
            f"olcDbDirectory: {data}",
            f"olcDbMaxSize: {1 << 30}",
            "olcDbNoSync: TRUE",  # a power cut may cost the data: it is made again from its LDIF
            "olcDbIndex: objectClass eq",
            f"olcSuffix: {SUFFIX}",
            f"olcRootDN: {ADMINISTRATOR}",
            f"olcRootPW: {admin_password}",
            f"olcSizeLimit: {_SIZE_LIMIT}",
            f'olcLimits: dn.exact="{READER}" size=unlimited time=unlimited',
            "olcAccess: to attrs=userPassword by anonymous auth by * none",
            f'olcAccess: to * by dn.children="{SERVICES}" read by * none',
            "",
        ]
    )


def _foundation(reader_password: str) -> str:
    """The suffix and the account that quanheng binds as."""
    return "\n".join(
        [
            f"dn: {SUFFIX}",
            "objectClass: dcObject",
            "objectClass: organization",
            "dc: hrss",
            "o: hrss",
            "",
            f"dn: {SERVICES}",
            "objectClass: organizationalUnit",
            "ou: services",
            "",
            f"dn: {READER}",
            "objectClass: applicationProcess",
            "objectClass: simpleSecurityObject",
            "cn: quanheng",
            f"userPassword: {reader_password}",
            "",
        ]
    )


def _require_programs() -> None:
    missing = [name for name in ("slapd", "slapadd") if _program(name) is None]
    if missing:
        raise SlapdError(f"{' and '.join(missing)} not found: install the package slapd (make setup does)")


def _program(name: str) -> str | None:
    """Where a program is; the folder for administrators is not on everybody's path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _existing(folders: tuple[Path, ...], file: str) -> Path:
    for folder in folders:
        if (folder / file).exists():
            return folder
    raise SlapdError(f"{file} of OpenLDAP not found: install the package slapd (make setup does)")


def _digest(ldif: Path | None) -> str:
    content = b"" if ldif is None else ldif.read_bytes()
    return hashlib.sha256(_SCHEMA.read_bytes() + content).hexdigest()
