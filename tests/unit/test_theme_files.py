"""The themes of the login page and the console, as files: complete, self-contained, packed with the guard."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Final

import pytest
import yaml
from deploy.local import guard

from quanheng.keycloak.configuration_files import configuration_folder
from quanheng.policy.pack import load_packs

THEMES: Final = configuration_folder() / "theme"
_NEUTRAL: Final = (
    "invalidUserMessage",
    "invalidPasswordMessage",
    "accountDisabledMessage",
    "accountTemporarilyDisabledMessage",
    "accountPermanentlyDisabledMessage",
    "access-denied",
)
"""Keycloak's messages for people who may not, or cannot, log in."""


def messages(kind: str) -> dict[str, str]:
    """Our messages of a theme."""
    file = THEMES / "quanheng" / kind / "messages" / "messages_zh_Hans.properties"
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: text for key, _, text in pairs}


def test_one_text_for_everybody_who_cannot_log_in() -> None:
    """Whatever the reason, also those that no test brings about."""
    texts = messages("login")
    assert {texts[key] for key in _NEUTRAL} == {texts["accountDisabledMessage"]}


def test_the_server_is_told_of_each_theme_that_the_realm_asks_for() -> None:
    """By the list in the guard's JAR; each has a folder, and Keycloak's own as its parent."""
    listed = guard.SOURCES / "src" / "main" / "resources" / "META-INF" / "keycloak-themes.json"
    told = {
        (theme["name"], kind)
        for theme in json.loads(listed.read_text(encoding="utf-8"))["themes"]
        for kind in theme["types"]
    }
    realm = yaml.safe_load((configuration_folder() / "realm.yaml").read_text(encoding="utf-8"))
    assert told == {(realm["loginTheme"], "login"), (realm["adminTheme"], "admin")}
    for name, kind in told:
        properties = (THEMES / name / kind / "theme.properties").read_text(encoding="utf-8")
        assert properties.startswith("parent=keycloak.v2\n")


@pytest.mark.parametrize("packs", [("shanxi", "jincheng"), ("enshi",), ("gansu",)])
def test_no_text_names_a_post(packs: tuple[str, ...]) -> None:
    """Who keeps an account is called otherwise in each pack, and is at another level."""
    profile = (configuration_folder() / "user-profile.yaml").read_text(encoding="utf-8")
    texts = [*messages("login").values(), *messages("admin").values(), profile]
    labels = [post.label for post in load_packs(packs).posts.posts if post.kind == "administrator"]
    assert [(label, text) for label in labels for text in texts if label in text] == []


def test_nothing_is_fetched_from_elsewhere() -> None:
    """No address of another server, and no script, in any file of the themes."""
    for file in filter(Path.is_file, THEMES.rglob("*")):
        assert not re.search(r"(https?:)?//\w|@import|<script", file.read_text(encoding="utf-8")), file


def test_another_text_is_another_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed file of the themes changes the name under which the built guard is kept."""
    copy = tmp_path / "checkout"
    shutil.copytree(guard.SOURCES, copy / "guard", ignore=shutil.ignore_patterns("target"))
    shutil.copytree(guard.THEMES, copy / "keycloak-config" / "theme")
    monkeypatch.setattr(guard, "_CHECKOUT", copy)
    monkeypatch.setattr(guard, "SOURCES", copy / "guard")
    monkeypatch.setattr(guard, "THEMES", copy / "keycloak-config" / "theme")
    before = guard._fingerprint()
    (guard.THEMES / "quanheng" / "login" / "footer.ftl").write_text("", encoding="utf-8")
    assert guard._fingerprint() != before
