# SPDX-License-Identifier: Apache-2.0
"""A program in a memory cgroup of its own (version 1 or 2), with a limit: above it, it is ended."""

import contextlib
import os

ROOTS = {  # folder: (file of the limit, file of the most that was used)
    "/sys/fs/cgroup/memory": ("memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    "/sys/fs/cgroup": ("memory.max", "memory.peak"),
}


class Cgroup:
    """wrapper: what to put before a command. Without a cgroup (not root, or the folder is not ours) it is empty."""

    def __init__(self, limit_bytes):
        self.path, self.wrapper = None, []
        for root, (limit, peak) in ROOTS.items():
            path = os.path.join(root, "binnacle-bench-%d" % os.getpid())
            with contextlib.suppress(OSError):
                os.mkdir(path)
                self.path, self.peak_file = path, os.path.join(path, peak)
                with open(os.path.join(path, limit), "w") as f:
                    f.write(str(limit_bytes))
                self.wrapper = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', path]
                return
            self.remove()

    def peak_bytes(self):
        """The most that it had, with what the kernel holds for it (sockets, files it read); None without a cgroup."""
        if not self.wrapper:
            return None
        with open(self.peak_file) as f:
            return int(f.read())

    def remove(self):
        if self.path:
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
        self.path = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()
