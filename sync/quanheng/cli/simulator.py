"""``quanheng simulator``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from quanheng.bridge.card.protection import read_block
from quanheng.bridge.settings import MAX_CODE_SECONDS
from quanheng.cli.session import Given
from quanheng.config_fields import LOOPBACK
from quanheng.identity.files import read_private_line
from quanheng.simulator.app import serve_simulator
from quanheng.simulator.settings import ANY_KEY, SimulatorSettings


def simulator(
    *,
    port: int = 8447,
    host: str = "127.0.0.1",
    people: Path | None = None,
    with_odd_people: Annotated[bool, Parameter(negative=())] = False,
    access_key: str = "simulator",
    signing_key_file: Path | None = None,
    encryption_key_file: Path | None = None,
    protection: Literal["hmac-sha1-aes-cbc", "hmac-sm3-sm4-gcm"] = "hmac-sha1-aes-cbc",
    code_seconds: float = MAX_CODE_SECONDS,
    public_url: str = "",
    session: Given,
) -> None:
    """Serve a card platform to try things out with, until SIGTERM or Ctrl-C. Synthetic people alone.

    Parameters
    ----------
    host
        Without authentication: an address of another machine is for a closed network.
    people
        JSON list of people, mode 0600.
    with_odd_people
        Add people with cards in every status, and one whom no registry knows.
    signing_key_file
        One line, mode 0600; without it a key that everybody knows. The same with encryption_key_file.
    code_seconds
        How long a code lives.
    public_url
        Where phones reach it: codes are then addresses of its phone page, which a real phone can scan.
    """
    settings = SimulatorSettings(
        access_key=access_key,
        signing_key=ANY_KEY if signing_key_file is None else read_private_line(signing_key_file).reveal(),
        encryption_key=bytes.fromhex(ANY_KEY)
        if encryption_key_file is None
        else read_block(encryption_key_file),
        protection=protection,
        code_seconds=code_seconds,
        public_url=public_url,
        people_file=people,
        odd_people=with_odd_people,
    )
    if host not in LOOPBACK:
        session.err.print("模拟器没有身份认证：只能在封闭的网络中这样使用。", style="yellow")
    session.err.print(f"电子社保卡模拟平台：http://{host}:{port}/CSB/，模拟手机：http://{host}:{port}/phone")
    serve_simulator(settings, host, port)
