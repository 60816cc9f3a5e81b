"""A command as a group of processes: started, watched, and ended with everything that it has started."""

import os
import selectors
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from common.errors import UserError
from recipes.command import supervisor
from recipes.command.output import Output

GRACE_S = 1.5  # from SIGTERM to SIGKILL: a step that is ended waits 2.5 seconds for its worker
LOOK_S = 0.5  # between two looks at the curves
CLOSE_S = 1.0  # for output that is still in the pipes when the command has ended
PIECE_BYTES, PIPE_BYTES = 1 << 16, 1 << 20


class CommandFailed(UserError):
    """A command failed: which one, how, and its last words, in one sentence."""

    exit_code = 1


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    stage: str,
    hours: float | None = None,
    look: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda text: print(text, flush=True),
) -> None:
    """Run a command in a folder, with variables added to the environment, and wait for its end.

    `look` is called about twice a second and once at the end. `stage` names the command in sentences. Raises CommandFailed. If
    an exception ends the wait, such as SystemExit on SIGTERM, the command gets SIGTERM, too, and `GRACE_S` seconds later SIGKILL.
    """
    watched = _Watched(command, folder, environment, say)
    started, late = time.monotonic(), False
    try:
        while watched.running(LOOK_S):
            look()
            if hours is not None and time.monotonic() - started > hours * 3600:
                late = True
                break
    finally:
        watched.end()
    look()
    if late:
        raise CommandFailed(_late(stage, hours or 0, watched))
    if watched.code:
        raise CommandFailed(_sentence(stage, watched.code, watched))


class _Watched:
    """A command that runs below its supervisor, with its output."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        words = [sys.executable, "-I", "-S", supervisor.__file__, str(os.getpid()), str(GRACE_S), uuid.uuid4().hex]
        self._process = subprocess.Popen(
            [*words, *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pipesize=PIPE_BYTES,
            start_new_session=True,
        )
        self.out, self.err = Output(say), Output(say)
        self._pipes = selectors.DefaultSelector()
        for pipe, output in ((self._process.stdout, self.out), (self._process.stderr, self.err)):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._pipes.register(pipe, selectors.EVENT_READ, output)

    @property
    def code(self) -> int | None:
        return self._process.returncode

    def running(self, seconds: float) -> bool:
        """Take output for some seconds. Return False once the command has ended and its output is read."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            if not self._pipes.get_map():
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(left_s)
                    return False
                return True
            self._take(min(left_s, 0.1))
            if self._process.poll() is not None:
                return self._drain()
        return True

    def _drain(self) -> bool:
        """Read what is in the pipes. A process that escaped can hold them open, so there is a limit of time."""
        until = time.monotonic() + CLOSE_S
        while self._pipes.get_map() and time.monotonic() < until and self._take(0.05):
            pass
        return False

    def _take(self, seconds: float) -> bool:
        """Read what the pipes have within some seconds. Return False if there was nothing."""
        ready = self._pipes.select(seconds)
        for key, _ in ready:
            data = os.read(key.fd, PIECE_BYTES)
            if data:
                key.data.add(data)
            else:
                self._pipes.unregister(key.fileobj)
        return bool(ready)

    def end(self) -> None:
        """End the command if it runs, in good order or not, and close its output."""
        try:
            if self._process.poll() is None:
                self._process.terminate()
                until = time.monotonic() + GRACE_S + 0.7
                while self._process.poll() is None and time.monotonic() < until:
                    self._take(0.02) if self._pipes.get_map() else time.sleep(0.02)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._drain()
        finally:
            for output in (self.out, self.err):
                output.close()
            self._pipes.close()
            for pipe in (self._process.stdout, self._process.stderr):
                assert pipe is not None
                pipe.close()

    def last(self) -> str:
        """Return the last words of the command, of stderr if there are any."""
        said = self.err.last() or self.out.last()
        return f": {said}" if said else ", and it printed nothing"


def _late(stage: str, hours: float, watched: _Watched) -> str:
    said = f"{hours:g} h" if hours >= 0.1 else f"{hours * 3600:g} s"
    return f"`{stage}` may take {said} (`timeouts`) and was ended after that{watched.last()}"


def _sentence(stage: str, code: int, watched: _Watched) -> str:
    if code == -signal.SIGKILL:
        return f"`{stage}` was killed (SIGKILL), as happens when memory runs out; use a smaller batch or model{watched.last()}"
    if code < 0:
        return f"`{stage}` was ended by {signal.Signals(-code).name}{watched.last()}"
    return f"`{stage}` ended with exit code {code}{watched.last()}"
