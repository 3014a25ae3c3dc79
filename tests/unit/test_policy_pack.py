"""Packs: every file and every rule between files, and what is said when one is broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.pack_making import FIFTH, page_pack
from quanheng.errors import ConfigurationError
from quanheng.model.ids import PostId
from quanheng.policy.lint import lint
from quanheng.policy.pack import find_pack, load_pack, load_packs

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the pack of 山西."""
    return Path(shutil.copytree(find_pack("shanxi"), tmp_path / "pack"))


def edit(folder: Path, name: str, change: Edit) -> None:
    """Change one file of a pack."""
    file = folder / f"{name}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def faults(folder: Path) -> str:
    """What loading the pack complains of."""
    with pytest.raises(ConfigurationError) as caught:
        load_pack(folder)
    return str(caught.value)


def test_shipped_pack_is_clean() -> None:
    """The pack of 山西 loads and nothing in it contradicts itself."""
    pack = load_pack(find_pack("shanxi"))
    assert lint(pack) == []
    assert pack.username(7) == "sx0000007"
    assert pack.post_by_label["操作员"].id == "operator"
    assert pack.post_by_id[PostId("system_admin")].role == "post-system-admin"
    assert pack.status_by_label["挂职"].id == "seconded"
    assert pack.employment_by_label["村干部"].id == "village_cadre"


@pytest.mark.parametrize("name", ["shanxi", "jincheng", "enshi", "gansu", str(FIFTH)])
def test_each_pack_is_clean(name: str) -> None:
    """Every shipped pack holds together, and so does the one written from the reference page alone."""
    assert lint(load_pack(find_pack(name))) == []


def test_example_of_the_reference_page_is_a_pack(tmp_path: Path) -> None:
    """What the page shows as a complete pack is one."""
    assert load_pack(page_pack(tmp_path)).info.id == "qingxi"


def test_packs_are_stacked_by_name() -> None:
    """Several names are one pack; the first owns the realm."""
    pack = load_packs(["shanxi", "jincheng"])
    assert pack.info.id == "shanxi"
    assert [item.letter for item in pack.info.regulations] == ["S", "X", "B", "J"]


def test_a_realm_has_three_officers() -> None:
    """A pack that leaves the 三员 to the one below it is no realm's only pack."""
    with pytest.raises(ConfigurationError, match=r"administration\.yaml: officers") as caught:
        load_packs(["jincheng"])
    assert "stacked on" in caught.value.remedy


def test_yaml_that_contains_itself(folder: Path) -> None:
    """An anchor that contains itself is an error of its file, and not endless."""
    (folder / "rules.yaml").write_text("exclusions: &loop [*loop]\n", encoding="utf-8")
    assert "rules.yaml: " in faults(folder)


def test_every_file_is_needed(folder: Path) -> None:
    """Each of the ten files that is missing is named, all of them at once."""
    files = sorted(folder.glob("*.yaml"))
    assert len(files) == 10
    for file in files:
        file.unlink()
    text = faults(folder)
    assert all(f"{file.name}: missing" in text for file in files)


@pytest.mark.parametrize("name", [file.stem for file in sorted(find_pack("shanxi").glob("*.yaml"))])
def test_unknown_key_is_an_error(folder: Path, name: str) -> None:
    """A key that the schema does not know is an error in every file: a typing error must not pass."""
    edit(folder, name, lambda content: content.update(surplus=1))
    assert f"{name}.yaml: surplus: " in faults(folder)


def test_file_that_is_no_yaml(folder: Path) -> None:
    """A file that is not YAML, or not UTF-8, is named."""
    (folder / "posts.yaml").write_text("posts: [", encoding="utf-8")
    (folder / "rules.yaml").write_bytes("exclusions: []  # 规则".encode("gb18030"))
    text = faults(folder)
    assert "posts.yaml: not YAML" in text
    assert "rules.yaml: not YAML in UTF-8" in text


def test_unsafe_yaml_is_refused(folder: Path) -> None:
    """A pack cannot run code: tags of Python objects are no YAML that we read."""
    (folder / "rules.yaml").write_text("!!python/object/apply:os.getpid []\n", encoding="utf-8")
    assert "rules.yaml: not YAML" in faults(folder)


def first(*path: str | int) -> Callable[[dict[str, Any]], Any]:
    """Follow keys and places."""

    def follow(content: dict[str, Any]) -> Any:
        found: Any = content
        for step in path:
            found = found[step]
        return found

    return follow


def put(*path: str | int, value: Any) -> Edit:
    """Set a value."""

    def change(content: dict[str, Any]) -> None:
        first(*path[:-1])(content)[path[-1]] = value

    return change


def double(*path: str | int) -> Edit:
    """Put the first of a list there twice."""

    def change(content: dict[str, Any]) -> None:
        items = first(*path)(content)
        items.append(items[0])

    return change


