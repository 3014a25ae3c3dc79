"""The demo from start to end, one step after the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from tests.fixtures.divisions import bureau_code

from deploy.demo.approval import approve_proposals
from deploy.demo.commands import AdminFiles, CommandFailedError, Commands
from deploy.demo.configuration import REALM, write_configuration
from deploy.demo.folder import DemoFolder
from deploy.demo.issue import Issue, write_issue
from deploy.demo.protection import show_protection
from deploy.demo.samples import DemoAdministrator, Sample, first_county, prepare_samples
from deploy.demo.servers import start_demo_keycloak, start_demo_slapd
from deploy.demo.summary import print_figures, print_quarantine, print_ways_in
from deploy.local.keycloak import RunningKeycloak
from quanheng.clock import system_clock
from quanheng.model.staff import Reason

_ADMIN_PASSWORD = "admin-password"
_ENVELOPES = "envelopes"


class Walk:
    """Runs the steps and says what each of them does."""

    def __init__(self, folder: DemoFolder, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._commands = Commands(folder, console)
        self._step = 0

    def run(self, scope: str) -> None:
        """Everything. Raises :class:`CommandFailedError` and the local servers' errors."""
        began = time.monotonic()
        self._folder.make()
        self._say("What the sources say")
        issue = write_issue(self._folder, scope, system_clock)
        self._tell_issue(issue, scope)
        keycloak = self._start_servers(issue)
        admin = self._administrator(keycloak)
        self._prepare_realm(admin, issue)
        self._say("First run: people, organisations, groups and roles")
        first = self._commands.sync()
        # Also when an earlier demo was interrupted before it came here.
        self._commands.close_realm(admin)
        samples = prepare_samples(self._folder, keycloak, issue.population)
        changed = bool(first.get("changes"))
        changed |= self._approve(samples)
        if changed:
            self._say("Separation of duties: what the guard refuses, and what the watcher repairs")
            show_protection(self._console, self._commands, DemoAdministrator(keycloak), samples)
        self._show_administrators(admin, issue)
        self._say("Nothing is left to do")
        plan, check = self._commands.plan(), self._commands.check()
        self._summarise(keycloak, issue, first, samples, time.monotonic() - began)
        if plan.get("changes") or not check.get("ok", True):
            raise CommandFailedError("the plan is not empty, or 'quanheng check' found a difference")
        if not changed:
            self._console.print("\nThis demo changed nothing: everything was as it should be.")

    def _say(self, text: str) -> None:
        self._step += 1
        self._console.print(f"\n[bold cyan]{self._step}. {text}[/]")

    def _tell_issue(self, issue: Issue, scope: str) -> None:
        people = issue.population
        news = "new" if issue.fresh else "the same as last time"
        self._console.print(
            f"SCOPE={scope}, issue {issue.sequence} ({news}): {len(people.units):,} organisations, "
            f"{len(people.rows('hr')):,} rows in the HR feed, {len(people.rows('ldap')):,} in the directory"
        )

    def _start_servers(self, issue: Issue) -> RunningKeycloak:
        self._say("Keycloak and slapd")
        with self._console.status("starting (Keycloak takes about 20 seconds)"):
            slapd = start_demo_slapd(self._folder)
            keycloak, started = start_demo_keycloak(self._folder)
        self._console.print(f"Keycloak {'runs now' if started else 'was running'} at {keycloak.url}")
        self._console.print(f"slapd runs at {slapd.url}")
        write_configuration(self._folder, keycloak, slapd, issue.population)
        self._folder.write(
            self._folder.demo_file.name,
            {
                "keycloak_url": keycloak.url,
                "realm": REALM,
                "admin_user": keycloak.admin_user,
                "admin_password": keycloak.admin_password,
                "ldap_url": slapd.url,
                "config": str(self._folder.config),
            },
        )
        return keycloak

    def _administrator(self, keycloak: RunningKeycloak) -> AdminFiles:
        self._folder.write_text(_ADMIN_PASSWORD, f"{keycloak.admin_password}\n")
        return AdminFiles(keycloak.admin_user, self._folder.root / _ADMIN_PASSWORD)

    def _prepare_realm(self, admin: AdminFiles, issue: Issue) -> None:
        """Keys, bootstrap, configuration; for a new issue the configurator is left open."""
        self._say("Keys, first administrators, realm")
        seals = (self._folder.root / "seal-1", self._folder.root / "seal-2")
        if not self._folder.keys.is_dir():
            self._commands.generate_keys(seals)
        if seals[0].exists():
            # Two people would each type theirs; the demo plays both.
            founders = {
                row.post_id: row.staff_no
                for row in issue.population.good
                if row.org == bureau_code("14") and row.post_id.endswith("_admin")
            }
            self._commands.bootstrap(founders, seals)
            for seal in seals:
                seal.unlink()
        if issue.fresh or self._commands.realm_differs(admin):
            self._commands.apply_realm(admin)

    def _show_administrators(self, admin: AdminFiles, issue: Issue) -> None:
        """The two accounts for an emergency, and who has charge of whom in the samples' county."""
        self._say("Administrators in the console: each within the own county and kind of power")
        envelopes = self._folder.root / _ENVELOPES
        if not envelopes.is_dir():
            envelopes.mkdir(mode=0o700)
            self._commands.seal_glass(admin, envelopes)
        self._commands.admin_matrix(first_county(issue.population))

    def _approve(self, samples: Sequence[Sample]) -> bool:
        self._say("A second person approves the administrators and reviewers")
        proposals = self._commands.proposals()
        if not proposals:
            self._console.print("No proposal is open.")
            return False
        approver = next(sample for sample in samples if sample.post == "系统管理员")
        approve_proposals(self._console, self._commands, self._folder, approver, proposals)
        self._say("Second run: what was approved")
        self._commands.sync()
        return True

    def _summarise(
        self,
        keycloak: RunningKeycloak,
        issue: Issue,
        report: Mapping[str, Any],
        samples: Sequence[Sample],
        seconds: float,
    ) -> None:
        self._say("Summary")
        administrator = DemoAdministrator(keycloak)
        enabled = administrator.enabled_people()
        # After a demo of a wider scope the others are still there, and rightly so.
        named = {row.staff_no for row in issue.population.good}
        figures = {
            "rows of the HR feed": len(issue.population.rows("hr")),
            "entries of the directory": len(issue.population.rows("ldap")),
            **{
                key.replace("_", " "): value
                for key, value in report.items()
                if isinstance(value, int | float)
            },
            "accounts enabled in Keycloak": len(enabled),
            "… of people whom these sources name": len(enabled & named),
            "people of these sources who should be enabled": len(issue.population.enabled),
            "seconds in all": seconds,
        }
        print_figures(self._console, figures)
        found = Counter(Reason(row["reason"]) for row in self._commands.quarantine())
        print_quarantine(self._console, found, issue.population.quarantined)
        print_ways_in(self._console, keycloak.url, REALM, samples, str(self._folder.demo_file))
        if enabled & named != issue.population.enabled:
            raise CommandFailedError("the enabled accounts are not those of the people who should be enabled")
