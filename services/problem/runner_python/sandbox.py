"""Runs one untrusted program in this very interpreter, after it has given up what it could do harm with.

Started by runner.py as `python -I -B sandbox.py DESCRIPTOR SECONDS MEMORY_MIB`. Fargate gives neither namespaces nor privileges, so
the lock is made of what every process may do to itself: resource limits and a system call filter that cannot be taken off.
No sockets, no other programs, no threads or processes, no signals to others, nothing written to files.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
import traceback
from typing import NoReturn

#: Exit code for "memory is used up"; a program that ends with it on purpose only fails by itself.
EXIT_MEMORY = 86
#: Exit code for "the lock could not be made": never run an unlocked program.
EXIT_UNLOCKED = 87
MIB = 1024 * 1024
FILES = 16

PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 4, 22, 38, 2
ALLOW, KILL, EPERM = 0x7FFF0000, 0x80000000, 0x00050001
LOAD, EQUAL, GREATER_OR_EQUAL, RETURN = 0x20, 0x15, 0x35, 0x06

#: Audit architecture and the numbers of the refused system calls (linux/audit.h, asm/unistd_64.h, asm-generic/unistd.h).
MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50,
            "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101,
            "prlimit64": 302, "setrlimit": 160, "chroot": 161, "mount": 165, "umount2": 166, "tkill": 200, "tgkill": 234,
            "unshare": 272, "accept4": 288, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
            "execveat": 322, "userfaultfd": 323, "pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_open": 434,
            "clone3": 435, "pidfd_getfd": 438, "keyctl": 250, "add_key": 248, "request_key": 249, "perf_event_open": 298,
            "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "sendto": 206,
            "sendmsg": 211, "accept4": 242, "clone": 220, "execve": 221, "kill": 129, "tkill": 130, "tgkill": 131,
            "ptrace": 117, "prlimit64": 261, "setrlimit": 164, "chroot": 51, "mount": 40, "umount2": 39, "unshare": 97,
            "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "execveat": 281,
            "userfaultfd": 282, "pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435,
            "pidfd_getfd": 438, "keyctl": 219, "add_key": 217, "request_key": 218, "perf_event_open": 241,
            "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
        },
    ),
}  # fmt: skip


def program(machine: str) -> bytes:
    """The filter: another architecture or the x32 calls kill, the listed calls are refused, all others go on."""
    architecture, calls = MACHINES[machine]
    steps = [
        struct.pack("HBBI", LOAD, 0, 0, 4),
        struct.pack("HBBI", EQUAL, 1, 0, architecture),
        struct.pack("HBBI", RETURN, 0, 0, KILL),
        struct.pack("HBBI", LOAD, 0, 0, 0),
        struct.pack("HBBI", GREATER_OR_EQUAL, 0, 1, 0x40000000),
        struct.pack("HBBI", RETURN, 0, 0, KILL),
    ]
    for number in sorted(calls.values()):
        steps += [struct.pack("HBBI", EQUAL, 0, 1, number), struct.pack("HBBI", RETURN, 0, 0, EPERM)]
    return b"".join([*steps, struct.pack("HBBI", RETURN, 0, 0, ALLOW)])


def lock(seconds: int, memory_mib: int) -> None:
    """Give everything up; raises when anything cannot be given up."""
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: memory_mib * MIB,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, value in limits.items():
        resource.setrlimit(kind, (value, value))
    libc = ctypes.CDLL(None, use_errno=True)
    steps = program(platform.machine())
    buffer = ctypes.create_string_buffer(steps, len(steps))

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    description = Filter(len(steps) // 8, ctypes.addressof(buffer))
    for option, value in (
        (PR_SET_DUMPABLE, 0),
        (PR_SET_NO_NEW_PRIVS, 1),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER),
    ):
        pointer = ctypes.byref(description) if option == PR_SET_SECCOMP else ctypes.c_ulong(0)
        if libc.prctl(option, ctypes.c_ulong(value), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")


def main() -> NoReturn:
    descriptor, seconds, memory_mib = (int(argument) for argument in sys.argv[1:])
    with os.fdopen(descriptor, encoding="utf-8") as file:
        source = file.read()
    sys.argv[:] = ["solution.py"]
    code = 1
    try:
        try:
            lock(seconds, memory_mib)
        except (OSError, KeyError, ValueError) as error:
            sys.stderr.write(f"cannot be locked: {error!r}\n")
            sys.stderr.flush()
            os._exit(EXIT_UNLOCKED)
        names = {"__name__": "__main__", "__builtins__": __builtins__}
        exec(compile(source, "solution.py", "exec"), names)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except MemoryError:
        code = EXIT_MEMORY
    except BaseException:
        traceback.print_exc(limit=-5)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    os._exit(code & 0xFF)


if __name__ == "__main__":
    main()
