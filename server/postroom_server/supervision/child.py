"""One process that the supervisor started: its pipes, its age, its end.

It is a whole interpreter of its own, started anew and never forked: gRPC does not
survive a fork.  It is in a process group of its own, so that Ctrl-C reaches it once,
through the supervisor, and not a second time from the terminal.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from postroom_server.supervision.member import Member

DYING = 5.0
"""Seconds from the end of its pipe to the end of a process."""


class Child:
    """Process *number*, running since its creation at *now* (monotonic)."""

    def __init__(
        self,
        number: int,
        command: Sequence[str],
        environ: Mapping[str, str],
        now: float,
    ) -> None:
        self.number = number
        self.started_at = now
        self.is_ready = False
        self.is_killed = False
        its_control, self._control = os.pipe()
        self.status, its_status = os.pipe()
        # What stands still must not hold up the supervisor.
        os.set_blocking(self._control, False)
        member = Member(number, its_control, its_status)
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own command, once more
                [*command, "--member", str(member)],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                pass_fds=(its_control, its_status),
                process_group=0,
            )
        except BaseException:
            self._close()
            raise
        finally:
            os.close(its_control)
            os.close(its_status)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, word: bytes) -> None:
        """Send *word*; one that is dying does not hear it."""
        with suppress(OSError):
            os.write(self._control, word)

    def kill(self) -> None:
        """End it by force."""
        self.is_killed = True
        with suppress(OSError):
            self._process.send_signal(signal.SIGKILL)

    def reap(self) -> int:
        """Its exit status, or less than 0 for a signal, once its pipe has ended."""
        try:
            return self._process.wait(DYING)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()
        finally:
            self._close()

    def _close(self) -> None:
        os.close(self._control)
        os.close(self.status)
