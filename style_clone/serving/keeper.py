"""Runs a command so that nothing of it outlives its owner: `python -m style_clone.serving.keeper COMMAND...`.

The owner holds the other end of this process's standard input. When it closes, because the owner is done or was killed in
whatever way, the command's whole process group is told to end, and after a grace period killed. Standard library only:
this process must be small and start at once.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 15.0
_POLL_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def keep(command: list[str], owner: int) -> int:
    """Run `command` until it ends or file descriptor `owner` is closed from the other side; returns its exit status."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  this process has one thread
    )
    while child.poll() is None and not _closed(owner):
        pass
    _signal_group(child.pid, signal.SIGTERM)
    _wait(child, GRACE_SECONDS)
    _signal_group(child.pid, signal.SIGKILL)
    code = child.wait()
    _reap()
    return code if code >= 0 else 128 - code


def _closed(owner: int) -> bool:
    """Whether the owner has let go, waiting a moment for it."""
    readable, _, _ = select.select([owner], [], [], _POLL_SECONDS)
    return bool(readable) and not os.read(owner, 1024)


def _wait(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Until the child and all it has started are gone, or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended = child.poll() is not None
        if ended and not _group_lives(child.pid):
            return
        if ended:
            _reap()
        time.sleep(_POLL_SECONDS / 4)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _reap() -> None:
    """Collect grandchildren that were handed to this process when their parent ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _die_with_parent() -> None:
    """In the child: be told to end when this keeper is killed, which closes no pipe of the child's."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def main() -> None:
    """Keep the command given as arguments. Signals are the owner's to act on; this process only watches it."""
    # Handlers that do nothing, since ignored signals would stay ignored in the command.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    sys.exit(keep(sys.argv[1:], sys.stdin.fileno()))


if __name__ == "__main__":
    main()