RULES = {
    "post id twice": ("posts", double("posts"), "posts.yaml: post id 'system_admin' is there twice"),
    "post label twice": (
        "posts",
        put("posts", 2, "aliases", value=["系统管理员"]),
        "posts.yaml: label '系统管理员' is there twice",
    ),
    "status id twice": ("statuses", double("statuses"), "statuses.yaml: status id 'active' is there twice"),
    "status label twice": (
        "statuses",
        put("statuses", 1, "label", value="在职"),
        "statuses.yaml: label '在职' is there twice",
    ),
    "employment id twice": (
        "qualifications",
        double("employments"),
        "qualifications.yaml: employment id 'permanent' is there twice",
    ),
    "qualification id twice": (
        "qualifications",
        double("qualifications"),
        "qualifications.yaml: qualification id 'permanent' is there twice",
    ),
    "unknown employment": (
        "qualifications",
        put("qualifications", 0, "employments", value=["tenured"]),
        "qualifications.yaml: permanent: employment 'tenured' is not defined",
    ),
    "unknown qualification": (
        "posts",
        put("posts", 0, "requires", value=["doctor"]),
        "posts.yaml: system_admin: requires 'doctor' is not defined",
    ),
    "unknown approver": (
        "posts",
        put("posts", 0, "approved_by", value=["king"]),
        "posts.yaml: system_admin: approved_by 'king' is not defined",
    ),
    "unknown regulation of a post": (
        "posts",
        put("posts", 0, "article", value="Q3"),
        "posts.yaml: system_admin: article 'Q' is not defined",
    ),
    "approval by nobody": (
        "posts",
        put("posts", 0, "approved_by", value=[]),
        "posts.yaml: system_admin: approval needs a second person, but approved_by names nobody",
    ),
    "administrator without approval": (
        "posts",
        put("posts", 0, "approval", value="none"),
        "posts.yaml: system_admin: an administrator's post always needs a second person",
    ),
    "high risk without approval": (
        "posts",
        put("posts", 4, "approval", value="none"),
        "posts.yaml: reviewer: a high-risk post always needs a second person",
    ),
    "permission id twice": (
        "permissions",
        double("subsystems", 0, "permissions"),
        "permissions.yaml: jiujinban: permission id 'service_query' is there twice",
    ),
    "permission of an unknown post": (
        "permissions",
        put("subsystems", 0, "permissions", 0, "posts", value=["janitor"]),
        "permissions.yaml: jiujinban/service_query: posts 'janitor' is not defined",
    ),
    "rule id twice": (
        "rules",
        double("exclusions"),
        "rules.yaml: rule id 's3-two-administrators' is there twice",
    ),
    "unknown regulation of a rule": (
        "rules",
        put("exclusions", 0, "article", value="Q3"),
        "rules.yaml: s3-two-administrators: article 'Q' is not defined",
    ),
    "side of nothing": (
        "rules",
        put("exclusions", 0, "left", value={}),
        "rules.yaml: s3-two-administrators: each side names exactly one of",
    ),
    "side of two kinds": (
        "rules",
        put("exclusions", 0, "left", value={"posts": ["operator"], "kinds": ["经办"]}),
        "rules.yaml: s3-two-administrators: each side names exactly one of",
    ),
    "unknown post of a rule": (
        "rules",
        put("exclusions", 0, "left", value={"posts": ["janitor"]}),
        "rules.yaml: s3-two-administrators: posts 'janitor' is not defined",
    ),
    "unknown category": (
        "rules",
        put("exclusions", 0, "left", value={"categories": ["后勤"]}),
        "rules.yaml: s3-two-administrators: categories '后勤' is not defined",
    ),
    "unknown kind": (
        "rules",
        put("exclusions", 0, "left", value={"kinds": ["盖章"]}),
        "rules.yaml: s3-two-administrators: kinds '盖章' is not defined",
    ),
    "unknown permission": (
        "rules",
        put("exclusions", 0, "left", value={"permissions": ["jiujinban/fly"]}),
        "rules.yaml: s3-two-administrators: permissions 'jiujinban/fly' is not defined",
    ),
    "unknown regulation of a status": (
        "statuses",
        put("statuses", 1, "article", value="Q3"),
        "statuses.yaml: retired: article 'Q' is not defined",
    ),
}


@pytest.mark.parametrize(("file", "change", "sentence"), RULES.values(), ids=list(RULES))
def test_lint_rule(folder: Path, file: str, change: Edit, sentence: str) -> None:
    """Each contradiction between parts of a pack is named with its file, place and value."""
    edit(folder, file, change)
    assert sentence in faults(folder)


@pytest.mark.parametrize(
    ("file", "change", "place"),
    [
        ("pack", put("schema_version", value=2), "pack.yaml: schema_version"),
        ("pack", put("username_template", value="{serial}"), "pack.yaml: username_template"),
        ("pack", put("scope", value=[]), "pack.yaml: scope"),
        ("pack", put("absence_grace_days", value=-1), "pack.yaml: absence_grace_days"),
        ("posts", put("posts", 0, "id", value="系统管理员"), "posts.yaml: posts.0.id"),
        ("posts", put("posts", 0, "tiers", value=["galaxy"]), "posts.yaml: posts.0.tiers.0"),
        ("posts", put("posts", 0, "article", value="第三条"), "posts.yaml: posts.0.article"),
        ("statuses", put("statuses", 0, "hold", value="asleep"), "statuses.yaml: statuses.0.hold"),
        ("sources", put("feed", "encodings", value=["big5"]), "sources.yaml: feed.encodings.0"),
    ],
)
def test_value_that_the_schema_refuses(folder: Path, file: str, change: Edit, place: str) -> None:
    """A value of the wrong form is named by file and place."""
    edit(folder, file, change)
    assert place in faults(folder)


def test_all_faults_at_once(folder: Path) -> None:
    """The author of a pack reads every fault at once, not one after another."""
    edit(folder, "posts", double("posts"))
    edit(folder, "rules", put("exclusions", 0, "left", value={}))
    text = faults(folder)
    assert "posts.yaml: post id" in text
    assert "each side names exactly one of" in text


def test_pack_is_found_by_id_or_folder(folder: Path) -> None:
    """A shipped pack is found by its id, an own one by its folder, and another is refused by name."""
    assert find_pack(str(folder)) == folder
    assert find_pack("shanxi").name == "shanxi"
    with pytest.raises(ConfigurationError, match="no pack 'atlantis'"):
        find_pack("atlantis")
