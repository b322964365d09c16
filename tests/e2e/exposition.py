# SPDX-License-Identifier: Apache-2.0
"""Prometheus's text format 0.0.4, read strictly: whatever a scraper, or promtool's check of
metrics, would not take is an error."""

import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\S+)\Z')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"')
PARTS = ("_bucket", "_sum", "_count")


class Malformed(Exception):
    pass


def need(condition, *words):
    if not condition:
        raise Malformed(" ".join(str(word) for word in words))


def family_of(name, types):
    for part in PARTS:
        if name.endswith(part) and types.get(name[:-len(part)]) == "histogram":
            return name[:-len(part)]
    return name


def check_names(types, helps):
    for name, kind in types.items():
        need(NAME.match(name), name, "is no name")
        need(helps.get(name), name, "has no help")
        need(kind in ("counter", "gauge", "histogram"), name, "is a", kind)
        need((kind == "counter") == name.endswith("_total"), name, "is a", kind)
        need(not name.endswith(PARTS), name, "ends like a part of a histogram")


def check_histograms(types, samples):
    for name in (name for name, kind in types.items() if kind == "histogram"):
        series = {}
        for (part, labels), value in samples.items():
            if family_of(part, types) == name:
                others = tuple(label for label in labels if label[0] != "le")
                at = series.setdefault(others, {"buckets": []})
                if part.endswith("_bucket"):
                    at["buckets"].append((float(dict(labels)["le"]), value))
                else:
                    at[part[len(name):]] = value
        for labels, at in series.items():
            bounds, counts = zip(*at["buckets"])
            need(list(bounds) == sorted(set(bounds)), name, labels, "has buckets out of order")
            need(bounds[-1] == float("inf"), name, labels, "has no +Inf")
            need(list(counts) == sorted(counts), name, labels, "has buckets that fall")
            need("_sum" in at and at.get("_count") == counts[-1], name, labels, "has no sum, or another count")


def parse(text):
    """{(name, ((label, value), ...)): value}"""
    types, helps, samples, finished, family = {}, {}, {}, set(), None
    need(text.endswith("\n"), "the last line is cut")
    for line in text[:-1].split("\n"):
        words = line.split(" ", 3)
        if words[:2] == ["#", "HELP"]:
            need(words[2] not in helps, "a second HELP:", line)
            helps[words[2]] = words[3]
            continue
        if words[:2] == ["#", "TYPE"]:
            need(words[2] not in types, "a second TYPE:", line)
            types[words[2]] = words[3]
            continue
        match = SAMPLE.match(line)
        need(match, "no sample:", line)
        name, labels = match.group(1), LABEL.findall(match.group(2) or "")
        need(len(dict(labels)) == len(labels), "a label twice:", line)
        if family_of(name, types) != family:
            finished.add(family)
            family = family_of(name, types)
            need(family in types and family not in finished, "its family is elsewhere:", line)
        key = (name, tuple(sorted(labels)))
        need(key not in samples, "told twice:", line)
        samples[key] = float(match.group(3))
    check_names(types, helps)
    check_histograms(types, samples)
    return samples


def total(samples, metric, /, **wanted):
    """The sum of the samples with these labels."""
    return sum(value for (name, labels), value in samples.items()
               if name == metric and wanted.items() <= dict(labels).items())
