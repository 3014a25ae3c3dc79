"""A real Keycloak on this machine: fetched by Maven, built once, started with the embedded database.

For demos, tests and benches. Production servers are the operator's own; what they must have switched
off is :data:`DISABLED_FEATURES`.

    server = start_keycloak(Path(".demo/keycloak"))
    ...
    stop_keycloak(server.pid)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.local.cache import LocalServerError, cache_directory
from deploy.local.guard import GuardOptions, guard_jar
from deploy.local.ports import free_ports

VERSION: Final = "26.7.3"
"""The one place where the server's version stands."""

SHA256: Final = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
"""Of the distribution's zip of :data:`VERSION`; whatever Maven brought must be this."""

DISABLED_FEATURES: Final = (
    "ciba",
    "client-admin-api",
    "device-flow",
    "docker",
    "identity-assertion-jwt",
    "impersonation",
    "jwt-authorization-grant",
    "kerberos",
    "oid4vc-vci",
    "oid4vc-vci-preauth-code",
    "organization",
    "scim-api",
    "token-exchange",
    "token-exchange-delegation",
    "token-exchange-standard",
    "workflows",
)
"""Ways in that nobody needs, off for every realm: each is one more way to a token or to users. Workflows join
people to groups, and neither their making nor what they do has an event."""

_BUILD_OPTIONS: Final = (
    "--health-enabled=true",
    f"--features-disabled={','.join(DISABLED_FEATURES)}",
)
_EMBEDDED: Final = "dev-file"
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Servers that this process started, by pid; their exit is collected when they are stopped."""
_START_SECONDS: Final = 180
_STOP_SECONDS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningKeycloak:
    """A server that answers. ``pid`` leads a process group of its own."""

    pid: int
    url: str
    management_url: str
    admin_user: str
    admin_password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDatabase:
    """A PostgreSQL in place of the embedded database; it has to be there, and empty at first."""

    url: str
    """For JDBC: ``jdbc:postgresql://127.0.0.1:5432/keycloak``."""
    user: str
    password: str = field(repr=False)
    vendor: str = "postgres"

    def environment(self) -> dict[str, str]:
        """What ``kc.sh start`` is told; the password is in no list of processes."""
        return {
            "KC_DB_URL": self.url,
            "KC_DB_USERNAME": self.user,
            "KC_DB_PASSWORD": self.password,
            "KC_DB_POOL_MAX_SIZE": "20",
        }


QUICK_START: Final = "-XX:TieredStopAtLevel=1"
"""For ``java_options``: starts with half the work, runs slower later. For tests, never for measuring."""


def start_keycloak(
    folder: Path,
    *,
    http_port: int | None = None,
    heap: str = "1g",
    java_options: str = "",
    guard: GuardOptions | None = None,
    database: ServerDatabase | None = None,
    named: bool = True,
    wait_seconds: float = _START_SECONDS,
) -> RunningKeycloak:
    """Start the server that lives in ``folder``, making it there first when the folder is new.

    Data, log (``keycloak.log``) and the first administrator's password (``admin.json``, mode 0600)
    stay in the folder, so a server that was stopped comes back as it was. ``heap`` is Java's ``-Xmx``.
    With ``guard`` the server has the guard of ``guard/``, as the options say; a folder made without it, or
    with an older one, gets it. With ``database`` its data are there and not in the folder. Not ``named``, it
    goes by whatever name it is asked under: ``quanheng`` refuses it login by password.
    Returns when the server is ready; raises :class:`LocalServerError` when it is not in time.
    """
    built = built_distribution(
        None if guard is None else guard_jar(),
        vendor=_EMBEDDED if database is None else database.vendor,
        metrics=guard is None or guard.metrics,
    )
    _install(folder, built)
    admin_user, admin_password = _administrator(folder)
    fresh = free_ports(2)
    port = http_port or fresh[0]
    management_port = next(one for one in fresh if one != port)
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "JAVA_OPTS_APPEND": java_options,
        "JAVA_OPTS_KC_HEAP": f"-Xms256m -Xmx{heap}",
        "KC_BOOTSTRAP_ADMIN_USERNAME": admin_user,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": admin_password,
        **(database.environment() if database else {}),
    }
    command = [
        str(folder.resolve() / "bin" / "kc.sh"),
        "start",
        "--optimized",
        "--http-enabled=true",
        f"--hostname={url}" if named else "--hostname-strict=false",
        "--cache=local",
        "--http-host=127.0.0.1",
        # What somebody types as a user name may be anything (docs/explanation/personal-data.md).
        "--spi-events-listener--jboss-logging--error-level=debug",
        f"--http-port={port}",
        "--http-management-host=127.0.0.1",
        f"--http-management-port={management_port}",
        *(guard.arguments(folder) if guard else ()),
    ]
    log_file = folder / "keycloak.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[process.pid] = process
    server = RunningKeycloak(
        pid=process.pid,
        url=url,
        management_url=f"http://127.0.0.1:{management_port}",
        admin_user=admin_user,
        admin_password=admin_password,
    )
    if not _becomes_ready(server, process, wait_seconds):
        stop_keycloak(process.pid, hard=True)
        raise LocalServerError(f"Keycloak ended, or was not ready in {wait_seconds:.0f} s: read {log_file}")
    return server


