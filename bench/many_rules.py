"""A pack with as many exclusions as are wanted: 山西's, and for each business of a county its steps, which
one person never combines, neither as posts nor as permissions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import yaml

from quanheng.policy.pack import find_pack

COUNTY: Final = "140902"
_BUSINESSES: Final = (
    *("养老保险参保登记", "养老待遇核定", "养老待遇发放", "养老关系转移", "失业保险参保", "失业待遇核定"),
    *("失业待遇发放", "稳岗返还", "工伤保险参保", "工伤认定", "工伤待遇核定", "劳动能力鉴定", "就业登记"),
    *("失业登记", "就业困难认定", "公益岗位补贴", "创业担保贷款", "职业培训补贴", "技能鉴定补贴"),
    *("社会保障卡申领", "社会保障卡补换", "被征地人员参保", "居民养老缴费", "居民养老待遇", "劳动合同备案"),
    *("集体合同审查", "劳动监察立案", "仲裁立案", "职称申报", "事业单位招聘"),
)
_STEPS: Final = ("受理", "初审", "复核", "审核")


def write_pack(folder: Path, exclusions: int) -> Path:
    """Write the pack, of exactly so many exclusions when compiled; at most 365."""
    source = find_pack("shanxi")
    parts = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in source.glob("*.yaml")}
    wanted = exclusions - len(parts["rules"]["exclusions"])
    businesses = -(-wanted // (2 * len(list(combinations(_STEPS, 2)))))
    if not 0 < businesses <= len(_BUSINESSES):
        raise ValueError(f"{exclusions} exclusions cannot be made")
    steps = [
        [(f"{_id(number)}_{step}", f"{label}{text}") for step, text in enumerate(_STEPS)]
        for number, label in enumerate(_BUSINESSES[:businesses])
    ]
    flat = [item for business in steps for item in business]
    parts["posts"]["posts"] += [_post(name, label) for name, label in flat]
    parts["permissions"]["subsystems"].append(
        {
            "id": "shebao",
            "label": "社会保险经办系统",
            "permissions": [
                _permission(name, label, _STEPS[place % len(_STEPS)])
                for place, (name, label) in enumerate(flat)
            ],
        }
    )
    parts["rules"]["exclusions"] += list(_pairs(steps))[:wanted]
    folder.mkdir(parents=True)
    for name, content in parts.items():
        text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def _id(number: int) -> str:
    return f"business_{number:02}"


def _post(name: str, label: str) -> dict[str, Any]:
    return {
        "id": name,
        "label": f"{label}岗",
        "kind": "duty",
        "tiers": ["county"],
        "areas": [COUNTY],
        "category": "业务运行",
        "risk": "medium",
        "granted_by": ["business_admin"],
        "bases": ["source", "console", "application"],
        "article": "S5",
    }


def _permission(name: str, label: str, kind: str) -> dict[str, Any]:
    return {
        "id": name,
        "label": label,
        "category": "业务运行",
        "kind": kind,
        "risk": "medium",
        "posts": [name],
    }


def _pairs(businesses: list[list[tuple[str, str]]]) -> Iterator[dict[str, Any]]:
    for steps in businesses:
        for (one, label), (other, other_label) in combinations(steps, 2):
            name = f"{one}-{other}".replace("_", "-")
            rule = {"label": f"{label}与{other_label}不相容", "article": "S5"}
            yield {
                **rule,
                "id": f"posts-{name}",
                "scope": "person",
                "left": {"posts": [one]},
                "right": {"posts": [other]},
            }
            yield {
                **rule,
                "id": f"permissions-{name}",
                "scope": "county",
                "left": {"permissions": [f"shebao/{one}"]},
                "right": {"permissions": [f"shebao/{other}"]},
            }
