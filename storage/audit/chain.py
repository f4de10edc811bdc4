"""The chain itself, without a database: what is hashed, what is signed, and what does not fit.

`Check` is given the lines and signed heads of one organization, from the database (storage/audit/verify.py) or from an
export (storage/audit/export.py), and names the first row that is not as it was written.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self
from uuid import UUID

from storage.audit.keys import Keys

BEGINNING: Final = bytes(32)

What = Literal[
    "changed", "missing", "cut", "rewritten", "forged", "unknown_key", "foreign", "moved", "extra", "damaged"
]


def canonical(value: Any) -> bytes:
    """JSON in the one spelling that is hashed and signed: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def moment(at: datetime) -> str:
    """A time as it is hashed: UTC, to the microsecond that PostgreSQL keeps."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def seal(previous: bytes, line: Mapping[str, Any]) -> bytes:
    """The hash of a line: SHA-256 over the previous hash and the line as canonical JSON."""
    return hashlib.sha256(previous + canonical(line)).digest()


def sealed_part(
    org: UUID, seq: int, line_id: UUID, at: datetime, actor: UUID | None, action: str, resource: str, diagram: UUID | None,
    result: str, metadata: object, request_id: str | None,
) -> dict[str, Any]:  # fmt: skip
    """What of a line goes into its hash: everything that is ever shown of it."""
    return {
        "org": str(org),
        "seq": seq,
        "id": str(line_id),
        "at": moment(at),
        "actor": str(actor) if actor else None,
        "action": action,
        "resource": resource,
        "diagram": str(diagram) if diagram else None,
        "result": result,
        "metadata": metadata,
        "request_id": request_id,
    }


@dataclass(frozen=True, slots=True)
class Head:
    """A signed statement: at this time the last row of this chain had this number and this hash."""

    org: str
    seq: int
    hash: bytes
    at: str
    key: str
    signature: bytes

    @staticmethod
    def statement(org: str, seq: int, hashed: bytes, at: str, key: str) -> bytes:
        """The bytes that are signed; they begin with what they are, so that they can stand for nothing else."""
        said = {"org": org, "seq": seq, "hash": hashed.hex(), "at": at, "key": key}
        return b"colane audit head 1\n" + canonical(said)

    def genuine(self, keys: Keys) -> bool | None:
        """Whether the key it names signed it; None when that key is not among ours."""
        known = keys.get(self.key)
        return None if known is None else known.signed(self.signature, self.statement(
            self.org, self.seq, self.hash, self.at, self.key))  # fmt: skip

    def shown(self) -> dict[str, Any]:
        """As it is written into exports, files and the log."""
        return {"org": self.org, "seq": self.seq, "hash": self.hash.hex(), "at": self.at, "key": self.key,
                "signature": self.signature.hex()}  # fmt: skip

    def line(self) -> bytes:
        """As a line of a file."""
        return canonical({"kind": "head", **self.shown()}) + b"\n"

    @classmethod
    def read(cls, shown: Mapping[str, Any]) -> Self:
        """The head that was shown; KeyError, TypeError or ValueError when it is none."""
        texts = [shown[name] for name in ("org", "hash", "at", "key", "signature")]
        seq = shown["seq"]
        if not all(isinstance(one, str) for one in texts) or type(seq) is not int:
            raise ValueError("not a head")
        org, hashed, at, key, signature = texts
        return cls(org, seq, bytes.fromhex(hashed), at, key, bytes.fromhex(signature))


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain is not as it was written: the row, what is wrong with it, and that in words."""

    row: int
    what: What
    words: str


@dataclass(slots=True)
class Check:
    """The lines of one organization in their order, held against each other and against the signed heads.

    A head is named before its line comes. Starts after a row that is known to be good, usually none.
    """

    org: str
    keys: Keys
    seq: int = 0
    hash: bytes = BEGINNING
    lines: int = 0
    signed: Head | None = None  # the newest head that was met
    _heads: dict[int, list[Head]] = field(default_factory=dict)

    def expect(self, head: Head) -> Break | None:
        """One more signed head; a forged one is found here."""
        genuine = head.genuine(self.keys)
        if genuine is None:
            return Break(
                head.seq, "unknown_key", f"The head of row {head.seq} names a key that is not listed: {head.key}."
            )
        if not genuine or head.org != self.org:
            return Break(head.seq, "forged", f"The head of row {head.seq} was not signed by the key it names.")
        if head.seq > self.seq:
            self._heads.setdefault(head.seq, []).append(head)
        elif head.seq == self.seq and head.hash != self.hash:
            return self._rewritten(head)
        return None

    def line(self, part: Mapping[str, Any], prev: bytes, hashed: bytes) -> Break | None:
        """The next line, as `sealed_part` has it, with the hashes that stand beside it."""
        seq, row = part["seq"], self.seq + 1
        if part["org"] != self.org:
            return Break(row, "foreign", f"Row {row} is a line of another organization.")
        if seq != row:
            return Break(row, "missing", f"Row {row} is missing; row {seq} stands in its place.")
        if prev != self.hash or hashed != seal(self.hash, part):
            if prev != self.hash and hashed == seal(prev, part) and self.lines:
                row = self.seq  # this line is whole and tells of another one before it
            return Break(row, "changed", f"Row {row} is not what was written: its hash does not fit.")
        for head in self._heads.pop(row, ()):
            if head.hash != hashed:
                return self._rewritten(head)
            self.signed = head
        self.seq, self.hash, self.lines = row, hashed, self.lines + 1
        return None

    def end(self) -> Break | None:
        """No more lines: none may be missing that was signed."""
        if not self._heads:
            return None
        head = self._heads[max(self._heads)][0]
        row = self.seq + 1
        signed = f"on {head.at} it was signed up to row {head.seq}"
        return Break(row, "cut", f"The log ends with row {self.seq}, but {signed}: row {row} is cut off.")

    def _rewritten(self, head: Head) -> Break:
        row = min(head.seq, self.signed.seq + 1 if self.signed else 1)
        rows = f"Row {row} is" if row == head.seq else f"Of rows {row} to {head.seq} at least one is"
        return Break(row, "rewritten", f"{rows} not what was signed on {head.at}, though the hashes fit: written anew.")
