#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An image of a built binnacle. Called by ../image.sh, which has the options explained."""

import argparse
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oci  # noqa: E402
import rootfs  # noqa: E402

NAME = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def settings():
    """As CoreDNS's image has them, so that a Deployment's arguments go on working."""
    return {
        "User": "%d:%d" % (rootfs.USER, rootfs.USER),
        "ExposedPorts": {"53/tcp": {}, "53/udp": {}},
        "Env": ["PATH=/", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
        "Entrypoint": [rootfs.PROGRAM],
        "WorkingDir": "/",
    }


def labels(options):
    out = {
        "title": "binnacle",
        "description": "DNS server for the inside of a Kubernetes cluster",
        "licenses": "Apache-2.0",
        "version": options.version,
    }
    if options.revision:
        out["revision"] = options.revision
    return {"org.opencontainers.image." + key: value for key, value in out.items()}


def layout_folder(path):
    """Empties an earlier layout; will not touch a folder that is something else."""
    if os.path.isdir(path) and os.listdir(path):
        if not os.path.exists(os.path.join(path, "oci-layout")):
            raise rootfs.Wrong("%s is there and is no OCI layout; name another folder with --output" % path)
        shutil.rmtree(path)
    os.makedirs(path, exist_ok=True)
    return path


def build(options):
    if not NAME.fullmatch(options.name):
        raise rootfs.Wrong("'%s' is no image name; it looks like registry.example/binnacle:1.0" % options.name)
    if not re.fullmatch(r"[0-9]{1,11}", options.epoch):
        raise rootfs.Wrong("SOURCE_DATE_EPOCH is '%s'; it is a number of seconds since 1970" % options.epoch)
    architecture = rootfs.run("dpkg", "--print-architecture").strip()
    entries, packages = rootfs.tree(options.binary, options.licence)
    image = oci.Image(entries, int(options.epoch), architecture, settings(), labels(options))
    image.write_layout(layout_folder(options.output), options.name)
    print("%s\n  %s\n  OCI layout in %s, layer of %.1f MiB (%.1f MiB unpacked)" % (
        options.name, image.digest(), options.output, len(image.layer) / 2**20, len(image.tar) / 2**20))
    if options.archive:
        image.write_archive(options.archive, options.name)
        print("  archive in %s" % options.archive)
    for line in rootfs.outdated(packages):
        print("image.sh: not the newest: %s; apt-get upgrade before this is published" % line, file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    for name in ("binary", "output", "name", "epoch", "version", "licence"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--archive")
    parser.add_argument("--revision")
    try:
        build(parser.parse_args())
    except (rootfs.Wrong, OSError) as e:
        sys.exit("image.sh: %s" % e)


if __name__ == "__main__":
    main()
