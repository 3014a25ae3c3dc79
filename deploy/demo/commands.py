"""The ``quanheng`` commands of the demo, run as an operator would type them. All of them are here."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from deploy.demo.folder import DemoFolder

PROGRAM: Final = Path(sys.executable).parent / "quanheng"
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_KEY: Final = re.compile(r"[0-9a-f]{64}")


class CommandFailedError(Exception):
    """A command of the demo ended with an exit code that was not expected."""


@dataclass(frozen=True, slots=True)
class AdminFiles:
    """The master realm's administrator, as the commands are told of it."""

    user: str
    password_file: Path

    def options(self) -> tuple[str, ...]:
        """Options of ``quanheng realm``."""
        return ("--admin-user", self.user, "--admin-password-file", self.password_file.name)


class Commands:
    """Runs ``quanheng`` in the demo's folder, where its ``quanheng.toml`` lies."""

    def __init__(self, folder: DemoFolder, console: Console) -> None:
        self._folder = folder
        self._console = console

    def generate_keys(self, seals: tuple[Path, Path]) -> None:
        """Make the keys, and the two seals of the bootstrap, each meant for one person's eyes."""
        self._run("keys", "generate", "--seal-files", *(file.name for file in seals))

    def realm_differs(self, admin: AdminFiles) -> bool:
        """Whether the realm is not configured as it should be, or not there at all."""
        return self._run("realm", "status", *admin.options(), accept=(0, 1, 5)) != 0

    def apply_realm(self, admin: AdminFiles) -> None:
        """Make and configure the realm, with login by card, and leave the configurator open for the first
        load."""
        self._run("realm", "apply", "--social-card", "--no-password-form", "--keep-open", *admin.options())

    def initialise_bridge(self) -> None:
        """Make the keys of the bridge."""
        self._run("bridge", "init")

    def close_realm(self, admin: AdminFiles) -> None:
        """Disable the configurator: from now on the daily client does the work."""
        self._run("realm", "close", *admin.options())

    def bootstrap(self, founders: Mapping[str, str], seals: tuple[Path, Path]) -> None:
        """Name the first administrators, ledger entry 0: staff number by post."""
        named = [f"{post}={staff_no}" for post, staff_no in founders.items()]
        self._run("bootstrap", *named, *(word for file in seals for word in ("--seal-file", file.name)))

    def seal_glass(self, admin: AdminFiles, envelopes: Path) -> None:
        """Make the two accounts for an emergency, each with an envelope in a folder."""
        self._run("glass", "seal", "--to", envelopes.name, *admin.options())

    def admin_matrix(self, area: str) -> None:
        """Show who has charge of whom in an area, as Keycloak has it; exit 1 when it is more than the packs
        give."""
        self._run("admin", "matrix", "--area", area)

    def sync(self) -> dict[str, Any]:
        """Plan, safety, apply. Progress is shown, the report is returned."""
        return self._report("sync")

    def plan(self) -> dict[str, Any]:
        """What would be changed now."""
        return self._report("plan")

    def proposals(self) -> list[dict[str, Any]]:
        """What waits for a second person."""
        listed: list[dict[str, Any]] = self._report("proposals")["proposals"]
        return listed

    def approve(self, keys: Iterable[str], person: Path) -> None:
        """Approve proposals as the person of a file, who logs in by card."""
        self._run_logged_in("approve", *keys, person=person)

    def unlock(self, user: str, reason: str, person: Path) -> None:
        """Ask for a locked account back, as the person of a file, who logs in by card."""
        self._run_logged_in("unlock", user, "--reason", reason, person=person)

    def write_review(self) -> None:
        """Write this month's lists of accounts that should be looked at."""
        self._run("review", "write")

    def life(self, history: Path) -> None:
        """Take in a history of logins, show what the day brings, and do it."""
        self._run("lifecycle", "history", history.name)
        self._run("lifecycle", "plan")
        self._run("lifecycle", "run")

    def quarantine(self) -> list[dict[str, Any]]:
        """Rows that could not be believed, masked."""
        listed: list[dict[str, Any]] = self._report("quarantine")["rows"]
        return listed

    def watch(self) -> dict[str, Any]:
        """Look once at what happened in Keycloak, and repair it."""
        return self._report("watch")

    def check(self) -> dict[str, Any]:
        """Read everything live; exit 0 when what is ours is as it should be."""
        return self._report("check")

    def _report(self, *arguments: str) -> dict[str, Any]:
        self._show(arguments)
        done = self._start([*arguments, "--format", "json"], stdout=subprocess.PIPE)
        self._require(done, arguments, (0,))
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def _run(
        self,
        *arguments: str,
        accept: tuple[int, ...] = (0,),
        environment: Mapping[str, str] | None = None,
    ) -> int:
        self._show(arguments)
        done = self._start(arguments, environment=environment)
        self._require(done, arguments, accept)
        return done.returncode

    def _run_logged_in(self, *arguments: str, person: Path) -> None:
        browser = f"{sys.executable} -m deploy.local.card_login"
        environment = {"QUANHENG_CARD_LOGIN": str(person.resolve()), "PYTHONPATH": str(_CHECKOUT)}
        self._run(*arguments, "--open-with", browser, environment=environment)

    def _start(
        self,
        arguments: Sequence[str],
        *,
        stdout: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=self._folder.root,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            text=True,
            check=False,
        )

    def _show(self, arguments: Sequence[str]) -> None:
        self._console.print(f"[bold]$ quanheng {_shorten(arguments)}[/]", highlight=False)

    @staticmethod
    def _require(
        done: subprocess.CompletedProcess[str], arguments: Sequence[str], accept: tuple[int, ...]
    ) -> None:
        if done.returncode not in accept:
            raise CommandFailedError(
                f"quanheng {arguments[0]} ended with exit code {done.returncode}; its message is above"
            )


def _shorten(arguments: Sequence[str]) -> str:
    """The line as typed; keys of proposals are cut, and a long list of them too."""
    words = [word[:12] if _KEY.fullmatch(word) else word for word in arguments]
    shown = words if len(words) <= 12 else [*words[:4], "…", *words[-2:]]
    return " ".join(word if word == "…" else shlex.quote(word) for word in shown)
