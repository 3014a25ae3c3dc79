"""What every command is given: the options that all share, and the way to report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from quanheng.cli.console import PlainConsole
from quanheng.clock import Clock, system_clock
from quanheng.config import Settings, read_settings
from quanheng.printable import escape_json

if TYPE_CHECKING:  # imported when a command needs them: '--help' need not wait for a database's driver
    from quanheng.keycloak.port import Realm
    from quanheng.operations.context import Context

Format = Literal["text", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a process meets outside; a rehearsal gives its own."""

    make_realm: Callable[[Settings], Realm] | None = None
    """None: the server that the settings name."""
    clock: Clock = system_clock


@dataclass(kw_only=True)
class Session:
    """One run of one command."""

    config: Path
    format: Format
    surroundings: Surroundings = field(default_factory=Surroundings)

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when they are first needed."""
        return read_settings(self.config)

    @cached_property
    def context(self) -> Context:
        """Everything an operation works with."""
        return self.new_context()

    def new_context(self) -> Context:
        """A context of its own, for what runs longer than one operation."""
        from quanheng.keycloak.open import open_realm
        from quanheng.operations.context import Context

        return Context(
            self.settings,
            clock=self.surroundings.clock,
            make_realm=self.surroundings.make_realm or open_realm,
        )

    def close(self) -> None:
        """Close what the command opened."""
        if "context" in self.__dict__:
            self.context.close()

    @cached_property
    def out(self) -> Console:
        """Standard output: the report."""
        return PlainConsole(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """Standard error: progress and messages."""
        return PlainConsole(sys.stderr)

    def report(self, payload: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print the report: ``payload`` as JSON, or for a person whatever ``show`` prints."""
        if self.format == "json":
            self.print_json(payload)
        else:
            show(self.out)

    def print_json(self, payload: Mapping[str, Any] | Sequence[Any]) -> None:
        """Print JSON in UTF-8 that no terminal width breaks and that commands none."""
        text = json.dumps(payload, ensure_ascii=False, indent=2, default=_as_json)
        sys.stdout.write(escape_json(text) + "\n")


Given = Annotated[Session, Parameter(parse=False)]
"""A parameter that the command line does not fill."""


def _as_json(value: object) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a report")
