#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of lint.py must pass a good tree and fail a bad one: prints ok/not ok
lines and the counts."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lint  # noqa: E402

SPDX_C = "/* %s */\n" % lint.SPDX
SPDX_SH = "# %s\n" % lint.SPDX
GUARD = "#ifndef BINNACLE_X_H\n#define BINNACLE_X_H\n%s\n#endif\n"
HERE = os.path.dirname(os.path.abspath(__file__))


def header(body=""):
    return SPDX_C + GUARD % body


def function(lines):
    return "static int f(void)\n{\n" + "\n".join(lines) + "\n}\n"


def deep(levels, end=""):
    """`if` in `if`, each with braces."""
    out = ["\t" * i + "if (x) {" for i in range(1, levels + 1)]
    return out + ["\t" * i + "}" for i in range(levels, 0, -1)]


# rule: [(what, files of the bad tree, words that its finding must hold)]
BAD = {
    "edges": [
        ("lower includes upper", {"watch/a.c": '#include "cache/b.h"\n', "cache/b.h": header()}, "may not include"),
        ("wire includes net", {"dns/wire/a.h": '#include "dns/net/b.h"\n', "dns/net/b.h": header()}, "may not include"),
        ("cache sees too much of watch", {"cache/a.c": '#include "watch/http.h"\n', "watch/http.h": header()},
         "may not include"),
        ("net includes observe", {"dns/net/a.c": '#include "dns/observe/log.h"\n', "dns/observe/log.h": header()},
         "may not include"),
        ("plugin includes the program", {"dns/plugin/a.c": '#include "dns/server.h"\n', "dns/server.h": header()},
         "may not include"),
        ("no such file", {"watch/a.c": '#include "nowhere.h"\n'}, "there is no nowhere.h"),
        ("program includes a test", {"dns/a.c": '#include "tests/t.h"\n', "tests/t.h": header()}, "not part of"),
    ],
    "cycles": [
        ("two headers", {"cache/a.h": '#include "b.h"\n', "cache/b.h": '#include "a.h"\n'}, "files include each other"),
        ("a folder within its layer", {"dns/serve/a.h": '#include "dns/plugin/b.h"\n', "dns/plugin/b.h": header(),
                                       "dns/plugin/c.h": '#include "dns/serve/d.h"\n', "dns/serve/d.h": header()},
         "folders include each other"),
    ],
    "file-sizes": [
        ("one huge file", {"dns/a.c": "\n" * 801}, "801 lines, 800 at most"),
        ("most files too long", {"dns/a.c": "\n" * 500, "dns/b.c": "\n" * 460}, "450 wanted"),
    ],
    "function-sizes": [
        ("one huge function", {"dns/a.c": function(["\tx();"] * 99)}, "101 lines, 100 at most"),
        ("most functions too long", {"dns/a.c": function(["\tx();"] * 50) * 3}, "40 wanted"),
        ("a brace in a string hides nothing", {"dns/a.c": function(['\tx("}\\"{");', "\ty('}');"] * 50)}, "at most"),
    ],
    "nesting": [
        ("four ifs", {"dns/a.c": function(deep(4))}, "nested 4 deep"),
        ("switch counts", {"dns/a.c": function(["\tswitch (x) {", "\tcase 1:"] + deep(3) + ["\t}"])}, "nested 4 deep"),
        ("a macro's loop counts", {"dns/a.c": function(["\tcJSON_ArrayForEach (x, y) {"] + deep(3) + ["\t}"])},
         "nested 4 deep"),
    ],
    "tests": [
        ("no test", {"cache/a.c": "", "tests/unit/cache/meson.build": "'a'"}, "has no tests/unit/cache/test_a.c"),
        ("test not built", {"cache/a.c": "", "tests/unit/cache/test_a.c": "", "tests/unit/cache/meson.build": "'ab'"},
         "not in the list"),
    ],
    "listed": [("source not built", {"cache/a.c": "", "cache/meson.build": "files('b.c')"}, "not in cache/meson.build")],
    "format": [("spaces for tabs", {"dns/a.c": "int f(void)\n{\n  return 1;\n}\n"}, "clang-format")],
    "spdx": [
        ("C file", {"dns/a.c": "int x;\n"}, "does not open with"),
        ("script", {"tests/run.sh": "#!/bin/sh\necho\n"}, "does not open with"),
        ("script without a suffix", {".ci/run": "#!/bin/sh\necho\n"}, "does not open with"),
    ],
    "words": [
        ("unfinished work", {"dns/a.c": "/* TO" "DO later */\n"}, "unfinished"),
        ("a path of one machine", {"README.md": "see /ro" "ot/notes\n"}, "one machine"),
        ("a registry", {"tests/run.sh": "GOPROXY=https://proxy.gol" "ang.org\n"}, "registry"),
    ],
    "top-level": [("a stray file", {"notes.txt": ""}, "not one of the top-level")],
    "scripts": [
        ("no run bit", {"tests/a.sh": "#!/bin/bash\necho\n"}, "no run bit"),
        ("syntax", {"tests/a.sh": "#!/bin/bash\nif true; then\n"}, "syntax error"),
    ],
    "metrics": [
        ("not described", {"dns/observe/metrics.def": 'METRIC(A, "a_total", COUNTER)\n'}, "a_total is in no table"),
        ("described, and not there", {"dns/plugin/prometheus.md": "| `a_b`, `a_c` | gauge |\n"}, "there is no a_c"),
        ("twice", {"dns/observe/metrics.def": 'METRIC(A, "a_b", GAUGE)\nMETRIC(B, "a_b", GAUGE)\n'}, "twice"),
    ],
    "headers": [
        ("needs another header first", {"dns/a.h": header("int f(size_t n);")}, "does not compile alone"),
        ("no guard", {"dns/a.h": SPDX_C + "int f(void);\n"}, "no include guard"),
    ],
}

