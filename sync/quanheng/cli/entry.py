"""Where a run begins and ends: options that all commands share, errors, exit codes."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import CycloptsError, Group, Parameter
from rich.console import RenderableType

from quanheng.cli.app import build_app
from quanheng.cli.console import PlainConsole, lines_of
from quanheng.cli.session import Format, Session, Surroundings
from quanheng.errors import QuanhengError
from quanheng.logs import redact_text, start_logs

USAGE: Final = 2
UNEXPECTED: Final = 70
INTERRUPTED: Final = 130
_HELP: Final = frozenset({"--help", "-h"})
CONFIG_VARIABLE: Final = "QUANHENG_CONFIG"


def main() -> None:
    """The program."""
    logging.captureWarnings(True)
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str], surroundings: Surroundings | None = None) -> int:
    """Run one command line and return its exit code; whatever happens."""
    app = build_app(complete=not arguments or not _HELP.isdisjoint(arguments))
    app.meta.group_parameters = Group("Shared options", sort_key=9)
    sessions: list[Session] = []
    debug_flags: list[bool] = []

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Path | None = None,
        format: Format = "text",  # noqa: A002 -- the option's name
        debug: Annotated[bool, Parameter(negative=())] = False,
    ) -> Any:
        """Run a command.

        Parameters
        ----------
        config
            quanheng.toml; else $QUANHENG_CONFIG, else ./quanheng.toml.
        format
            "text" for people, "json" for programs.
        debug
            Show where an unexpected fault happened (no values), and log more.
        """
        debug_flags.append(debug)
        start_logs(debug=debug)
        session = Session(
            config=config or Path(os.environ.get(CONFIG_VARIABLE) or "quanheng.toml"),
            format=format,
            surroundings=surroundings or Surroundings(),
        )
        sessions.append(session)
        command, bound, injected = app.parse_args(tokens, exit_on_error=False, print_error=False)
        return command(*bound.args, **bound.kwargs, **dict.fromkeys(injected, session))

    errors = PlainConsole(sys.stderr, soft_wrap=True)
    try:
        code = app.meta(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        errors.print(_told(redact_text(str(error))), style="red")  # what was typed may be anything
        errors.print("see 'quanheng --help'")
        return USAGE
    except QuanhengError as error:
        return _tell(error, errors, sessions)
    except KeyboardInterrupt:
        errors.print("quanheng: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the report has enough of it; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 -- the last line: no values, no locals, a code of its own
        errors.print(f"quanheng: an unexpected fault: {type(error).__name__}", style="red")
        if debug_flags and debug_flags[0]:
            frames = traceback.format_list(traceback.extract_tb(error.__traceback__))
            errors.print(lines_of("".join(frames).splitlines()))
        else:
            errors.print("run the same command with --debug, and report what it prints")
        return UNEXPECTED
    finally:
        for session in sessions:
            session.close()
    return int(code or 0)


def _told(message: str) -> RenderableType:
    """A message; what follows its first line stands in, so that none of it poses as another message."""
    first, *others = message.split("\n")
    return lines_of([f"quanheng: {first}", *(f"  {line}" for line in others)])


def _tell(error: QuanhengError, errors: PlainConsole, sessions: Sequence[Session]) -> int:
    message, remedy = redact_text(str(error.args[0])), redact_text(error.remedy)
    errors.print(_told(message), style="red")
    if remedy:
        errors.print(f"→ {remedy}")
    if sessions and sessions[0].format == "json":
        sessions[0].print_json(
            {
                "error": {
                    "kind": type(error).__name__,
                    "message": message,
                    "remedy": remedy,
                    "exit_code": error.exit_code,
                }
            }
        )
    return error.exit_code
