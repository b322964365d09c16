#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the tree that a compiler does not check.

    lint.py [--root DIR] [--objects BUILD_DIR] [RULE...]

Prints `ok RULE` or `not ok RULE` with each finding as file:line: what is wrong,
and the counts. --objects: a plain build, whose object files are searched for
mutable globals (without it that rule is skipped). lint.py --list names the rules.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from csource import functions  # noqa: E402

LIBRARY_FOLDERS = {  # layer: what it may include beside itself
    "watch": (),
    "dns/wire": (),
    "dns/observe": (),
    "dns/corefile": (),
    "cache": ("dns/wire", "watch/object.h", "watch/sink.h"),
    "dns/net": ("dns/wire",),
    "dns/serve": ("dns/wire", "dns/corefile", "dns/observe"),
    "dns/plugin": ("dns/serve", "dns/net", "dns/wire", "dns/observe", "dns/corefile", "cache", "watch"),
    "dns": ("dns/serve", "dns/net", "dns/wire", "dns/observe", "dns/corefile", "dns/plugin", "cache", "watch"),
}
TOP_LEVEL = {
    "meson.build", "meson_options.txt", "dns", "cache", "watch", "deploy", "tests", "README.md", "LICENSE",
    "CONTRIBUTING.md", "CHANGELOG.md", ".clang-format", ".ci", ".gitignore", ".git",
}
FILE_MAX, FILE_P90 = 800, 450
FUNCTION_MAX, FUNCTION_P90 = 100, 40
NESTING_MAX = 3
NO_TEST_NEEDED = {"dns/main.c"}
# Symbols that may live in writable memory, as object-path-suffix:symbol, with the reason.
WRITABLE_ALLOWED = {
    "log.c.o:output_fd": "a process has one log; set once at the start",
    "log.c.o:debug_on": "the same",
    "json_arena.c.o:arena": "cJSON's hooks are told nothing but a size; each thread has its own",
}

# Written in two halves so that this file does not find itself.
FORBIDDEN = [
    (re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), "unfinished work is not committed"),
    (re.compile(r"(?<![\w.$}/])/(?:wo" r"rk|ro" r"ot|ho" r"me)/\w"), "a path of one machine"),
    (re.compile(r"proxy\.gol" r"ang|deb\.deb" r"ian|registry\.np" r"mjs|py" r"pi\.org|index\.crat" r"es"),
     "the host of a package registry"),
    (re.compile(r"(?i)\b(?:cla" r"ude|chat" r"gpt|as an a" r"i\b|language mo" r"del)"), "not about the project"),
]
TEXT_SUFFIXES = (".c", ".h", ".def", ".py", ".sh", ".md", ".yaml", ".yml", ".json", ".build", ".txt", ".scenario",
                 ".corefile")
SPDX_SUFFIXES = (".c", ".h", ".def", ".py", ".sh", "meson.build")
SPDX = "SPDX-License-Identifier: Apache-2.0"


