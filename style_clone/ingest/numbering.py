"""Ids that stay the same when a file is read again, even after more has been appended to it."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b


class Numbering:
    """Gives each message of one thread an id from what it says, and counts those that say the same.

    The same chat exported twice gives the same ids, so the part both exports hold is recognised.
    """

    def __init__(self, thread: str) -> None:
        self.thread = thread
        self._seen: Counter[int] = Counter()

    def next(self, *said: str) -> str:
        """The id of the next message: 16 hexadecimal digits, then a number where the same was said before.

        `said` is what the file holds, not what is made of it, which more lines may change.
        """
        line = "\0".join((self.thread, *said))
        digest = blake2b(line.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        key = int.from_bytes(digest)
        self._seen[key] += 1
        count = self._seen[key]
        return digest.hex() if count == 1 else f"{digest.hex()}-{count}"
