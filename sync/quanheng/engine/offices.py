"""Who was ever rightly given an administrator's office. Pure (decision 5).

Membership of the office's group alone proves nothing: somebody may have got into it in the console.
"""

from __future__ import annotations

from collections.abc import Mapping

from quanheng.engine.source_posts import BOOTSTRAP, guarded_post_key
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.person import Proposal, ProposalState


def was_given_office(
    proposals: Mapping[str, Proposal], person: PersonId, area: OrgCode, post: PostId
) -> bool:
    """Whether a second person, or the bootstrap, made this person an administrator here.

    True also after the sources have ended it: the last administrator stays until there is another.
    """
    found = proposals.get(guarded_post_key(person, post, area))
    if found is None or found.state is ProposalState.REJECTED:
        return False
    return found.decided_by is not None or found.proposer == BOOTSTRAP