# -- reading the tree ------------------------------------------------------
class Tree:
    def __init__(self, root, objects=None):
        self.root = os.path.abspath(root)
        self.objects = objects
        self.files = sorted(self.walk())

    def walk(self):
        for folder, folders, names in os.walk(self.root):
            inside = os.path.relpath(folder, self.root)
            folders[:] = [d for d in folders if d not in (".git", "__pycache__")
                          and not (inside == "." and d.startswith("build"))]
            for name in names:
                if not name.endswith(".pyc"):
                    yield os.path.normpath(os.path.join(inside, name))

    def path(self, name):
        return os.path.join(self.root, name)

    def text(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def sources(self, *suffixes):
        return [f for f in self.files if f.endswith(suffixes)]

    def ours(self, *suffixes):
        """Files of the three libraries and the program."""
        return [f for f in self.sources(*suffixes) if f.split("/")[0] in ("dns", "cache", "watch")]


def layer_of(name):
    folder = os.path.dirname(name)
    while folder and folder not in LIBRARY_FOLDERS:
        folder = os.path.dirname(folder)
    return folder or None


INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def includes(tree, name):
    """[(line, file)] of our own includes; the file is None where there is none."""
    out = []
    text = tree.text(name)
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        beside = os.path.normpath(os.path.join(os.path.dirname(name), match.group(1)))
        found = next((f for f in (beside, match.group(1)) if os.path.exists(tree.path(f))), None)
        out.append((line, found, match.group(1)))
    return out


def may_include(source, target):
    layer, target_layer = layer_of(source), layer_of(target)
    if layer is None or layer == target_layer:
        return True
    allowed = LIBRARY_FOLDERS[layer]
    return target_layer in allowed or target in allowed


# -- rules: each yields "place: what is wrong" --------------------------------
def rule_edges(tree):
    """Includes go only where design allows, and to files that exist."""
    for name in tree.ours(".c", ".h"):
        for line, target, written in includes(tree, name):
            if target is None:
                yield "%s:%d: there is no %s" % (name, line, written)
            elif layer_of(target) is None:
                yield "%s:%d: %s is not part of the program" % (name, line, target)
            elif not may_include(name, target):
                yield "%s:%d: %s may not include %s" % (name, line, layer_of(name), target)


def find_cycle(graph):
    state = {}
    stack = []

    def visit(node):
        state[node] = 1
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if state.get(target) == 1:
                return stack[stack.index(target):] + [target]
            if target not in state:
                found = visit(target)
                if found:
                    return found
        stack.pop()
        state[node] = 2
        return None

    for node in sorted(graph):
        if node not in state:
            found = visit(node)
            if found:
                return found
    return None


def rule_cycles(tree):
    """No cycle of includes, neither of files nor of folders."""
    files, folders = {}, {}
    for name in tree.ours(".c", ".h"):
        for _, target, _ in includes(tree, name):
            if target is None:
                continue
            files.setdefault(name, set()).add(target)
            a, b = os.path.dirname(name), os.path.dirname(target)
            if a != b:
                folders.setdefault(a, set()).add(b)
    for what, graph in (("files", files), ("folders", folders)):
        cycle = find_cycle(graph)
        if cycle:
            yield "%s: %s include each other: %s" % (cycle[0], what, " -> ".join(cycle))


def ninetieth(numbers):
    numbers = sorted(numbers)
    return numbers[max(0, -(-len(numbers) * 9 // 10) - 1)] if numbers else 0


def check_sizes(measured, most, usual, what):
    for place, size in measured:
        if size > most:
            yield "%s: %s of %d lines, %d at most" % (place, what, size, most)
    p90 = ninetieth([size for _, size in measured])
    if p90 > usual:
        yield "%s: nine of ten have up to %d lines, %d wanted" % (what, p90, usual)


def rule_file_sizes(tree):
    """Files: nine of ten up to 450 lines, none over 800."""
    for group in (tree.ours(".c", ".h"), [f for f in tree.sources(".c", ".h", ".py", ".sh") if f.startswith("tests/")]):
        yield from check_sizes([(f, tree.text(f).count("\n")) for f in group], FILE_MAX, FILE_P90, "file")


def rule_function_sizes(tree):
    """Functions: nine of ten up to 40 lines, none over 100."""
    every = tree.sources(".c", ".h")
    for group in (tree.ours(".c", ".h"), [f for f in every if f.startswith("tests/")]):
        measured = [("%s:%d: %s" % (f, line, name), size)
                    for f in group for name, line, size, _ in functions(tree.text(f))]
        yield from check_sizes(measured, FUNCTION_MAX, FUNCTION_P90, "function")


def rule_nesting(tree):
    """Blocks at most three deep."""
    for f in tree.sources(".c", ".h"):
        for name, line, _, depth in functions(tree.text(f)):
            if depth > NESTING_MAX:
                yield "%s:%d: %s is nested %d deep, %d at most" % (f, line, name, depth, NESTING_MAX)


def rule_tests(tree):
    """Every module has tests/unit/PATH/test_MODULE.c, built by its folder."""
    for f in tree.ours(".c"):
        if f in NO_TEST_NEEDED:
            continue
        folder, module = os.path.dirname(f), os.path.basename(f)[:-2]
        test = "tests/unit/%s/test_%s.c" % (folder, module)
        build = "tests/unit/%s/meson.build" % folder
        if test not in tree.files:
            yield "%s: has no %s" % (f, test)
        elif build not in tree.files or not re.search(r"'(?:test_)?%s'" % re.escape(module), tree.text(build)):
            yield "%s: is not in the list of %s" % (test, build)


def rule_listed(tree):
    """Every source file is in its folder's meson.build, the program's main in the top one."""
    for f in tree.ours(".c"):
        if f == "dns/main.c" and "'dns/main.c'" in tree.text("meson.build"):
            continue
        build = os.path.dirname(f) + "/meson.build"
        if build not in tree.files or "'%s'" % os.path.basename(f) not in tree.text(build):
            yield "%s: is not in %s" % (f, build)


def rule_format(tree):
    """Layout is what clang-format 14 makes of it."""
    tool = shutil.which("clang-format-14")
    if not tool:
        raise Skip("clang-format-14 is not installed")
    names = tree.sources(".c", ".h")
    if not names:
        return
    done = subprocess.run([tool, "--dry-run", "-Werror", "-style=file"] + names, cwd=tree.root,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = set()
    for line in done.stdout.splitlines():
        match = re.match(r"([^:\s]+):(\d+):\d+: error", line)
        if match and match.group(1) not in seen:
            seen.add(match.group(1))
            yield "%s:%s: clang-format -i would change this" % match.groups()
    if done.returncode and not seen:
        yield "clang-format: " + done.stdout.strip()[:300]


def rule_spdx(tree):
    """Sources open with the licence line (after #! if they have that)."""
    for f in tree.files:
        script = "/corpus/" not in f and not f.endswith(TEXT_SUFFIXES) and is_script(tree, f)
        if not (f.endswith(SPDX_SUFFIXES) or script):
            continue
        lines = tree.text(f).split("\n")[:2]
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if SPDX not in first:
            yield "%s:1: does not open with %s" % (f, SPDX)


def rule_writable(tree):
    """No mutable globals and no mutable function statics: nothing of ours in writable sections."""
    if not tree.objects:
        raise Skip("no build to look into (--objects)")
    found = 0
    for folder, _, names in os.walk(tree.objects):
        inside = os.path.relpath(folder, tree.objects)
        if inside.split("/")[0] == "tests":
            continue
        for name in names:
            if name.endswith(".o"):
                found += 1
                yield from writable_symbols(os.path.join(folder, name), os.path.join(inside, name))
    if not found:
        yield "%s: no object files" % tree.objects


def writable_symbols(path, shown):
    """GCC's and the sanitizers' own symbols begin with a dot or two underscores."""
    table = subprocess.run(["objdump", "-t", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in table.splitlines():
        match = re.match(r"[0-9a-f]+ .{7} (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$", line)
        if not match:
            continue
        section, size, symbol = match.groups()
        writable = re.match(r"\.(data|bss|tdata|tbss)\b|\*COM\*", section) and not section.startswith(".data.rel.ro")
        if not writable or int(size, 16) == 0 or symbol.startswith((".", "__")):
            continue
        if not any(shown.endswith(k.split(":")[0]) and symbol == k.split(":")[1] for k in WRITABLE_ALLOWED):
            yield "%s: %s is writable (%s)" % (shown, symbol, section)


def rule_words(tree):
    """No unfinished work, no paths of one machine, no registry hosts."""
    for f in tree.files:
        if "/corpus/" in f or not (f.endswith(TEXT_SUFFIXES) or is_script(tree, f)):
            continue
        for i, line in enumerate(tree.text(f).split("\n"), 1):
            for pattern, why in FORBIDDEN:
                match = pattern.search(line)
                if match:
                    yield "%s:%d: %r: %s" % (f, i, match.group(0), why)


def rule_top_level(tree):
    """The top of the tree holds what the design names, nothing else."""
    for name in sorted(os.listdir(tree.root)):
        if name not in TOP_LEVEL and not (name.startswith("build") and os.path.isdir(tree.path(name))):
            yield "%s: not one of the top-level entries" % name


def is_script(tree, f):
    try:
        with open(tree.path(f), "rb") as opened:
            return opened.read(2) == b"#!"
    except OSError:
        return False


def rule_scripts(tree):
    """What begins with #! can be run; shell scripts parse."""
    for f in tree.files:
        if "/corpus/" in f or not is_script(tree, f):
            continue
        if not os.access(tree.path(f), os.X_OK):
            yield "%s: begins with #! but has no run bit" % f
        if re.match(r"#!.*\b(?:ba)?sh\b", tree.text(f).split("\n")[0]):
            yield from check_shell(tree, f)


def check_shell(tree, f):
    done = subprocess.run(["bash", "-n", tree.path(f)], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        yield "%s: %s" % (f, done.stderr.strip())
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", "-f", "gcc", "-S", "warning", tree.path(f)],
                              stdout=subprocess.PIPE, text=True)
        yield from (line.replace(tree.root + "/", "") for line in done.stdout.splitlines())


METRICS, METRICS_PAGE = "dns/observe/metrics.def", "dns/plugin/prometheus.md"


def rule_metrics(tree):
    """Every metric is described on its page, and no other is."""
    defined = re.findall(r'^METRIC\(\w+, "(\w+)"', tree.text(METRICS), re.M) if METRICS in tree.files else []
    page = tree.text(METRICS_PAGE) if METRICS_PAGE in tree.files else ""
    described = {name for row in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.M)
                 for name in re.findall(r"\w+_\w+", row)}
    for name in defined:
        if name not in described:
            yield "%s: %s is in no table of %s" % (METRICS, name, METRICS_PAGE)
        if defined.count(name) > 1:
            yield "%s: %s is there twice" % (METRICS, name)
    for name in sorted(described - set(defined) - {"runtime_metrics"}):
        yield "%s: there is no %s" % (METRICS_PAGE, name)


def rule_headers(tree):
    """Every header compiles alone and has a guard."""
    flags = subprocess.run(["pkg-config", "--cflags", "libuv", "libcurl", "libcjson", "ldns", "yaml-0.1", "liburcu-qsbr",
                            "libmicrohttpd", "openssl", "libpcre2-8"], stdout=subprocess.PIPE, text=True).stdout.split()
    for f in tree.ours(".h"):
        if not re.search(r"^#ifndef \w+_H\n#define \w+_H$", tree.text(f), re.M):
            yield "%s: has no include guard" % f
        done = subprocess.run(["gcc", "-std=gnu17", "-fsyntax-only", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-I", tree.root]
                              + flags + ["-include", tree.path(f), "-x", "c", "/dev/null"],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
            yield "%s: does not compile alone: %s" % (f, first.replace(tree.root + "/", ""))


class Skip(Exception):
    pass


RULES = {name[5:].replace("_", "-"): function for name, function in list(globals().items()) if name.startswith("rule_")}


def main():
    parser = argparse.ArgumentParser()
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(here)))
    parser.add_argument("--objects")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("rules", nargs="*")
    options = parser.parse_args()
    if options.list:
        for name, function in RULES.items():
            print("%-15s %s" % (name, function.__doc__))
        return
    tree = Tree(options.root, options.objects)
    passed = failed = skipped = 0
    for name in options.rules or RULES:
        try:
            findings = list(RULES[name](tree))
        except Skip as e:
            skipped += 1
            print("ok %s # SKIP %s" % (name, e))
            continue
        if findings:
            failed += 1
            print("not ok %s - %s" % (name, RULES[name].__doc__))
            print("".join("    %s\n" % f for f in findings), end="")
        else:
            passed += 1
            print("ok %s" % name)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
