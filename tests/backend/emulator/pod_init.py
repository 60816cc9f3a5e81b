"""The first process of a pod. It runs in new mount and process namespaces, with the standard library only.

It makes the pod's root, then plays three parts of a genuine pod. The first process forwards signals to the group and ends with
the launcher. The launcher has no handler for signals, waits for the step's command, and turns each failure into exit code 1.
The command runs in the launcher's process group. When the first process ends, the kernel kills whatever is left.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

READ_ONLY, REMOUNT, BIND, RECURSIVE = 1, 32, 4096, 16384
NOT_MADE = 199  # exit code if the root cannot be made
KILLED_AFTER_S = 1.0  # from the launcher's death by a signal to the end of all processes
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    def coded(text: str | None) -> bytes | None:
        return None if text is None else text.encode()

    if LIBC.mount(coded(source), coded(target), coded(kind), flags, coded(data)):
        code = ctypes.get_errno()
        raise OSError(code, f"mount {source} on {target}: {os.strerror(code)}")


def make_root(root: str, mounts: list, read_only: bool) -> None:
    """Mount everything below `root`. Each mount has a type, a source, a target in the pod, and options."""
    mount("pod", root, "tmpfs", 0, "size=64m,mode=755")
    for kind, source, target, options in mounts:
        place = root + target
        if kind == "link":
            Path(place).symlink_to(source)
        elif kind == "bind":
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            if not Path(place).exists():
                Path(place).mkdir() if Path(source).is_dir() else Path(place).touch()
            mount(source, place, None, BIND | RECURSIVE)
            if options == "ro":
                mount(source, place, None, REMOUNT | BIND | READ_ONLY)
        else:
            Path(place).mkdir(parents=True, exist_ok=True)
            mount(kind, place, kind, 0, options or None)
    if read_only:
        mount("pod", root, None, REMOUNT | READ_ONLY)


def launcher(argv: list[str], env: dict[str, str], told: int) -> None:
    """Run the step's command and end with 0, or with 1 for every failure of it."""
    command = os.fork()
    if command == 0:
        try:
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            os.write(2, f"failed to start the command: {error.strerror}\n".encode())
            os._exit(126)
    _, status = os.waitpid(command, 0)
    os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(1 if status else 0)


def main() -> int:
    told = json.loads(Path(sys.argv[1]).read_text())
    result, ready, log = (os.open(told[name], os.O_WRONLY | os.O_CREAT, 0o600) for name in ("result", "ready", "log"))
    try:
        for procs in told["groups"]:
            Path(procs).write_text("0")
        make_root(told["root"], told["mounts"], told["read_only"])
    except OSError as error:
        print(error, file=sys.stderr)
        return NOT_MADE
    os.chroot(told["root"])
    os.chdir(told["folder"])
    os.setgroups([])
    os.setgid(told["user"])
    os.setuid(told["user"])
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        launcher(told["argv"], told["env"], result)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _: os.killpg(child, which))
    os.write(ready, b"1")
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            break
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        time.sleep(KILLED_AFTER_S)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
