"""How much each key may ask for: requests and tokens a minute, answers at a time, tokens a day.

A minute's limit is a token bucket: it holds a minute's worth, fills evenly, and may go into debt. Two numbers for each key
say exactly when it may ask again, however high the limit, where a sliding window would have to keep every request of the
last minute. The price: a key that was quiet may be given up to twice its limit within one minute.

What an answer costs is known only when it ends. So a guess (its prompt, and the most tokens it may have) is taken when it
begins and put right by the usage vLLM tells; a key passes its limit by one answer at most. Where the caller hangs up, vLLM
tells nothing and the guess stands: hanging up before the end would else be free.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from style_clone.errors import StorageError
from style_clone.serving.refusal import Refusal, later, too_fast
from style_clone.serving.relay import CLIENT_GONE

if TYPE_CHECKING:
    from style_clone.serving.metrics import Watch
    from style_clone.store import ApiKey

Spent = Mapping[tuple[int, date], int]
"""Tokens by key and day in UTC."""
SAVE_AGAIN_SECONDS = 5.0
_MINUTE = 60.0
_BYTES_A_TOKEN = 4
_LOGGER = logging.getLogger(__name__)


class Bucket:
    """A limit a minute. `now` are seconds of any clock that does not go back."""

    def __init__(self, limit: int, now: float) -> None:
        self.limit = limit
        self._level = float(limit)
        self._at = now

    def left(self, now: float) -> int:
        """How many are free now."""
        return max(0, math.floor(self._filled(now)))

    def spend(self, count: int, now: float) -> None:
        """Take `count` out, into debt if need be; a negative count is given back."""
        self._level = min(self.limit, self._filled(now) - count)
        self._at = now

    def seconds(self, now: float) -> float:
        """How long until one is free; 0 where one is."""
        return max(0.0, (1 - self._filled(now)) * _MINUTE / self.limit)

    def _filled(self, now: float) -> float:
        return min(self.limit, self._level + (now - self._at) * self.limit / _MINUTE)


@dataclass
class _Account:
    """What one key has used. `reserved` are the tokens guessed for the answers under way."""

    key: ApiKey
    requests: Bucket | None
    tokens: Bucket | None
    under_way: int = 0
    reserved: int = 0
    day: date = date.min
    used: int = 0

    def use(self, day: date, tokens: int) -> None:
        """Add to what was used on `day`, which is no earlier than in the last call."""
        if day != self.day:
            self.day, self.used = day, 0
        self.used += tokens

    def used_on(self, day: date, key: ApiKey) -> int:
        """Tokens used on `day`, here or, as the database said of `key`, before this process or beside it."""
        self.use(day, 0)
        if key.day == day:
            self.used = max(self.used, key.tokens_today)
        return self.used


class Quotas:
    """Every key's account. `save` writes tokens to the database, in a thread; None where no keys are asked for."""

    def __init__(
        self,
        save: Callable[[Spent], None] | None,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._save = save
        self._clock = clock
        self._now = today
        self._accounts: dict[int, _Account] = {}
        self._unsaved: Counter[tuple[int, date]] = Counter()
        self._saving: asyncio.Task[None] | None = None

    def count_request(self, key: ApiKey | None) -> None:
        """Count a request. Raises Refusal (429) where the key has none left in this minute."""
        account = self._account(key)
        if account is None or account.requests is None:
            return
        now = self._clock()
        if not account.requests.left(now):
            limit = account.requests.limit
            raise too_fast(f"this key may make {limit} requests a minute", account.requests.seconds(now))
        account.requests.spend(1, now)

    @contextmanager
    def bill(self, key: ApiKey | None, asked: Mapping[str, Any], watch: Watch) -> Iterator[None]:
        """An answer's bill, settled when the block ends. Raises Refusal (429) where the key has no answer or token left.

        `asked` is what vLLM will be asked, and `watch` knows what it told of its costs. Nothing is charged where it gave no
        answer or broke it off.
        """
        account = self._account(key)
        if account is None or key is None:
            yield
            return
        self._check(account, key)
        counts = account.tokens is not None or key.limits.tokens_per_day is not None
        guess, error = _guess(asked) if counts else 0, None
        account.under_way += 1
        self._reserve(account, guess)
        try:
            yield
        except Exception as raised:
            error = raised
            raise
        finally:
            account.under_way -= 1
            self._reserve(account, -guess)
            hung_up = isinstance(error, Refusal) and error.status == CLIENT_GONE
            if counts and (hung_up or (error is None and not watch.broke_off)):
                self._charge(account, watch.tokens or guess)

    def label(self, request: Request, response: Response) -> None:
        """Tell the caller what is left, in OpenAI's headers."""
        account = self._account(getattr(request.state, "key", None))
        if account is None:
            return
        for word, bucket in {"requests": account.requests, "tokens": account.tokens}.items():
            if bucket is not None:
                response.headers[f"x-ratelimit-limit-{word}"] = str(bucket.limit)
                response.headers[f"x-ratelimit-remaining-{word}"] = str(bucket.left(self._clock()))

    async def settle(self, seconds: float = SAVE_AGAIN_SECONDS) -> None:
        """Wait until all that was spent is written, for so long at most."""
        if self._saving is not None:
            await asyncio.wait([self._saving], timeout=seconds)
        if self._unsaved:
            _LOGGER.error("%d tokens spent could not be written to the store", sum(self._unsaved.values()))

    def _account(self, key: ApiKey | None) -> _Account | None:
        """The account of a key that has limits; None for one without."""
        if key is None or not any(limit is not None for limit in vars(key.limits).values()):
            return None
        if key.id not in self._accounts:
            now, limits = self._clock(), key.limits
            requests, tokens = (
                None if limit is None else Bucket(limit, now)
                for limit in (limits.requests_per_minute, limits.tokens_per_minute)
            )
            self._accounts[key.id] = _Account(key, requests, tokens)
        return self._accounts[key.id]

    def _check(self, account: _Account, key: ApiKey) -> None:
        limits, now, moment = key.limits, self._clock(), self._now()
        if limits.concurrent is not None and account.under_way >= limits.concurrent:
            raise too_fast(f"this key may have {limits.concurrent} answers under way at a time")
        if limits.tokens_per_day is not None:
            used, a_day = account.used_on(moment.date(), key), f"this key may use {limits.tokens_per_day} tokens a day"
            if used >= limits.tokens_per_day:
                raise _used_up(a_day, moment)
            if used + account.reserved >= limits.tokens_per_day:
                raise too_fast(f"{a_day}, and its answers under way may use up the rest")
        if account.tokens is not None and not account.tokens.left(now):
            limit = account.tokens.limit
            raise too_fast(f"this key may use {limit} tokens a minute", account.tokens.seconds(now))

    def _reserve(self, account: _Account, tokens: int) -> None:
        account.reserved += tokens
        if account.tokens is not None:
            account.tokens.spend(tokens, self._clock())

    def _charge(self, account: _Account, tokens: int) -> None:
        if account.tokens is not None:
            account.tokens.spend(tokens, self._clock())
        if account.key.limits.tokens_per_day is None or not tokens or self._save is None:
            return
        day = self._now().date()
        account.use(day, tokens)
        self._unsaved[account.key.id, day] += tokens
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._write(self._save))

    async def _write(self, save: Callable[[Spent], None]) -> None:
        """Write what is unsaved, again and again where the database is locked or gone; no answer waits for it."""
        while self._unsaved:
            spent, self._unsaved = self._unsaved, Counter()
            try:
                await asyncio.to_thread(save, spent)
            except StorageError as error:
                _LOGGER.warning("tokens spent are not written yet: %s", error.problem)
                self._unsaved.update(spent)
                await asyncio.sleep(SAVE_AGAIN_SECONDS)


def _guess(asked: Mapping[str, Any]) -> int:
    """Tokens an answer may cost: the prompt, taken as 4 bytes a token, and as many as it may have for each reply."""
    prompt = json.dumps(asked.get("messages", asked.get("prompt", "")), ensure_ascii=False)
    longest = asked.get("max_tokens")
    replies = asked.get("n", 1)
    most = longest * replies if isinstance(longest, int) and isinstance(replies, int) else 0
    return len(prompt.encode()) // _BYTES_A_TOKEN + max(0, most)


def _used_up(limit: str, moment: datetime) -> Refusal:
    tomorrow = datetime.combine(moment.date() + timedelta(days=1), datetime.min.time(), UTC)
    words = f"{limit} and has used them; ask again after {tomorrow:%Y-%m-%d %H:%M} UTC"
    return later(429, words, "insufficient_quota", (tomorrow - moment).total_seconds(), kind="insufficient_quota")
