# SPDX-License-Identifier: Apache-2.0
"""Test cases that print `ok NAME` or `not ok NAME - why`, and the counts at the end."""

import sys
import time
import traceback


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failed(message() if callable(message) else message)


def check_equal(have, want, what):
    check(have == want, "%s is %r, not %r" % (what, have, want))


class Cases:
    def __init__(self, only=()):
        self.only = list(only)
        self.passed = self.failed = self.skipped = 0

    def run(self, name, function, *args, on_failure=None):
        if self.only and not any(word in name for word in self.only):
            return
        start = time.monotonic()
        try:
            function(*args)
        except Skipped as e:
            self.skip(name, str(e))
        except Exception as e:
            self.failed += 1
            why = str(e) if isinstance(e, Failed) else traceback.format_exc()
            print("not ok %s - %s" % (name, why.rstrip().replace("\n", "\n    ")), flush=True)
            if on_failure:
                print("    " + on_failure().rstrip().replace("\n", "\n    "), flush=True)
        else:
            self.passed += 1
            print("ok %s (%.1f s)" % (name, time.monotonic() - start), flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print("ok %s # SKIP %s" % (name, why), flush=True)

    def finish(self):
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        sys.exit(1 if self.failed else 0)
