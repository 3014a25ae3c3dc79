"""Prove that a pack holds together: names, posts, who administers whom, permissions, rules. Pure.

Every fault is one sentence that names the file, the place and what to do.
"""

from __future__ import annotations

from quanheng.policy.contents import Pack
from quanheng.policy.lint_administration import lint_administration
from quanheng.policy.lint_lifecycle import lint_lifecycle
from quanheng.policy.lint_posts import lint_permissions, lint_posts
from quanheng.policy.lint_rules import lint_rules
from quanheng.policy.lint_words import doubled, unknown


def lint(pack: Pack) -> list[str]:
    """Everything that is wrong between the files of a pack or stack; empty when nothing is."""
    return [
        *_names(pack),
        *lint_posts(pack),
        *lint_administration(pack),
        *lint_permissions(pack),
        *lint_rules(pack),
        *lint_lifecycle(pack),
    ]


def _names(pack: Pack) -> list[str]:
    faults: list[str] = []
    posts = [post.id for post in pack.posts.posts]
    faults += doubled("posts.yaml: post id", posts)
    faults += doubled("posts.yaml: label", [x for p in pack.posts.posts for x in (p.label, *p.aliases)])
    faults += doubled("statuses.yaml: status id", [status.id for status in pack.statuses.statuses])
    faults += doubled(
        "statuses.yaml: label", [x for s in pack.statuses.statuses for x in (s.label, *s.aliases)]
    )
    employments = [item.id for item in pack.qualifications.employments]
    faults += doubled("qualifications.yaml: employment id", employments)
    qualifications = [item.id for item in pack.qualifications.qualifications]
    faults += doubled("qualifications.yaml: qualification id", qualifications)
    letters = {regulation.letter for regulation in pack.info.regulations}
    faults += doubled("pack.yaml: regulation", [item.letter for item in pack.info.regulations])
    for item in pack.qualifications.qualifications:
        faults += unknown(f"qualifications.yaml: {item.id}: employment", item.employments, employments)
    for post in pack.posts.posts:
        where = f"posts.yaml: {post.id}"
        faults += unknown(f"{where}: requires", post.requires, qualifications)
        faults += unknown(f"{where}: approved_by", post.approved_by, posts)
        faults += unknown(f"{where}: granted_by", post.granted_by, posts)
        faults += unknown(f"{where}: article", post.article[:1], letters)
    faults += doubled("permissions.yaml: subsystem id", [item.id for item in pack.permissions.subsystems])
    businesses = [item.id for item in pack.permissions.businesses]
    faults += doubled("permissions.yaml: business id", businesses)
    for subsystem in pack.permissions.subsystems:
        where = f"permissions.yaml: {subsystem.id}"
        faults += doubled(f"{where}: permission id", [item.id for item in subsystem.permissions])
        for permission in subsystem.permissions:
            place = f"{where}/{permission.id}"
            faults += unknown(f"{place}: posts", permission.posts, posts)
            faults += unknown(f"{place}: business", filter(None, [permission.business]), businesses)
    for status in pack.statuses.statuses:
        if status.article:
            faults += unknown(f"statuses.yaml: {status.id}: article", status.article[:1], letters)
    return faults
