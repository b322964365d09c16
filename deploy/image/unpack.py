#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Unpacks an OCI layout of image.sh into a new folder, with owners and the capability,
so as root.

    unpack.py LAYOUT FOLDER
"""

import gzip
import json
import os
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from oci import CAPABILITY_KEY  # noqa: E402


def blob(layout, descriptor):
    return os.path.join(layout, "blobs", *descriptor["digest"].split(":"))


def load(path):
    with open(path) as f:
        return json.load(f)


def unpack(layout, folder):
    index = load(os.path.join(layout, "index.json"))
    manifest = load(blob(layout, index["manifests"][0]))
    os.makedirs(folder)
    with gzip.open(blob(layout, manifest["layers"][0])) as data, tarfile.open(fileobj=data, mode="r|") as tar:
        for member in tar:
            tar.extract(member, folder, numeric_owner=True)
            value = member.pax_headers.get(CAPABILITY_KEY)
            if value:
                os.setxattr(os.path.join(folder, member.name), "security.capability", value.encode())


def main(argv):
    if len(argv) != 3:
        sys.exit(__doc__)
    try:
        unpack(argv[1], argv[2])
    except (OSError, KeyError, ValueError, tarfile.TarError) as e:
        sys.exit("unpack.py: %s: %s" % (argv[1], e))


if __name__ == "__main__":
    main(sys.argv)
