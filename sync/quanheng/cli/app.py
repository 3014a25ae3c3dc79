"""Every command in its place. Each is imported when it is used, so that the program starts at once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from cyclopts import App, Group

from quanheng import __version__

_FIRST: Final = Group("Setting up", sort_key=1)
_DAILY: Final = Group("Every day", sort_key=2)
_PEOPLE: Final = Group("What people decide", sort_key=3)
_ANSWERS: Final = Group("Who may do what", sort_key=4)
_RECORD: Final = Group("Records and health", sort_key=5)

_COMMANDS: Final[Mapping[Group, tuple[str, ...]]] = {
    _FIRST: ("init", "bootstrap", "simulator"),
    _DAILY: ("plan", "apply", "sync", "check", "watch", "run"),
    _ANSWERS: ("explain", "predict"),
    _PEOPLE: (
        "proposals",
        "approve",
        "reject",
        "freeze",
        "unfreeze",
        "unlock",
        "waive",
        "waivers",
        "quarantine",
    ),
    _RECORD: ("status", "doctor", "backup", "restore"),
}
"""Name of a command, of its module and of its function."""

_FAMILIES: Final[Mapping[str, tuple[Group, str, tuple[str, ...]]]] = {
    "keys": (
        _FIRST,
        "Our keys, the seals, the keys of our clients.",
        ("generate", "list", "rotate"),
    ),
    "realm": (
        _FIRST,
        "Its configuration, and the configurator.",
        ("apply", "open", "close", "status"),
    ),
    "admin": (
        _ANSWERS,
        "Administrators in the console, and what they may do.",
        ("apply", "list", "explain", "matrix"),
    ),
    "accounts": (
        _PEOPLE,
        "Accounts: drafts made in the console, those that are for a time, and what is asked for any.",
        ("drafts", "complete", "term", "temporary", "restore", "exempt", "deregister"),
    ),
    "lifecycle": (
        _DAILY,
        "The life of accounts: what each day asks for.",
        ("plan", "run", "history"),
    ),
    "review": (
        _PEOPLE,
        "The monthly look at accounts: lists, answers, and what follows from them.",
        ("write", "answers", "apply", "overdue"),
    ),
    "bridge": (
        _FIRST,
        "Login by 电子社保卡.",
        ("init", "serve", "try", "rotate", "keys", "logins"),
    ),
    "glass": (
        _FIRST,
        "The two sealed accounts for emergencies.",
        ("seal", "status"),
    ),
    "pack": (_FIRST, "Policy packs.", ("lint",)),
    "ledger": (_RECORD, "The ledger of what was done.", ("verify", "export", "anchor")),
}
"""Commands of two words: the module has the first word's name, the function is ``first_second``."""


def build_app(*, complete: bool = False) -> App:
    """The command line without the options that all commands share: ``entry`` adds those.

    ``complete``: with every command imported, so that help knows what each of them says of itself.
    """
    app = App(
        name="quanheng",
        help="Accounts, duties and their separation for 人社 bureaus, on Keycloak.",
        version=__version__,
        help_flags=["--help", "-h"],
        version_flags=["--version"],
    )
    for group, names in _COMMANDS.items():
        for name in names:
            _add(app, f"quanheng.cli.{name}", name, name, group, complete=complete)
    for family, (group, text, words) in _FAMILIES.items():
        below = App(name=family, help=text, group=group)
        for word in words:
            module, function = f"quanheng.cli.{family}", f"{family}_{word}"
            _add(below, module, function, word, None, complete=complete)
        app.command(below)
    return app


def _add(app: App, module: str, function: str, name: str, group: Group | None, *, complete: bool) -> None:
    command = getattr(import_module(module), function) if complete else f"{module}:{function}"
    if group is None:
        app.command(command, name=name)
    else:
        app.command(command, name=name, group=group)
