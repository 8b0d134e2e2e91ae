"""What is left to chance, without chance: the same for the same name and seed on every machine."""

from __future__ import annotations

from hashlib import blake2b


def rank(name: str, seed: int) -> int:
    """63 bits that look random."""
    return int.from_bytes(blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()) >> 1


def fraction(name: str, seed: int) -> float:
    """A number from 0 to 1 that looks random."""
    return rank(name, seed) / 2**63
