"""The demo from start to end, one step after the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from tests.fixtures.divisions import bureau_code

from deploy.demo.approval import approve_proposals
from deploy.demo.card import (
    CardPorts,
    choose_ports,
    needs_bridge_key,
    start_bridge,
    start_simulator,
    start_subsystem,
    write_people,
    write_platform_keys,
)
from deploy.demo.commands import AdminFiles, CommandFailedError, Commands
from deploy.demo.configuration import REALM, write_configuration
from deploy.demo.folder import DemoFolder
from deploy.demo.issue import Issue, write_issue
from deploy.demo.life import show_life
from deploy.demo.protection import show_protection
from deploy.demo.samples import DemoAdministrator, Sample, find_samples, first_county
from deploy.demo.servers import start_demo_keycloak, start_demo_slapd
from deploy.demo.summary import print_figures, print_how_to_log_in, print_quarantine, print_ways_in
from deploy.local.keycloak import RunningKeycloak
from quanheng.clock import system_clock
from quanheng.model.staff import Reason

_ADMIN_PASSWORD = "admin-password"
_ENVELOPES = "envelopes"
_HANDLER = "经办人员"


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
        ports = choose_ports(self._folder)
        keycloak = self._start_servers(issue, ports)
        admin = self._administrator(keycloak)
        self._prepare_realm(admin, issue)
        self._say("First run: people, organisations, groups and roles")
        first = self._commands.sync()
        # Also when an earlier demo was interrupted before it came here.
        self._commands.close_realm(admin)
        samples = find_samples(keycloak, issue.population)
        self._start_card(keycloak, issue, ports)
        changed = bool(first.get("changes"))
        changed |= self._approve(samples, ports)
        if changed:
            self._say("Separation of duties: what the guard refuses, and what the watcher repairs")
            show_protection(self._console, self._commands, DemoAdministrator(keycloak), samples)
        self._show_administrators(admin, issue)
        self._say("The life of accounts: three months without a login, and the month's lists")
        locked = show_life(
            self._console,
            self._commands,
            self._folder,
            issue,
            DemoAdministrator(keycloak),
            samples,
            ports.url("simulator"),
            system_clock,
        )
        self._say("Nothing is left to do")
        plan, check = self._commands.plan(), self._commands.check()
        self._summarise(keycloak, issue, first, samples, ports, locked, time.monotonic() - began)
        if plan.get("changes") or not check.get("ok", True):
            raise CommandFailedError("the plan is not empty, or 'quanheng check' found a difference")
        if not changed:
            self._console.print("\nThis demo changed nothing: everything was as it should be.")
        self._tell_how(keycloak, samples, ports)

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

    def _start_servers(self, issue: Issue, ports: CardPorts) -> RunningKeycloak:
        self._say("Keycloak and slapd")
        with self._console.status("starting (Keycloak takes about 20 seconds)"):
            slapd = start_demo_slapd(self._folder)
            keycloak, started = start_demo_keycloak(self._folder)
        self._console.print(f"Keycloak {'runs now' if started else 'was running'} at {keycloak.url}")
        self._console.print(f"slapd runs at {slapd.url}")
        write_configuration(
            self._folder,
            keycloak,
            slapd,
            issue.population,
            bridge_url=ports.url("bridge"),
            simulator_url=ports.url("simulator"),
        )
        write_platform_keys(self._folder)
        self._folder.write(
            self._folder.demo_file.name,
            {
                "keycloak_url": keycloak.url,
                "realm": REALM,
                "admin_user": keycloak.admin_user,
                "admin_password": keycloak.admin_password,
                "ldap_url": slapd.url,
                "bridge_url": ports.url("bridge"),
                "simulator_url": ports.url("simulator"),
                "subsystem_url": ports.url("subsystem"),
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
        if needs_bridge_key(self._folder):
            self._commands.initialise_bridge()
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

    def _start_card(self, keycloak: RunningKeycloak, issue: Issue, ports: CardPorts) -> None:
        """From now on people log in by card."""
        self._say("Login by card: simulator of the card platform, bridge, a subsystem")
        write_people(self._folder, issue.population)
        start_simulator(self._folder, ports)
        start_bridge(self._folder, ports)
        administrator = DemoAdministrator(keycloak).connection
        start_subsystem(self._folder, ports, keycloak.url, administrator)
        for name in ("simulator", "bridge", "subsystem"):
            self._console.print(f"the {name} runs at {ports.url(name)}")

    def _approve(self, samples: Sequence[Sample], ports: CardPorts) -> bool:
        self._say("A second person approves the administrators and reviewers")
        proposals = self._commands.proposals()
        if not proposals:
            self._console.print("No proposal is open.")
            return False
        approver = next(sample for sample in samples if sample.post == "系统管理员")
        approve_proposals(
            self._console, self._commands, self._folder, approver, ports.url("simulator"), proposals
        )
        self._say("Second run: what was approved")
        self._commands.sync()
        return True

    def _summarise(
        self,
        keycloak: RunningKeycloak,
        issue: Issue,
        report: Mapping[str, Any],
        samples: Sequence[Sample],
        ports: CardPorts,
        locked: frozenset[str],
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
            "people of these sources who should be enabled": len(issue.population.enabled - locked),
            "… and who are locked for not logging in": len(locked),
            "seconds in all": seconds,
        }
        print_figures(self._console, figures)
        found = Counter(Reason(row["reason"]) for row in self._commands.quarantine())
        print_quarantine(self._console, found, issue.population.quarantined)
        addresses = {
            "Sample subsystem": ports.url("subsystem"),
            "Simulated phone": f"{ports.url('simulator')}/phone",
            "Console of the realm": _console_url(keycloak),
            "Bridge": ports.url("bridge"),
        }
        print_ways_in(self._console, addresses, samples, str(self._folder.demo_file))
        if enabled & named != issue.population.enabled - locked:
            raise CommandFailedError("the enabled accounts are not those of the people who should be enabled")

    def _tell_how(self, keycloak: RunningKeycloak, samples: Sequence[Sample], ports: CardPorts) -> None:
        phone = f"{ports.url('simulator')}/phone"
        handler = next(sample for sample in samples if sample.post == _HANDLER)
        print_how_to_log_in(self._console, ports.url("subsystem"), _console_url(keycloak), phone, handler)


def _console_url(keycloak: RunningKeycloak) -> str:
    return f"{keycloak.url}/admin/{REALM}/console/"
