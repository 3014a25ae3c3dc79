"""Names of permissions and policies, whatever areas and posts a pack has: Keycloak keeps 255 letters."""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from fixtures.pack_making import shipped
from quanheng.delegation.compiling import Place, compile_permissions
from quanheng.delegation.holders import Seat
from quanheng.model.ids import KeycloakId, OrgCode, PostId

_SCOPES: Final = frozenset(
    {"view", "view-members", "manage-members", "manage-membership", "manage-membership-of-members"}
)
_LONGEST: Final = 255
_AREAS = st.from_regex(r"[0-9]{2,12}", fullmatch=True)
"""As the schema has codes and ids of posts."""
_POSTS = st.from_regex(r"[a-z][a-z0-9_]{0,47}", fullmatch=True)
_SEATS = st.frozensets(st.builds(Seat, _AREAS.map(OrgCode), _POSTS.map(PostId)), min_size=1, max_size=12)


@given(holders=st.sets(_SEATS, min_size=2, max_size=4))
def test_names_are_kept_whole_and_are_each_ones_own(holders: set[frozenset[Seat]]) -> None:
    """However many may do all there is; different people share neither permission nor policy."""
    places = [
        Place(key=f"org:{number}", area=OrgCode("14"), scopes=dict.fromkeys(_SCOPES, seats))
        for number, seats in enumerate(holders)
    ]
    keys = {place.key for place in places} | {seat.key for seats in holders for seat in seats}
    ids = {key: KeycloakId(f"id {key}") for key in keys}
    made = compile_permissions(shipped("shanxi"), places, ids, {}).permissions
    assert len(made.permissions) == len(made.policies) == len(holders)
    names = made.permissions.keys() | made.policies.keys()
    assert len(names) == 2 * len(holders)
    assert max(map(len, names)) <= _LONGEST
