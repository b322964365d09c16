# SPDX-License-Identifier: Apache-2.0
"""A tree as a layer, and that as an image: an OCI layout (image-spec 1.0) and the tar
that `docker load` reads. The same tree and time give the same bytes."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import time

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
CAPABILITY_KEY = "SCHILY.xattr.security.capability"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def layer(entries, epoch):
    """The tar's bytes: sorted, all of it root's, from one moment."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(entries):
            entry = entries[path]
            info = tarfile.TarInfo(path.lstrip("/"))
            info.mode, info.mtime, info.uid, info.gid = entry.mode, epoch, 0, 0
            if entry.capability:
                info.pax_headers = {CAPABILITY_KEY: entry.capability.decode("ascii")}
            if entry.target is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.target
                tar.addfile(info)
            elif entry.data is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(entry.data)
                tar.addfile(info, io.BytesIO(entry.data))
    return out.getvalue()


class Image:
    def __init__(self, entries, epoch, architecture, settings, labels):
        """settings: the image's "config" (User, Entrypoint, ...)."""
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
        self.epoch = epoch
        self.labels = dict(labels, **{"org.opencontainers.image.created": created})
        self.tar = layer(entries, epoch)
        self.layer = gzip.compress(self.tar, compresslevel=9, mtime=0)
        self.config = as_json({
            "created": created, "architecture": architecture, "os": "linux",
            "config": dict(settings, Labels=self.labels),
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(self.tar)]},
            "history": [{"created": created, "created_by": "deploy/image.sh"}],
        })
        self.manifest = as_json({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, self.config),
            "layers": [descriptor(LAYER, self.layer)], "annotations": self.labels,
        })
        self.platform = {"architecture": architecture, "os": "linux"}

    def digest(self):
        return "sha256:" + sha256(self.manifest)

    def write_layout(self, folder, name):
        blobs = os.path.join(folder, "blobs", "sha256")
        os.makedirs(blobs)
        for data in (self.layer, self.config, self.manifest):
            write(os.path.join(blobs, sha256(data)), data)
        # ref.name is the tag for skopeo and podman, containerd wants the whole name.
        names = {"org.opencontainers.image.ref.name": name.rsplit(":", 1)[1], "io.containerd.image.name": name}
        entry = dict(descriptor(MANIFEST, self.manifest), platform=self.platform, annotations=names)
        write(os.path.join(folder, "index.json"), as_json(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}))
        write(os.path.join(folder, "oci-layout"), as_json({"imageLayoutVersion": "1.0.0"}))

    def write_archive(self, path, name):
        config, tar = sha256(self.config) + ".json", sha256(self.tar) + "/layer.tar"
        manifest = as_json([{"Config": config, "RepoTags": [name], "Layers": [tar]}])
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as out:
            for member, data in ((config, self.config), (tar, self.tar), ("manifest.json", manifest)):
                info = tarfile.TarInfo(member)
                info.size, info.mode, info.mtime = len(data), 0o644, self.epoch
                out.addfile(info, io.BytesIO(data))


def descriptor(media_type, data):
    return {"mediaType": media_type, "digest": "sha256:" + sha256(data), "size": len(data)}


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
