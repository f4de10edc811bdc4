"""The keys that vouch for the log: Ed25519, one that signs and any number that are believed.

A new key is made with `colane audit key --new`; the old one's public half stays listed in COLANE_AUDIT_PUBLIC_KEYS, so that
what it signed is believed. In production the key comes from the environment; else it is made in the data folder.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from storage.settings import Settings

PREFIX: Final = "ed25519:"


class KeyTextError(ValueError):
    """A text that is no key; the message does not repeat it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that is believed."""

    raw: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        """The key that `text` writes as ed25519:BASE64."""
        try:
            raw = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
        except binascii.Error:
            raw = b""
        if not text.strip().startswith(PREFIX) or len(raw) != 32:
            raise KeyTextError("a public key is written ed25519: and 44 characters of base64")
        return cls(raw)

    @property
    def id(self) -> str:
        """Its name beside a signature."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def text(self) -> str:
        """As it is listed."""
        return PREFIX + base64.b64encode(self.raw).decode()

    def signed(self, signature: bytes, statement: bytes) -> bool:
        """Whether it made this signature."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, statement)
        except InvalidSignature:
            return False
        return True


Keys = Mapping[str, PublicKey]


class Signer:
    """The key that signs. Made from 32 secret bytes, written as base64."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def of(cls, text: str) -> Self:
        """From its text."""
        try:
            seed = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            seed = b""
        # The keys of examples are bytes that count, or one byte again and again.
        if len(seed) != 32 or len(set(seed)) < 12:
            raise KeyTextError("a signing key is 44 characters of base64 that stand for 32 random bytes")
        return cls(seed)

    def sign(self, statement: bytes) -> bytes:
        """The signature of a statement."""
        return self._key.sign(statement)


def new_key() -> str:
    """The text of a new signing key."""
    return base64.b64encode(os.urandom(32)).decode()


def ring(texts: Iterable[str]) -> dict[str, PublicKey]:
    """Public keys by their names."""
    found = [PublicKey.of(one) for one in texts if one.strip()]
    return {one.id: one for one in found}


def signer(settings: Settings) -> Signer:
    """The key of the settings, or the one in the data folder, which is made the first time."""
    if settings.audit_key is not None:
        return Signer.of(settings.audit_key.get_secret_value())
    path = settings.audit_folder / "key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"key.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(new_key())
        try:
            os.link(draft, path)  # whole or not at all, and the first of two processes wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return Signer.of(path.read_text())


def believed(settings: Settings) -> dict[str, PublicKey]:
    """Every key whose signature counts: the present one, and those of COLANE_AUDIT_PUBLIC_KEYS."""
    return ring([signer(settings).public.text, *settings.audit_public_keys.split(",")])
