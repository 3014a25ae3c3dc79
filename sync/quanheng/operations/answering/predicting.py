"""Whether somebody could be given a post: judged, not done."""

from __future__ import annotations

from dataclasses import dataclass

from quanheng.errors import ConfigurationError
from quanheng.model.ids import OrgCode, PostId
from quanheng.model.staff import OrgUnit
from quanheng.operations.answering.assessing import Assessment, Assessor
from quanheng.operations.answering.looking import Subject, read_subject
from quanheng.operations.context import Context
from quanheng.policy.contents import Pack
from quanheng.policy.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What would come of giving somebody a post."""

    subject: Subject
    assessment: Assessment

    @property
    def allowed(self) -> bool:
        """Whether it may be given."""
        return self.assessment.possible


def predict(context: Context, who: str, post: str, area: str | None = None) -> Prediction:
    """Judge a post, by id or label, for somebody, by user name or staff number. Writes nothing.

    ``area``: code of an organisation; the county, city or province it belongs to counts. Without it the
    person's own. Raises :class:`ConfigurationError` for a person, post or organisation that is not there.
    """
    post_id = find_post(context.pack, post)
    subject = read_subject(context, who)
    unit = subject.area if area is None else find_area(subject.units, area)
    return Prediction(subject=subject, assessment=Assessor(context, subject).assess(post_id, unit))


def find_post(pack: Pack, name: str) -> PostId:
    """A post by id, label or alias. Raises :class:`ConfigurationError` when there is none."""
    found = pack.post_by_id.get(PostId(name)) or pack.post_by_label.get(name)
    if found is None:
        known = "、".join(f"{post.id}（{post.label}）" for post in pack.posts.posts)
        raise ConfigurationError(f"the packs have no post '{name}'", remedy=f"name one of: {known}")
    return PostId(found.id)


def find_area(units: Units, code: str) -> OrgUnit:
    """The county, city or province of a code. Raises :class:`ConfigurationError` when there is none."""
    unit = units.resolve(OrgCode(code))
    area = units.area(unit) if unit is not None else None
    if area is None:
        raise ConfigurationError(
            f"no organisation has the code {code}", remedy="give the code of a county, city or province"
        )
    return area
