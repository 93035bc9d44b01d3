"""The operating system account that PostgreSQL runs under: it refuses root, so root runs it as another user."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from backend.embedded.data_folder import WAY_OUT, EmbeddedError

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CLONE_NEWUSER = 0x10000000
CAPABILITIES_VERSION = 0x20080522
CAP_DAC_OVERRIDE = 1


@dataclass(frozen=True)
class Account:
    """An account for PostgreSQL: the owner of its files, and how a child process switches to it."""

    uid: int
    gid: int
    become: Callable[[], None]
    parent: int = field(default_factory=os.getpid)

    def enter(self) -> None:
        """Switch to the account, and end with the parent. Runs in the child, between fork and exec."""
        self.become()
        if sys.platform == "linux":
            # After the switch, because changing the user resets it.
            call(LIBC.prctl, PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
            if os.getppid() != self.parent:  # the parent ended before the call
                os._exit(1)

    def own(self, folder: Path) -> None:
        """Change the owner of a folder that another account has used before."""
        if folder.stat().st_uid == self.uid:
            return
        if os.geteuid() != 0:
            raise EmbeddedError(f"{folder} belongs to another user. Give it back or move it. {WAY_OUT}")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def choose_account(program: Path, folder: Path) -> Account:
    """The first account that can run the program and write to the folder."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), lambda: None)
    stranger = find_stranger()
    in_namespace = Account(0, os.getegid(), lambda: enter_namespace(stranger))
    as_stranger = Account(stranger.pw_uid, stranger.pw_gid, lambda: turn_into(stranger))
    for account in (in_namespace, as_stranger):
        if works(account, program, folder):
            return account
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and this machine lets root neither make a user namespace nor "
        f"become the user {stranger.pw_name}. Run as an ordinary user. {WAY_OUT}"
    )


def find_stranger() -> pwd.struct_passwd:
    """An existing user other than root; initdb requires a user name."""
    users = {user.pw_name: user for user in pwd.getpwall() if user.pw_uid != 0}
    for name in ("postgres", "nobody", *users):
        if name in users:
            return users[name]
    raise EmbeddedError(f"PostgreSQL refuses to run as root, and there is no other user. {WAY_OUT}")


def works(account: Account, program: Path, folder: Path) -> bool:
    """Whether the account works: switch to it, access the folder, run the program."""

    def enter() -> None:
        account.enter()
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(folder)

    try:
        return not subprocess.run([program, "--version"], preexec_fn=enter, check=False).returncode
    except (OSError, subprocess.SubprocessError):
        return False


def enter_namespace(inside: pwd.struct_passwd) -> None:
    """Enter a user namespace: root outside, another user inside. All files stay root's."""
    gid = os.getegid()
    call(LIBC.unshare, CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside.pw_uid} 0 1")
    Path("/proc/self/gid_map").write_text(f"{inside.pw_gid} {gid} 1")


def turn_into(user: pwd.struct_passwd) -> None:
    """Become the user, keeping one capability of root: to bypass file permissions.

    So the data can be below a home folder that other users cannot enter.
    """
    call(LIBC.prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0)
    one = 1 << CAP_DAC_OVERRIDE
    sets = (ctypes.c_uint32 * 6)(one, one, one, 0, 0, 0)  # effective, permitted, inheritable; twice
    call(LIBC.capset, header, sets)
    call(LIBC.prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def call(function: Callable[..., int], *arguments: object) -> None:
    """Call a function of the C library. Raises an error if it fails."""
    if function(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
