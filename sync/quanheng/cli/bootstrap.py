"""``quanheng bootstrap``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from quanheng.cli.asking import ask_secret
from quanheng.cli.session import Given
from quanheng.errors import ConfigurationError
from quanheng.identity.files import read_private_line
from quanheng.model.ids import PostId, StaffNo
from quanheng.operations.bootstrap import bootstrap as name_founders


def bootstrap(
    founder: Annotated[list[str], Parameter(negative=())],
    *,
    seal_file: Annotated[list[Path] | None, Parameter(negative=())] = None,
    session: Given,
) -> None:
    """Name the first administrators: entry 0 of the ledger. Two people, once.

    Parameters
    ----------
    founder
        POST=STAFFNO, one for each administrator's post, as in system_admin=R140000-00001.
    seal_file
        File with a seal, given twice; otherwise both are asked for.
    """
    founders = dict(_parse(text) for text in founder)
    if len(founders) != len(founder):
        raise ConfigurationError("a post is named twice", remedy="give each post one person")
    name_founders(session.context, founders, _seals(seal_file or ()))
    payload = {"founders": [{"post": post, "staff_no": number} for post, number in sorted(founders.items())]}
    session.report(
        payload,
        lambda out: out.print(
            "已记入台账第 0 条："
            + "，".join(f"{post} {number}" for post, number in sorted(founders.items()))
            + "。来源中出现这些人员后即建立账号。下一步：quanheng sync"
        ),
    )


def _parse(text: str) -> tuple[PostId, StaffNo]:
    post, equals, number = text.partition("=")
    if not equals or not post.strip() or not number.strip():
        raise ConfigurationError(
            "a founder is not POST=STAFFNO", remedy="write it like system_admin=R140000-00001"
        )
    return PostId(post.strip()), StaffNo(number.strip())


def _seals(files: Sequence[Path]) -> list[str]:
    if files:
        if len(files) != 2:
            raise ConfigurationError("--seal-file is given twice, or not at all", remedy="name both files")
        return [read_private_line(file).reveal() for file in files]
    return [
        ask_secret(f"{who}输入封条（不显示）：", instead="--seal-file twice").reveal()
        for who in ("第一人", "第二人")
    ]
