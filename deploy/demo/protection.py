"""The two lines of defence at work: a grant that the guard refuses, and one that only the watcher can see."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from deploy.demo.commands import CommandFailedError, Commands
from deploy.demo.samples import DemoAdministrator, Sample

_ADMINISTRATORS = "管理员"
_SYSTEM = "系统管理员"
_BUSINESS = "业务管理员"
_HANDLER = "经办人员"
_HANDLER_ROLE = "post-handler"
_ROLE = "post-reviewer"


def show_protection(
    console: Console, commands: Commands, administrator: DemoAdministrator, samples: Sequence[Sample]
) -> None:
    """Try both as the master realm's administrator, whom nothing in Keycloak itself would stop.

    Raises :class:`CommandFailedError` when either is not stopped.
    """
    county = next(sample for sample in samples if sample.post == _HANDLER).area
    _refused(console, administrator, next(s for s in samples if s.post == _SYSTEM and s.area == county))
    _repaired(console, commands, administrator, next(s for s in samples if s.post == _HANDLER))


def _refused(console: Console, administrator: DemoAdministrator, person: Sample) -> None:
    user = administrator.user(person.username)
    mine = next(path for path in administrator.groups(user) if path.startswith(f"/{_ADMINISTRATORS}/"))
    area = mine.split("/")[2]
    group = administrator.group((_ADMINISTRATORS, area, _BUSINESS))
    status, reason = administrator.try_to("PUT", f"/users/{user}/groups/{group['id']}")
    console.print(
        f"{person.username} is {_SYSTEM} of {person.area}; the master administrator makes it "
        f"{_BUSINESS} as well:"
    )
    console.print(f"  Keycloak answers {status}: [bold red]{reason}[/]")
    if status < 400:
        raise CommandFailedError("the guard let a forbidden grant pass")


def _repaired(console: Console, commands: Commands, administrator: DemoAdministrator, person: Sample) -> None:
    holder = administrator.role(_HANDLER_ROLE)
    path = f"/roles-by-id/{holder['id']}/composites"
    status, reason = administrator.try_to("POST", path, [administrator.role(_ROLE)])
    if status >= 400:
        raise CommandFailedError(f"putting a role into another was answered {status}: {reason}")
    console.print(
        f"The role {_ROLE} is put into {_HANDLER_ROLE}, which {person.username} and every other {_HANDLER} "
        f"holds (answer {status}): Keycloak asks nobody about that, so the watcher has to see it."
    )
    if _ROLE not in administrator.parts(holder):
        raise CommandFailedError("the role did not get into the other: there is nothing to repair")
    commands.watch()
    if _ROLE in administrator.parts(holder):
        raise CommandFailedError("the watcher did not have the role taken out")
    console.print("  The cause is gone, nobody of them was touched, and the ledger has who did it.")
