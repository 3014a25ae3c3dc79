"""The guard's JAR with the themes, built by Maven from ``guard/`` and ``keycloak-config/theme/`` into the
cache, once per state of its sources.

start_keycloak(folder, guard=GuardOptions(public_keys=(Path("rules.pem"),), required_realms=("shanxi",)))
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.local.cache import LocalServerError, cache_directory

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = _CHECKOUT / "guard"
THEMES: Final = _CHECKOUT / "keycloak-config" / "theme"
"""``guard/pom.xml`` packs them, too."""
_OPTION: Final = "--spi-events-listener--quanheng-guard--"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """What the server is told of the guard; ``guard/README.md`` explains each option."""

    public_keys: tuple[Path, ...]
    """PEM files; rules signed by any of these keys are believed."""
    required_realms: tuple[str, ...]
    """Realms that are guarded; ``guarded-*`` means all that begin so."""
    state_directory: Path | None = None
    """Where the highest sequences are kept; None: beside the server's data."""
    break_glass_until: datetime | None = None
    """Until then nothing is vetoed, at most 24 hours ahead."""
    metrics: bool = True
    """Whether the server shows metrics on its management port; the guard counts its vetoes there."""

    def arguments(self, folder: Path) -> list[str]:
        """Options of ``kc.sh start`` for the server that lives in ``folder``."""
        state = self.state_directory or folder / "data" / "quanheng-guard"
        options = {
            "public-key-file": ",".join(str(file.resolve()) for file in self.public_keys),
            "required-realms": ",".join(self.required_realms),
            "state-directory": str(state.resolve()),
        }
        if self.break_glass_until is not None:
            options["break-glass-until"] = (
                self.break_glass_until.astimezone(UTC).isoformat().replace("+00:00", "Z")
            )
        return [f"{_OPTION}{name}={value}" for name, value in options.items()]


def guard_jar() -> Path:
    """The JAR of the sources as they are; its name changes with them. Needs Maven and a JDK."""
    jar = cache_directory() / "guard" / f"quanheng-guard-{_fingerprint()}.jar"
    if jar.exists():
        return jar
    if shutil.which("mvn") is None or shutil.which("javac") is None:
        raise LocalServerError(
            "There is no mvn or no javac, which build the guard: install maven and openjdk-17-jdk-headless"
        )
    jar.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jar.parent) as scratch:
        copy = Path(scratch) / "guard"
        shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("target"))
        shutil.copytree(THEMES, Path(scratch) / THEMES.relative_to(_CHECKOUT))
        done = _package(copy, "--offline")
        if done.returncode != 0:  # something is not in Maven's own cache yet
            done = _package(copy)
        if done.returncode != 0:
            raise LocalServerError(f"Maven could not build the guard:\n{done.stdout[-3000:]}")
        # Somebody else may have built the same in the meantime: theirs is as good.
        with contextlib.suppress(OSError):
            (copy / "target" / "quanheng-guard.jar").rename(jar)
    return jar


def _package(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["mvn", "--batch-mode", "--quiet", *options, "package"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for file in sorted([SOURCES / "pom.xml", *(SOURCES / "src" / "main").rglob("*"), *THEMES.rglob("*")]):
        if file.is_file():
            digest.update(f"{file.relative_to(_CHECKOUT)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]
