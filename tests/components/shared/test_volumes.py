"""Folders on volumes that cannot be written to, as user 4242: one sentence at the start of a step."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UserError
from components.shared.volumes import check_writable

ROOT = Path(__file__).parents[3]


def test_a_missing_folder_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b", "state_root")
    check_writable(tmp_path / "a" / "b", "state_root")
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("below", ["", "states"])
def test_a_file_in_its_place_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"`state_root` is a folder that the steps can write to; .*file.* is not, for user"
    ):
        check_writable(tmp_path / "file" / below, "state_root")


def test_a_full_volume_is_refused_and_its_folder_is_not_left() -> None:
    full = Path("/proc/self/none")  # a file system without space, in which nothing can be made
    with pytest.raises(UserError, match="`corpora_root` is a folder"):
        check_writable(full, "corpora_root")


def test_the_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("becoming another user needs root")
    code = (
        "import os, sys; from components.shared.volumes import check_writable; from pathlib import Path\n"
        "os.setgid(4242); os.setuid(4242); check_writable(Path(sys.argv[1]), 'corpora_root')"
    )
    private = tmp_path / "private"
    private.mkdir(0o700)
    command = [sys.executable, "-c", code, str(private / "corpora")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "is not, for user 4242 (Permission denied): mount a volume there" in done.stderr.splitlines()[-1]


def test_a_read_only_and_a_full_file_system_are_refused(tmp_path: Path) -> None:
    """In a mount namespace of its own."""
    code = (
        "import sys; from components.shared.volumes import check_writable; from pathlib import Path\n"
        "from common.errors import UserError\n"
        "for name in ('ro', 'full'):\n"
        "    try: check_writable(Path(sys.argv[1]) / name / 'below', 'state_root')\n"
        "    except UserError as error: print(error)\n"
        "    else: print('no error')\n"
        "print(*(Path(sys.argv[1]) / 'full').iterdir())"
    )
    mounts = (
        "mkdir $1/ro $1/full && mount -t tmpfs -o ro t $1/ro && mount -t tmpfs -o size=4k t $1/full && : >$1/full/x "
        '&& head -c 9999 /dev/zero >$1/full/x 2>/dev/null; exec "$0" -c "$2" "$1"'
    )
    command = ["unshare", "-m", "sh", "-c", mounts, sys.executable, str(tmp_path), code]
    if os.getuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("a file system of its own needs root and unshare")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert "(Read-only file system)" in lines[0], done.stdout + done.stderr
    assert "(No space left on device)" in lines[1]
    assert lines[2].endswith("/x")
