# SPDX-License-Identifier: Apache-2.0
"""Reading C in the layout that .clang-format gives: functions, their length and
how deep their blocks nest."""

import re


def blank_out(text):
    """The same length and lines, with comments, strings and characters made empty."""
    def same_lines(match):
        word = match.group(0)
        if word[0] in "\"'":
            return word[0] + " " * (len(word) - 2) + word[0]
        return re.sub(r"[^\n]", " ", word)
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, same_lines, text, flags=re.S)


def functions(text):
    """[(name, line of its brace, lines from brace to brace, deepest nesting)]; in the
    layout that clang-format gives, a body is what stands between { and } in column 0."""
    lines = blank_out(text).split("\n")
    out = []
    start = None
    for i, line in enumerate(lines):
        if line == "{" and i and not lines[i - 1].rstrip().endswith(("=", ";")):
            start = i
        elif line == "}" and start is not None:
            out.append((name_before(lines, start), start + 1, i - start + 1, nesting(lines[start + 1:i])))
            start = None
    return out


def name_before(lines, brace):
    head = ""
    for i in range(brace - 1, max(-1, brace - 8), -1):
        head = lines[i] + " " + head
        if lines[i] and not lines[i][0].isspace():
            break
    match = re.search(r"(\w+)\s*\(", head)
    return match.group(1) if match else "?"


BLOCK = re.compile(r"(?:[):;{}]|\belse|\bdo)\s+\{\s*(?:\\\s*)?$|^\s*\{\s*(?:\\\s*)?$")


def nesting(lines):
    """Blocks within blocks; the braces of initializers do not count. A statement
    without braces under another counts by its own keyword."""
    stack, deepest = [], 0
    for line in lines:
        is_block = bool(BLOCK.search(line))
        for position, letter in enumerate(line):
            if letter == "{":
                last = position == len(line.rstrip(" \t\\")) - 1
                stack.append(is_block and last)
            elif letter == "}" and stack:
                stack.pop()
        deepest = max(deepest, sum(stack))
    return deepest
