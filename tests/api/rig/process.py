# SPDX-License-Identifier: Apache-2.0
"""Processes that end with the one that started them, their folders and ports."""

import ctypes
import os
import signal
import socket
import subprocess
import tempfile

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """For preexec_fn: the kernel kills the child when the starting thread ends."""
    _libc.prctl(1, signal.SIGKILL)


def spawn(argv, log_path, **kwargs):
    with open(log_path, "ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                preexec_fn=die_with_parent, **kwargs)


def stop(process, how=signal.SIGTERM, wait_s=10):
    if process is None or process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def scratch_folder(prefix):
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.mkdtemp(prefix=prefix, dir=base)


def tail(path, lines=15):
    try:
        with open(path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError:
        return ""
