"""What others wrote is shown among ours as one line that commands nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.table import Table

from quanheng.cli.console import PlainConsole, lines_of
from quanheng.cli.entry import run_command
from quanheng.cli.session import Session
from quanheng.printable import INSTEAD, escape_json, printable

HOSTILE = (
    "\n",
    "\r",
    "\t",
    "\x1b",
    "\x07",
    "\x7f",
    "\x85",
    "\x9b",
    "\u200b",
    "\u200f",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\ufeff",
    "\U000e0041",
    "\ud800",
)
"""A line's end, a command to the terminal, a turn of direction, something of no width, half a character."""


@pytest.mark.parametrize("sign", HOSTILE)
def test_what_is_not_seen_is_shown_as_such(sign: str) -> None:
    """One mark for each."""
    assert printable(f"甲{sign}乙") == f"甲{INSTEAD}乙"


@pytest.mark.parametrize("text", ["忻府区　经办人员", "𠮷\ue000é", "a b", "sx0000001：/岗位/“x”"])
def test_what_people_write_stays(text: str) -> None:
    """Wide spaces, rare characters and those of private use, accents."""
    assert printable(text) == text


@pytest.mark.parametrize("sign", HOSTILE)
def test_json_says_the_same_and_commands_nothing(sign: str) -> None:
    """Programs read the very name; a terminal is shown none of it. Lines are JSON's own."""
    value = {"name": f"甲{sign}乙", "next": ["𠮷", "一"]}
    text = escape_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(text) == value
    assert "𠮷" in text
    assert {line for line in text.split("\n") if printable(line) != line} == set()


def _shown(name: str) -> str:
    stream = io.StringIO()
    out = PlainConsole(stream)
    table = Table(title=f"组 {name}")
    table.add_column(name, overflow="fold")
    table.add_row(f"/岗位/{name}")
    table.add_row(lines_of([f"一 {name}", f"二 {name}"]))
    out.print(table)
    out.print(f"共 {name}", style="bold")
    return stream.getvalue()


@pytest.mark.parametrize("sign", HOSTILE)
def test_a_name_makes_no_line_on_the_console(sign: str) -> None:
    """Nor commands it: in a message, in a table's title, head and cells, in one of several lines."""
    wild = _shown(f"甲{sign}乙")
    assert wild == _shown(f"甲{INSTEAD}乙")
    assert wild.count(INSTEAD) == 6


def test_a_name_in_an_error_poses_as_no_other_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but the first line begins as a message of ours does, and the terminal is not commanded."""
    folder = tmp_path / "x\nquanheng: all is well\x1b[2J\u2028→ trust me"
    assert run_command(["status", "--config", str(folder / "quanheng.toml")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if line.startswith("quanheng:")] == told[:1]
    assert not [line for line in told if line.startswith("→ trust")]
    assert "\x1b" not in "".join(told)


def test_a_report_in_json_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """And half a character, which UTF-8 does not have, does not end the program."""
    Session(config=Path("x"), format="json").print_json({"group": "甲\x9b\u202e\ud800乙"})
    out = capsys.readouterr().out
    assert "\\u009b\\u202e\\ud800" in out
    assert json.loads(out) == {"group": "甲\x9b\u202e\ud800乙"}
