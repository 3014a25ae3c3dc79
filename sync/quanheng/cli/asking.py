"""Asking for what must not be on a command line: neither in the shell's history nor in ps.

At a terminal a person is asked without echo; otherwise one line of standard input is taken.
"""

from __future__ import annotations

import getpass
import sys

from quanheng.errors import ConfigurationError
from quanheng.model.sensitive import Sensitive


def ask_secret(prompt: str, *, instead: str) -> Sensitive:
    """Ask for one secret. ``instead`` names the option that gives it in another way.

    Raises :class:`ConfigurationError` when nothing is answered.
    """
    at_terminal = sys.stdin.isatty()
    answer = getpass.getpass(prompt) if at_terminal else sys.stdin.readline().rstrip("\r\n")
    if not answer:
        raise ConfigurationError(
            "a secret was asked for and nothing came; nothing was done",
            remedy=f"run it in a terminal, or give {instead}",
        )
    return Sensitive(answer)


def ask(prompt: str, *, instead: str) -> str:
    """Ask for a value that may be seen while it is typed; otherwise as :func:`ask_secret`."""
    if sys.stdin.isatty():
        sys.stderr.write(prompt)
        sys.stderr.flush()
    answer = sys.stdin.readline().strip()
    if not answer:
        raise ConfigurationError(
            "a value was asked for and nothing came; nothing was done",
            remedy=f"run it in a terminal, or give {instead}",
        )
    return answer


def confirm(question: str) -> bool:
    """Ask yes or no. Raises :class:`ConfigurationError` without a terminal."""
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "there is no terminal to confirm at", remedy="look at the list, then give --yes"
        )
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")
