# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: percentiles, a table, JSON, where the rig's code is."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "api", "rig"))


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, max(0, int(-(-len(values) * p // 100)) - 1))] if values else float("nan")


def median(values):
    return percentile(values, 50)


def table(head, rows):
    """Markdown, the first column left and the others right."""
    lines = [[str(c) for c in row] for row in [head] + rows]
    widths = [max(len(row[i]) for row in lines) for i in range(len(head))]
    def line(row):
        return "| " + " | ".join(c.ljust(w) if not i else c.rjust(w)
                                 for i, (c, w) in enumerate(zip(row, widths))) + " |"
    rule = "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|"
    print("\n".join([line(lines[0]), rule] + [line(row) for row in lines[1:]]), flush=True)


def add_arguments(parser, servers="binnacle,coredns"):
    parser.add_argument("--binary", help="Binnacle's program")
    parser.add_argument("--servers", dest="names", default=servers.split(","), type=lambda text: text.split(","),
                        help="comma-separated; otherwise " + servers)
    parser.add_argument("--json", help="write the figures to this file too")


def write_json(options, figures):
    if options.json:
        with open(options.json, "w") as f:
            json.dump(figures, f, indent=1)
            f.write("\n")


def binary_of(options, kind):
    return options.binary if kind == "binnacle" else None
