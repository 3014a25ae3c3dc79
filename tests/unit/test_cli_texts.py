"""Everything that is reported has a Chinese label, and everything that can be set or found is explained."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from quanheng import config
from quanheng.bridge import settings as bridge_settings
from quanheng.cli import labels
from quanheng.config import read_settings
from quanheng.errors import ConfigurationError
from quanheng.model.change import ChangeKind
from quanheng.model.finding import FindingKind
from quanheng.model.person import BasisKind, HoldKind, ProposalKind, ProposalState
from quanheng.operations.answering.assessing import ObstacleKind
from quanheng.operations.doctor.holes import HOLES, OLDEST_SUPPORTED, holes_of, release
from quanheng.operations.initialise import EXAMPLE, write_example
from quanheng.operations.limits_exceeded import SAFETY
from quanheng.operations.waivers import WaiverState

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        (ChangeKind, labels.CHANGES),
        (FindingKind, labels.FINDINGS),
        (ProposalKind, labels.PROPOSALS),
        (ProposalState, labels.PROPOSAL_STATES),
        (BasisKind, labels.BASES),
        (HoldKind, labels.HOLDS),
        (ObstacleKind, labels.OBSTACLES),
        (WaiverState, labels.WAIVER_STATES),
    ],
)
def test_every_kind_has_a_label(kinds: type, found: dict[object, str]) -> None:
    """So that no report shows an English word to a person."""
    assert set(kinds) == set(found)


def test_every_class_of_safety_has_a_label() -> None:
    """Those of the settings, no more and no fewer."""
    limits = {
        name for name, field in config.SafetySettings.model_fields.items() if field.annotation is config.Limit
    }
    assert limits == set(SAFETY)


def test_every_finding_is_explained() -> None:
    """Each kind has a section in the reference."""
    text = (DOCS / "reference" / "findings.md").read_text(encoding="utf-8")
    for kind in FindingKind:
        assert f"`{kind}`" in text, kind


def test_every_setting_is_explained() -> None:
    """Each field of each part of quanheng.toml is named in the reference."""
    text = (DOCS / "reference" / "configuration.md").read_text(encoding="utf-8")
    parts = [
        item
        for module in (config, bridge_settings)
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, BaseModel)
    ]
    for part in parts:
        for name in part.model_fields:
            assert f"`{name}`" in text, f"{part.__name__}.{name}"


def test_the_example_is_valid_as_it_stands(tmp_path: Path) -> None:
    """``quanheng init`` writes what ``read_settings`` takes, with both kinds of sources."""
    settings = read_settings(write_example(tmp_path))
    assert [source.kind for source in settings.sources] == ["feed", "ldap"]
    assert settings.keys_directory == tmp_path / "keys"


def test_the_example_agrees_with_the_defaults(tmp_path: Path) -> None:
    """A limit that the example shows is the one that holds without it."""
    settings = read_settings(write_example(tmp_path))
    assert settings.safety == config.SafetySettings()
    shown = tomllib.loads(EXAMPLE)["schedule"]
    defaults = config.ScheduleSettings()
    assert {key: getattr(defaults, key) for key in shown if key != "heartbeat_file"} == {
        key: value for key, value in shown.items() if key != "heartbeat_file"
    }


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    """Somebody's settings are worth more than an example."""
    file = tmp_path / "quanheng.toml"
    file.write_text("packs = []\n", encoding="utf-8")
    with pytest.raises(ConfigurationError):
        write_example(tmp_path)
    assert file.read_text(encoding="utf-8") == "packs = []\n"


def test_an_old_server_has_the_closed_holes_and_a_new_one_only_the_open() -> None:
    """And one whose version nobody knows has them all."""
    open_ones = {hole.id for hole in HOLES if hole.closed_in is None}
    assert {hole.id for hole in holes_of(OLDEST_SUPPORTED)} == open_ones
    assert {hole.id for hole in holes_of("26.10.0")} == open_ones
    assert {hole.id for hole in holes_of("26.6.0")} == {hole.id for hole in HOLES}
    assert holes_of("") == holes_of("26.6.0")


def test_versions_are_compared_as_numbers() -> None:
    """26.10 is newer than 26.7."""
    assert (release("26.10.0") or ()) > (release("26.7.3") or ())
    assert release("nightly") is None
