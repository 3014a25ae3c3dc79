"""A private PostgreSQL in one folder: for the tests, and to try quanheng on PostgreSQL.

It listens on a Unix socket in that folder, so it needs no port and no password: whoever may
enter the folder (mode 0700) may connect. Java knows no such sockets: for a Keycloak it also takes a port of
the loopback, where a password is asked for. PostgreSQL refuses to run as root; then it runs as the
user ``postgres``, who has to be able to reach the folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MISSING = "PostgreSQL is not installed here; install it with: apt-get install postgresql"
SOCKET_PORT = 5432
"""Only part of the name of the socket, when there is no port of the loopback."""


class PostgresError(Exception):
    """A program of PostgreSQL is missing or failed."""


def find_programs() -> Path:
    """The folder of ``initdb`` and ``pg_ctl``, the newest version that Debian has installed."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parent.parent.name)
    )
    if installed:
        return installed[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise PostgresError(MISSING)
    return Path(found).resolve().parent


@dataclass(frozen=True, slots=True)
class LocalPostgres:
    """One server. ``durable=False`` is quicker and loses everything at a power cut."""

    folder: Path
    durable: bool = True
    tcp_port: int | None = None
    """Of the loopback; None: only the socket."""

    def start(self) -> None:
        """Make the cluster when there is none, and start the server; does nothing when it runs.

        Raises :class:`PostgresError` with the last lines of the server's log.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        if not (self._data / "PG_VERSION").exists():
            self._run(
                "initdb",
                f"--pgdata={self._data}",
                "--username=postgres",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                *(() if self.durable else ("--no-sync",)),
            )
        if self.is_running():
            return
        address = "" if self.tcp_port is None else "127.0.0.1"
        options = (
            f"-c listen_addresses='{address}' -c unix_socket_directories='{self.folder}' -p {self._port}"
        )
        if not self.durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        log = self.folder / "postgres.log"
        try:
            self._run(
                "pg_ctl", "start", "--wait", f"--pgdata={self._data}", f"--log={log}", f"--options={options}"
            )
        except PostgresError as error:
            lines = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
            raise PostgresError("\n".join([str(error), *lines])) from None

    def stop(self, *, mode: str = "fast") -> None:
        """Stop the server; does nothing when it does not run. ``immediate`` is like a power cut."""
        if self.is_running():
            self._run("pg_ctl", "stop", "--wait", f"--mode={mode}", f"--pgdata={self._data}")

    def is_running(self) -> bool:
        """Whether the server runs."""
        if not (self._data / "postmaster.pid").exists():
            return False
        return self._call("pg_ctl", "status", f"--pgdata={self._data}").returncode == 0

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database and return its URL for SQLAlchemy."""
        self._run("createdb", *self._connection, f"--template={template}", name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database and end its connections."""
        self._run("dropdb", *self._connection, "--force", "--if-exists", name)

    def url(self, name: str) -> str:
        """The URL of a database for SQLAlchemy."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}&port={self._port}"

    @property
    def _port(self) -> int:
        return self.tcp_port or SOCKET_PORT

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _connection(self) -> tuple[str, ...]:
        return (f"--host={self.folder}", f"--port={self._port}", "--username=postgres")

    def _run(self, program: str, *arguments: str) -> None:
        outcome = self._call(program, *arguments)
        if outcome.returncode:
            raise PostgresError(f"{program} failed: {outcome.stderr.strip()}")

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        identity: dict[str, Any] = {}
        if os.getuid() == 0:
            identity = {"user": "postgres", "group": "postgres", "extra_groups": []}
        # Output to a file: a server started by pg_ctl would keep a pipe open for ever.
        output = self.folder / "last-command.log"
        with output.open("w+") as stream:
            done = subprocess.run(
                [find_programs() / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                check=False,
                **identity,
            )
            stream.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, "", stream.read())
