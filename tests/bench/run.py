#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draft."""
import argparse
import figures
import peers
import queries
import works


def main():
    parser = argparse.ArgumentParser()
    figures.add_arguments(parser)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--echo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    names = peers.ALL if options.servers == "all" else options.servers.split(",")
    out = {}
    with queries.Setting(options, options.echo) as setting:
        field = queries.Field(setting, names)
        try:
            for name in options.names or list(works.BY_NAME):
                work = works.BY_NAME[name]
                out[name] = queries.measure(setting, field, work, options)
                queries.show(work, out[name])
        finally:
            field.close()
    figures.write_json(options, out)


main()
