"""What arrives over HTTP, kept on disk while it does: counted, hurried, and within a budget.

An upload holds one of few places, so it may not take as long as it likes. It has its grace, and from then on as many
seconds as its bytes need at the least rate: whoever sends a byte now and then is cut off when the grace is over. Where
all places are taken, a newcomer gets that of the slowest upload that had its grace and is slower than what is fair.
Unnamed files hold what has arrived, so that nothing stays behind a process that dies; together they have a budget.
"""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO

from fastapi import HTTPException, Request

RETRY = {"Retry-After": "10"}


@dataclass(frozen=True)
class Rules:
    """How uploads are held.

    Attributes:
        grace: seconds that every upload has, however slow.
        least_rate: bytes a second that are asked for beyond them.
        fair_rate: bytes a second below which an upload that had its grace makes room for others.
        disk: bytes that all uploads together may take.
    """

    grace: float = 20.0
    least_rate: float = 64 << 10
    fair_rate: float = 1 << 20
    disk: int = 8 << 30


@dataclass(eq=False)
class _Upload:
    start: float
    timer: asyncio.Timeout
    size: int = 0
    evicted: bool = False
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def rate(self, now: float) -> float:
        return self.size / max(now - self.start, 1e-9)


class Uploads:
    """The uploads under way in one event loop."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._under_way: set[_Upload] = set()
        self._taken = 0

    def evict(self) -> bool:
        """End the slowest upload that had its grace and is slower than what is fair; whether there was one."""
        now = asyncio.get_running_loop().time()
        slow = [u for u in self._under_way if not u.evicted and now - u.start > self.rules.grace]
        slowest = min(slow, key=lambda upload: upload.rate(now), default=None)
        if slowest is None or slowest.rate(now) >= self.rules.fair_rate:
            return False
        slowest.evicted = True
        slowest.timer.reschedule(now)
        return True

    @asynccontextmanager
    async def receive(self, request: Request, limit: int) -> AsyncIterator[tuple[memoryview, str]]:
        """The body, kept in an unnamed file and mapped into memory, and its SHA-256 (hex).

        Raises:
            HTTPException: 413, it is larger than the limit; 408, it is too slow; 503, there is no room on disk.
        """
        upload = _Upload(asyncio.get_running_loop().time(), asyncio.timeout(self.rules.grace))
        with tempfile.TemporaryFile() as file:
            try:
                await self._arrive(request, limit, upload, file)
                file.flush()
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if upload.size else b""
                yield memoryview(mapped), upload.digest.hexdigest()
            finally:
                self._taken -= upload.size

    async def _arrive(self, request: Request, limit: int, upload: _Upload, file: IO[bytes]) -> None:
        self._under_way.add(upload)
        try:
            async with upload.timer:
                async for chunk in request.stream():
                    self._count(upload, len(chunk), limit)
                    upload.digest.update(chunk)
                    file.write(chunk)
        except TimeoutError as error:
            raise self._too_slow(upload) from error
        finally:
            self._under_way.discard(upload)

    def _count(self, upload: _Upload, more: int, limit: int) -> None:
        upload.size += more
        self._taken += more
        if upload.size > limit:
            raise HTTPException(413, f"the body is larger than the {limit} bytes this program can need")
        if self._taken > self.rules.disk:
            raise HTTPException(503, "the server has no room for this body beside the others; try again later", RETRY)
        if not upload.evicted:
            upload.timer.reschedule(upload.start + self.rules.grace + upload.size / self.rules.least_rate)

    def _too_slow(self, upload: _Upload) -> HTTPException:
        if upload.evicted:
            return HTTPException(503, "the server is busy and this upload too slow to keep its place; try again", RETRY)
        return HTTPException(
            408,
            f"the body came slower than {self.rules.least_rate:.0f} bytes a second after {self.rules.grace:g} seconds",
        )
