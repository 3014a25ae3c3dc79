"""The key under the guard's rules."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from quanheng.errors import ConfigurationError
from quanheng.identity.rules_key import PRIVATE, PUBLIC, make_rules_key, read_rules_key, thumbprint


def mode(file: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(file.stat().st_mode)


def test_made_once(tmp_path: Path) -> None:
    """The private half is the owner's, the public one anybody's; a key that is there stays."""
    folder = tmp_path / "keys"
    public = make_rules_key(folder)
    assert public == folder / PUBLIC
    assert (mode(folder / PRIVATE), mode(public), mode(folder)) == (0o600, 0o644, 0o700)
    before = (folder / PRIVATE).read_bytes()
    assert make_rules_key(folder) is None
    assert (folder / PRIVATE).read_bytes() == before


def test_public_half_fits(tmp_path: Path) -> None:
    """The public file is the private key's, and is written again when it is lost or another's."""
    public = make_rules_key(tmp_path)
    assert public is not None
    ours = thumbprint(read_rules_key(tmp_path).public_key())
    for spoil in (public.unlink, lambda: public.write_text("other")):
        spoil()
        assert make_rules_key(tmp_path) == public
        found = load_pem_public_key(public.read_bytes())
        assert isinstance(found, Ed25519PublicKey)
        assert thumbprint(found) == ours


@pytest.mark.parametrize("fault", ["missing", "open", "another kind", "no key"])
def test_refused(tmp_path: Path, fault: str) -> None:
    """A key that is missing, readable by others, or no Ed25519 key is an error that says what to run."""
    make_rules_key(tmp_path)
    file = tmp_path / PRIVATE
    match fault:
        case "missing":
            file.unlink()
        case "open":
            file.chmod(0o640)
        case "another kind":
            other = ec.generate_private_key(ec.SECP256R1())
            file.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        case _:
            file.write_text("x", encoding="ascii")
    with pytest.raises(ConfigurationError) as found:
        read_rules_key(tmp_path)
    assert found.value.remedy