def stop_keycloak(pid: int, *, hard: bool = False) -> None:
    """Stop the server that :func:`start_keycloak` returned; nothing happens when it is gone.

    ``hard`` pulls the plug (SIGKILL). A process that is not a Keycloak is left alone: its number may
    have been given to another since.
    """
    members = _group(pid)
    if not any(_is_keycloak(member) for member in members):
        return
    for name in (signal.SIGKILL,) if hard else (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, name)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if not _group(pid):
                # Dead, but perhaps not collected yet: a process that nobody waits for stays a zombie.
                if child := _children.pop(pid, None):
                    child.wait(_STOP_SECONDS)
                return
            time.sleep(0.05)


def _install(folder: Path, built: Path) -> None:
    """Make the folder a copy of what was built, unless it is one already; data and log stay."""
    note = folder / "built.txt"
    if note.exists() and note.read_text() == built.name:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for replaced in ("lib", "providers"):
        shutil.rmtree(folder / replaced, ignore_errors=True)
    _copy(built, folder)
    note.write_text(built.name)


def _copy(built: Path, folder: Path) -> None:
    # Libraries are never written to, so they are linked; what a later build replaces is copied.
    shutil.copytree(
        built / "lib" / "lib", folder / "lib" / "lib", copy_function=_link_or_copy, dirs_exist_ok=True
    )
    shutil.copytree(built, folder, ignore=lambda at, _: ["lib"] if Path(at) == built / "lib" else [],
                    dirs_exist_ok=True)  # fmt: skip


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def built_distribution(guard: Path | None = None, *, vendor: str = _EMBEDDED, metrics: bool = True) -> Path:
    """The unzipped and built server in the cache, made once per version, options, vendor of the database and
    JAR of the guard. ``metrics``: whether one with the guard shows what it counts, on its management port.
    """
    if shutil.which("java") is None:
        raise LocalServerError("There is no java: install Java 17 or later (openjdk-17-jdk-headless)")
    counting = ("--metrics-enabled=true",) if metrics and guard is not None else ()
    options = (f"--db={vendor}", *_BUILD_OPTIONS, *counting)
    added = () if guard is None else (guard.name,)
    key = hashlib.sha256("\n".join((VERSION, SHA256, *options, *added)).encode()).hexdigest()[:12]
    built = cache_directory() / "built" / f"keycloak-{VERSION}-{key}"
    if built.exists():
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=built.parent))
    try:
        tree = scratch / f"keycloak-{VERSION}"
        if guard is None and vendor == _EMBEDDED:
            _unpack(scratch)
        else:
            _copy(built_distribution(), tree)
        if guard is not None:
            shutil.copy2(guard, tree / "providers" / "quanheng-guard.jar")
        _build(tree, options)
        # Somebody else may have built the same in the meantime: theirs is as good.
        with contextlib.suppress(OSError):
            tree.rename(built)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return built


def _unpack(folder: Path) -> None:
    with zipfile.ZipFile(_archive()) as packed:
        packed.extractall(folder)
    for script in (folder / f"keycloak-{VERSION}" / "bin").glob("*.sh"):
        script.chmod(0o755)


def _build(tree: Path, options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [str(tree / "bin" / "kc.sh"), "build", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LocalServerError(f"Keycloak could not be built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _archive() -> Path:
    archive = cache_directory() / f"keycloak-quarkus-dist-{VERSION}.zip"
    if not archive.exists():
        maven = shutil.which("mvn")
        if maven is None:
            raise LocalServerError("There is no mvn, which fetches Keycloak: install Maven (maven)")
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
            done = subprocess.run(
                [
                    maven,
                    "-B",
                    "dependency:copy",
                    f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip",
                    f"-DoutputDirectory={scratch}",
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            fetched = Path(scratch) / archive.name
            if done.returncode != 0 or not fetched.exists():
                raise LocalServerError(f"Maven could not fetch Keycloak {VERSION}:\n{done.stdout[-2000:]}")
            fetched.rename(archive)
    with archive.open("rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    if digest != SHA256:
        raise LocalServerError(f"{archive} is not the distribution we know: delete it and try again")
    return archive


def _administrator(folder: Path) -> tuple[str, str]:
    """Name and password of the first administrator of the master realm, made once per folder."""
    file = folder / "admin.json"
    if not file.exists():
        secret = {"user": "bootstrap", "password": secrets.token_urlsafe(24)}
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(secret, out)
    known = json.loads(file.read_text())
    return known["user"], known["password"]


def _becomes_ready(server: RunningKeycloak, process: subprocess.Popen[bytes], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"{server.management_url}/health/ready", timeout=5) as answer,  # noqa: S310 - loopback
        ):
            if answer.status == 200:
                return True
        time.sleep(0.1)
    return False


def _group(pid: int) -> list[int]:
    """Living processes of the group; a zombie whose parent does not collect it counts as gone."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(group) == pid and state != "Z":
                    members.append(int(entry.name))
    return members


def _is_keycloak(pid: int) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return any(word.endswith(b"/bin/kc.sh") or word.startswith(b"-Dkc.") for word in words)
    return False
