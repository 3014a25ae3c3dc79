"""The two lines of defence at work: what the guard refuses, and what only the watcher can see."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from deploy.demo.commands import CommandFailedError, Commands
from deploy.demo.samples import DemoAdministrator, Sample

_ADMINISTRATORS = "管理员"
_POSTS = "岗位"
_SYSTEM = "系统管理员"
_BUSINESS = "业务管理员"
_HANDLER = "经办人员"
_HANDLER_ROLE = "post-handler"
_REVIEWER_ROLE = "post-reviewer"


def show_protection(
    console: Console, commands: Commands, administrator: DemoAdministrator, samples: Sequence[Sample]
) -> None:
    """Try each as the master realm's administrator, whom nothing in Keycloak itself would stop.

    Raises :class:`CommandFailedError` when one is not stopped.
    """
    county = next(sample for sample in samples if sample.post == _HANDLER).area
    handler = next(sample for sample in samples if sample.post == _HANDLER)
    _refused_grant(console, administrator, next(s for s in samples if s.post == _SYSTEM and s.area == county))
    _refused_composite(console, administrator, handler)
    _repaired(console, commands, administrator, handler)


def _refused_grant(console: Console, administrator: DemoAdministrator, person: Sample) -> None:
    user = administrator.user(person.username)
    mine = next(path for path in administrator.groups(user) if path.startswith(f"/{_ADMINISTRATORS}/"))
    area = mine.split("/")[2]
    group = administrator.group((_ADMINISTRATORS, area, _BUSINESS))
    console.print(
        f"{person.username} is {_SYSTEM} of {person.area}; the master administrator makes it "
        f"{_BUSINESS} as well:"
    )
    _require_refusal(console, administrator.try_to("PUT", f"/users/{user}/groups/{group['id']}"))


def _refused_composite(console: Console, administrator: DemoAdministrator, person: Sample) -> None:
    holder = administrator.role(_HANDLER_ROLE)
    path = f"/roles-by-id/{holder['id']}/composites"
    console.print(
        f"It puts the role {_REVIEWER_ROLE} into {_HANDLER_ROLE}, which {person.username} and every other "
        f"{_HANDLER} holds:"
    )
    _require_refusal(console, administrator.try_to("POST", path, [administrator.role(_REVIEWER_ROLE)]))


def _require_refusal(console: Console, answer: tuple[int, str]) -> None:
    status, reason = answer
    console.print(f"  Keycloak answers {status}: [bold red]{reason}[/]")
    if status < 400:
        raise CommandFailedError("the guard let something forbidden pass")


def _repaired(console: Console, commands: Commands, administrator: DemoAdministrator, person: Sample) -> None:
    user = administrator.user(person.username)
    path, group = next(
        (path, group) for path, group in administrator.groups(user).items() if path.startswith(f"/{_POSTS}/")
    )
    status, reason = administrator.try_to("DELETE", f"/users/{user}/groups/{group}")
    if status >= 400:
        raise CommandFailedError(f"taking a post away was answered {status}: {reason}")
    console.print(
        f"It takes {person.username} out of {path} (answer {status}): no rule of the guard is about taking "
        "away, but its posts do not entitle it to that, so the watcher has to see it."
    )
    if path in administrator.groups(user):
        raise CommandFailedError("the post was not taken away: there is nothing to repair")
    commands.watch()
    if path not in administrator.groups(user):
        raise CommandFailedError("the watcher did not give the post back")
    console.print("  The post is back, and the ledger has who took it.")
