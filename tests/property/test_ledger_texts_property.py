"""What a ledger's texts lose, and what they never lose."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from fixtures.feeds import AS_OF, People, shanxi
from fixtures.identities import a_mint
from fixtures.servers_postgres import SETTLED
from quanheng.ledger.entry import NO_HASH, Entry, canonical_json, chain, moment_text
from quanheng.model.ids import OrgCode
from quanheng.policy.units import Units
from quanheng.sources.organisations import with_root
from quanheng.sources.rows import RowJudge

TITLES = shanxi().sources.feed.people.model_dump()
JUDGE = RowJudge(
    pack=shanxi(),
    units=with_root(Units({}), shanxi()),
    scope=(OrgCode("14"),),
    labels=TITLES,
    today=AS_OF.date(),
)
PERSON = People().row()
DIGITS = "0123456789"
_MINT = a_mint()
NUMBERS = [text for _ in range(20) for text in (_MINT.resident_number(), _MINT.phone())]


def kept(text: str) -> str:
    """A text as the ledger has it: once as a value, once among others, once in a list."""
    entry = Entry(kind="note", body={"subject": text, "path": f"/岗位/{text}", "all": [f"users/{text}"]})
    body = chain(entry, sequence=1, at=SETTLED, previous=NO_HASH).body
    return text if body == canonical_json(dict(entry.body)) else body


def hexes(size: int) -> st.SearchStrategy[str]:
    """Digests: many of them hold long runs of digits."""
    return st.text(DIGITS * 3 + "abcdef", min_size=size, max_size=size)


@given(
    st.one_of(
        st.from_regex(r"[1-6][0-9]{5}([0-9]{3}([0-9]{3})?|Y[0-9]{2})?", fullmatch=True),
        st.datetimes().map(lambda moment: moment.isoformat()),
        st.just(moment_text(SETTLED)),
        st.dates().map(str),
        hexes(64),
        hexes(32),
        hexes(32).map(lambda text: str(uuid.UUID(text))),
        st.from_regex(r"people\.csv:[0-9]{1,7}", fullmatch=True),
        st.from_regex(r"sx[0-9]{7}", fullmatch=True),
        st.sampled_from(["140902-忻府区", "s5-forbidden#2", "post-operator", "jiujinban/service_query"]),
    )
)
def test_what_an_auditor_needs_stays(text: str) -> None:
    """Codes of organisations, times, digests, ids, places in files, user names and rules are not touched."""
    assert kept(text) == text


@given(st.from_regex(r"[A-Za-z]{0,2}[0-9]{3,18}([-./][0-9]{1,9}){0,2}[Xx]?", fullmatch=True))
def test_a_staff_number_that_is_believed_stays(text: str) -> None:
    """What the sources let pass as a staff number, the ledger does not mask."""
    values = {field: PERSON[title] for field, title in TITLES.items()} | {"staff_no": text}
    staff_no = JUDGE.staff_no(values)
    if staff_no is not None:
        assert kept(staff_no) == text


@given(
    st.sampled_from(NUMBERS),
    st.text("abcxyzＡ王 -_./:（", max_size=6),
    st.text("abcxyzＡ王 -_./:）", max_size=6),
)
def test_a_number_never_stays(number: str, before: str, after: str) -> None:
    """An ID number or phone is taken out whatever letters or signs stand before and behind it."""
    assert number not in kept(before + number + after)
