"""Find packs and read them. What they say is :class:`Pack`; that it holds together, :mod:`.lint` proves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from quanheng.errors import ConfigurationError
from quanheng.policy.contents import Pack
from quanheng.policy.lint import lint
from quanheng.policy.schema import (
    AdministrationFile,
    OrganisationsFile,
    PackFile,
    PermissionsFile,
    PostsFile,
    QualificationsFile,
    RulesFile,
    SourcesFile,
    StatusesFile,
)
from quanheng.policy.schema_lifecycle import LifecycleFile
from quanheng.policy.stacking import stack

__all__ = ["Pack", "find_pack", "load_pack", "load_packs"]


_FILES: Mapping[str, type[BaseModel]] = {
    "pack": PackFile,
    "organisations": OrganisationsFile,
    "qualifications": QualificationsFile,
    "posts": PostsFile,
    "administration": AdministrationFile,
    "permissions": PermissionsFile,
    "rules": RulesFile,
    "statuses": StatusesFile,
    "sources": SourcesFile,
    "lifecycle": LifecycleFile,
}


def find_pack(name: str) -> Path:
    """The folder of a pack: a path as it is, or the id of a pack that ships with quanheng."""
    if "/" in name or Path(name).is_dir():
        return Path(name)
    shipped = Path(str(resources.files("quanheng"))) / "_mappers" / name
    checkout = Path(__file__).resolve().parents[3] / "mappers" / name
    for folder in (shipped, checkout):
        if folder.is_dir():
            return folder
    raise ConfigurationError(
        f"there is no pack '{name}'", remedy="name a folder, or one of the shipped packs"
    )


def load_pack(folder: Path) -> Pack:
    """Read the ten files of a pack and lint them.

    Raises :class:`ConfigurationError` that names every file, place and fault at once.
    """
    parts: dict[str, Any] = {}
    faults: list[str] = []
    for name, schema in _FILES.items():
        file = folder / f"{name}.yaml"
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            parts[name] = schema.model_validate(content)
        except FileNotFoundError:
            faults.append(f"{file}: missing")
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            faults.append(f"{file}: not YAML in UTF-8: {error}")
        except ValidationError as error:
            faults += [
                f"{file}: {'.'.join(str(step) for step in item['loc']) or 'file'}: {item['msg']}"
                for item in error.errors()
            ]
    if not faults:
        parts["info"] = parts.pop("pack")
        pack = Pack(**parts)
        faults = [f"{folder}: {fault}" for fault in lint(pack)]
        if not faults:
            return pack
    raise ConfigurationError(
        "\n".join(faults), remedy="see docs/reference/packs.md, then 'quanheng pack lint'"
    )


def load_packs(names: Iterable[str]) -> Pack:
    """Read packs by id or folder and stack them: the first owns the realm, the others add to it.

    Raises :class:`ConfigurationError` that names every fault of a pack, or of what they say together, or
    that a realm would have no 三员.
    """
    pack = stack([load_pack(find_pack(name)) for name in names])
    if pack.administration.officers is None:
        raise ConfigurationError(
            f"{pack.info.id}: administration.yaml: officers: nobody's posts are named",
            remedy="name the posts of the 三员, or put the pack that this one is stacked on before it",
        )
    return pack
