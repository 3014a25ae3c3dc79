"""How a command line begins and ends: help, usage, errors, exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.command_line import Desk
from fixtures.identities import a_mint
from quanheng import errors
from quanheng.cli.app import build_app
from quanheng.cli.entry import run_command
from quanheng.cli.session import Surroundings
from quanheng.config import Settings
from quanheng.keycloak.port import Realm, RealmRefusedError

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"
FAMILIES = ("keys", "realm", "review", "bridge", "pack", "ledger")


def _commands() -> list[str]:
    app = build_app(complete=True)
    found = []
    for name in app:
        if name.startswith("-"):
            continue
        below = [word for word in app[name] if not word.startswith("-")]
        found += [f"{name} {word}" for word in below] if name in FAMILIES else [name]
    return found


@pytest.mark.parametrize("command", _commands())
def test_every_command_explains_itself_and_is_documented(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its help works, and the reference has a section of its name that names each of its options."""
    assert run_command([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    reference = (DOCS / "commands.md").read_text(encoding="utf-8")
    section = re.search(rf"^### `quanheng {command}\b.*?(?=^##|\Z)", reference, re.M | re.S)
    assert section is not None, f"docs/reference/commands.md has no section for {command}"
    own = shown.partition("Shared options")[0]
    for option in set(re.findall(r"(?<![\w-])--(?!no-)[a-z][a-z-]+", own)) - {"--help"}:
        assert option in section[0], option


def test_every_exit_code_is_documented() -> None:
    """Each error class's code, and the codes of entry, have a row in the table."""
    text = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    codes = {
        item.exit_code
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, errors.QuanhengError)
    }
    for code in codes | {0, 1, 70, 130, RealmRefusedError.exit_code}:
        assert f"| {code} |" in text, code


@pytest.mark.parametrize(
    "words", [["nonsense"], ["sync", "--nonsense"], ["apply"], ["keys", "rotate", "house"]]
)
def test_a_line_that_makes_no_sense_exits_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is done, standard output stays empty, and the message points to help."""
    assert run_command(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--help" in err


def test_a_number_that_was_typed_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody's ID number or phone among the words of a line that makes no sense does not come back."""
    mint = a_mint()
    number, phone = mint.resident_number(), mint.phone()
    assert run_command([number]) == 2
    assert run_command(["sync", f"--{phone}"]) == 2
    out, err = capsys.readouterr()
    assert number not in out + err
    assert phone not in out + err
    assert err.count("***") == 2


def test_an_expected_error_tells_what_to_do_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Message and remedy go to standard error, without a traceback; programs get them as JSON."""
    missing = str(tmp_path / "quanheng.toml")
    assert run_command(["status", "--config", missing]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "quanheng init" in err
    assert "Traceback" not in err
    assert run_command(["status", "--config", missing, "--format", "json"]) == 2
    assert '"kind": "ConfigurationError"' in capsys.readouterr().out


@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_fault_exits_with_70_and_shows_no_value(desk: Desk, debug: bool) -> None:
    """Not the text of the exception, and no local variable: both may hold somebody's number."""
    secret = a_mint().resident_number()

    def broken(_settings: Settings) -> Realm:
        held = secret
        raise RuntimeError(f"cannot do it with {held}")

    desk.generate_keys()
    desk.capture.readouterr()
    words = ["check", "--config", str(desk.folder / "quanheng.toml"), *(["--debug"] if debug else [])]
    assert run_command(words, Surroundings(make_realm=broken)) == 70
    out, err = desk.capture.readouterr()
    assert secret not in out + err
    assert "RuntimeError" in err
    assert ("test_cli_entry.py" in err) is debug
    assert ("--debug" in err) is not debug


def test_the_installed_program_answers() -> None:
    """``quanheng --version`` as a process of its own."""
    program = Path(sys.executable).parent / "quanheng"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\S*\n", done.stdout)


def test_the_configuration_is_found_by_its_variable(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """$QUANHENG_CONFIG names the file when --config does not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUANHENG_CONFIG", str(desk.folder / "quanheng.toml"))
    assert run_command(["pack", "lint"]) == 0
