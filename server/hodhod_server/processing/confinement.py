"""A child locks itself in before it reads the first hostile byte.

Two walls. Resource limits: CPU seconds, address space, size of an output, open files. And a seccomp
filter (Linux) that leaves it the descriptors it holds: it opens no file, makes no socket, starts no
program, signals nobody. What it holds it may read or write, and not change in any other way: a file
is the stored one. Both outlive whatever takes the process over.

Always true: `lock` is called after the last import and before the first read. Where the kernel
knows no seccomp the limits alone hold, and the answer of `lock` says so.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import struct
import sys
from typing import Final

from hodhod_server.processing.contract import Bounds

OPEN_FILES: Final = 64
_NO_NEW_PRIVILEGES: Final = 38  # prctl(2)
_SET_SECCOMP: Final = 22
_FILTER_MODE: Final = 2
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUALS: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANSWER: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050001  # SECCOMP_RET_ERRNO, EPERM
_KILL: Final = 0x80000000
_NUMBER_AT: Final = 0  # struct seccomp_data
_ARCHITECTURE_AT: Final = 4
_X32: Final = 0x40000000  # a second set of numbers on x86-64 that would walk around the filter

# socket … execveat: by name, so that the two columns can be read side by side.
_REFUSED: Final[dict[str, tuple[int, int]]] = {
    "open": (2, -1),
    "openat": (257, 56),
    "openat2": (437, 437),
    "creat": (85, -1),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, -1),
    "vfork": (58, -1),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "tkill": (200, 130),
    "pidfd_open": (434, 434),
    "unlink": (87, -1),
    "unlinkat": (263, 35),
    "rename": (82, -1),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, -1),
    "linkat": (265, 37),
    "symlink": (88, -1),
    "symlinkat": (266, 36),
    "mkdir": (83, -1),
    "mkdirat": (258, 34),
    "truncate": (76, 45),
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "fchown": (93, 55),
    "lchown": (94, -1),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "utime": (132, -1),
    "utimes": (235, -1),
    "futimesat": (261, -1),
    "utimensat": (280, 88),
    "flock": (73, 32),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "perf_event_open": (298, 241),
}
_COLUMNS: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def limit(bounds: Bounds) -> None:
    """Set what the process may use, with no way back."""
    _set(resource.RLIMIT_CPU, bounds.cpu_s)
    _set(resource.RLIMIT_AS, bounds.memory_bytes)
    _set(resource.RLIMIT_FSIZE, bounds.output_bytes)
    _set(resource.RLIMIT_NOFILE, OPEN_FILES)
    _set(resource.RLIMIT_CORE, 0)


def _set(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (least, least))


def lock() -> bool:
    """Shut every door but the open descriptors. False where the system has no such lock."""
    column = _COLUMNS.get(platform.machine()) if sys.platform == "linux" else None
    if column is None:
        return False
    program = _program(*column)
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, padding, a pointer.
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_SET_SECCOMP, _FILTER_MODE, head, 0, 0) == 0)


def _program(column: int, architecture: int) -> bytes:
    numbers = [numbers[column] for numbers in _REFUSED.values() if numbers[column] >= 0]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUALS, 1, 0, architecture),
        (_ANSWER, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        (_ANSWER, 0, 0, _KILL),
    ]
    for index, number in enumerate(numbers):
        steps.append((_EQUALS, len(numbers) - index, 0, number))
    steps += [(_ANSWER, 0, 0, _ALLOW), (_ANSWER, 0, 0, _REFUSE)]
    return b"".join(struct.pack("@HBBI", *step) for step in steps)
