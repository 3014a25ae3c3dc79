"""What the demo keeps, all of it in one folder that only its user may enter."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Paths of ``.demo/``. Whatever is written through it is readable by its owner alone."""

    root: Path

    def make(self) -> None:
        """Create the folder, mode 0700."""
        self.root.mkdir(mode=0o700, exist_ok=True)
        self.root.chmod(0o700)

    @property
    def config(self) -> Path:
        """``quanheng.toml``; commands run in this folder, so they find it by themselves."""
        return self.root / "quanheng.toml"

    @property
    def keycloak(self) -> Path:
        """Program and embedded database of Keycloak."""
        return self.root / "keycloak"

    @property
    def slapd(self) -> Path:
        """Data of the directory."""
        return self.root / "slapd"

    @property
    def feed(self) -> Path:
        """The HR feed as it was last delivered."""
        return self.root / "feed"

    @property
    def ldif(self) -> Path:
        """What the directory holds."""
        return self.root / "directory.ldif"

    @property
    def keys(self) -> Path:
        """Keys of quanheng."""
        return self.root / "keys"

    @property
    def demo_file(self) -> Path:
        """``demo.json``: addresses and the administrator's password, for whoever examines the demo."""
        return self.root / "demo.json"

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder; empty when it is not there."""
        try:
            content: dict[str, Any] = json.loads((self.root / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return content

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, mode 0600, whole or not at all."""
        self.write_text(name, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, mode 0600, whole or not at all."""
        draft = self.root / f".{name}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(text)
        draft.replace(self.root / name)