GOOD = {
    "meson.build": SPDX_SH,
    "dns/main.c": SPDX_C + "/* not TO" "DOS, nor mktemp XX" "XXXX */\n",
    "dns/meson.build": SPDX_SH + "files('main.c', 'server.c')\n",
    "dns/server.h": header("int server(void);"),
    "dns/server.c": SPDX_C + '#include "server.h"\n\n#include "cache/a.h"\n#include "watch/object.h"\n\n'
                    "int server(void)\n{\n\tstatic const int table[] = {1, 2};\n\tstruct a a = {0};\n\n"
                    "\tfor (int i = 0; i < table[0]; i++) {\n\t\tif (i) {\n\t\t\tif (a.b.c) {\n"
                    "\t\t\t\ta = (struct a){.b = {1}};\n\t\t\t}\n\t\t}\n\t}\n\treturn a.b.c;\n}\n",
    "cache/a.h": header('\n#include "watch/object.h"\n\nstruct a {\n\tstruct {\n\t\tint c;\n\t} b;\n};\n'),
    "watch/object.h": header("struct object;"),
    "tests/unit/dns/test_server.c": SPDX_C,
    "tests/unit/dns/meson.build": SPDX_SH + "'server',\n",
    "tests/run.sh": "#!/bin/bash\n" + SPDX_SH + "true\n",
}

OBJECTS = {  # C text: the symbols that must be found in it
    "int counter;\nint read_it(void)\n{\n\treturn counter++;\n}\n": ["counter"],
    "int next(void)\n{\n\tstatic int last = 3;\n\treturn last++;\n}\n": ["last"],
    "_Thread_local int mine;\nint *read_it(void)\n{\n\treturn &mine;\n}\n": ["mine"],
    "static const char *const names[] = {\"a\", \"b\"};\nconst int size = 3;\n"
    "const char *name(int i)\n{\n\treturn names[i];\n}\n": [],
}


def plant(folder, files, executable=()):
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        if name in executable:
            os.chmod(path, 0o755)


def findings(rule, files, executable=()):
    with tempfile.TemporaryDirectory() as folder:
        plant(folder, files, executable)
        with open(os.path.join(HERE, "..", "..", ".clang-format")) as source:
            plant(folder, {".clang-format": source.read()})
        return list(lint.RULES[rule](lint.Tree(folder)))


def writable_findings(text):
    with tempfile.TemporaryDirectory() as folder:
        plant(folder, {"a.c": text})
        subprocess.run(["gcc", "-fPIE", "-O1", "-c", "a.c", "-o", "a.c.o"], cwd=folder, check=True)
        return list(lint.RULES["writable"](lint.Tree(folder, folder)))


def run():
    for rule, cases in BAD.items():
        for what, files, words in cases:
            found = findings(rule, files)
            yield "%s: %s" % (rule, what), any(words in f for f in found), found
    for rule in lint.RULES:
        if rule != "writable":
            found = findings(rule, GOOD, ("tests/run.sh",))
            yield rule + ": a good tree passes", not found, found
    for text, symbols in OBJECTS.items():
        found = writable_findings(text)
        right = len(found) == len(symbols) and all(any(s in f for f in found) for s in symbols)
        yield "writable: %s" % (symbols or "constants only"), right, found
    missing = set(lint.RULES) - set(BAD) - {"writable"}
    yield "every rule has a bad example", not missing, sorted(missing)


def main():
    passed = failed = skipped = 0
    for name, right, found in run():
        if right:
            passed += 1
            print("ok " + name)
        else:
            failed += 1
            print("not ok %s - findings: %s" % (name, found))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    try:
        main()
    except lint.Skip as e:
        print("ok lint's own test # SKIP %s\n0 passed, 0 failed, 1 skipped" % e)
