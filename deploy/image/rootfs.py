# SPDX-License-Identifier: Apache-2.0
"""What is in the image: the program, the shared libraries it is linked with, and what
is told about the Debian packages they are from.

Every file of a package is compared with the package's own checksum first, and the
certificates are the package's, not those of /etc/ssl: what somebody changed on the
building machine does not get into an image."""

import glob
import hashlib
import os
import re
import struct
import subprocess

USER = 65532
PROGRAM = "/binnacle"
# VFS_CAP_REVISION_2 with the effective bit; permitted CAP_NET_BIND_SERVICE (bit 10),
# inheritable nothing (linux/capability.h, struct vfs_cap_data).
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
CERTIFICATES = "/usr/share/ca-certificates/mozilla"
# Beside the owners of the libraries: these are files, not libraries.
PACKAGES = ("base-files", "ca-certificates")
STATUS_FIELDS = ("Package", "Status", "Priority", "Section", "Maintainer", "Architecture", "Multi-Arch", "Source",
                 "Version", "Description", "Homepage")
ACCOUNTS = {
    "/etc/passwd": "root:x:0:0:root:/:/sbin/nologin\n"
                   "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
                   "nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
}
# For what a runtime mounts; whoever unpacks the image by hand needs them, too.
FOLDERS = ("/dev", "/etc/coredns", "/proc", "/run", "/sys")
# /coredns: for a Deployment that names the command instead of leaving it to the image.
LINKS = {"/lib": "usr/lib", "/var/run": "/run", "/coredns": "binnacle", "/etc/os-release": "../usr/lib/os-release"}


class Wrong(Exception):
    """The text says what to do."""


class Entry:
    """A file (data), a symbolic link (target) or, with neither, a folder."""

    def __init__(self, mode, data=None, target=None, capability=None):
        self.mode, self.data, self.target, self.capability = mode, data, target, capability


def run(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, LC_ALL="C"))
    except FileNotFoundError:
        raise Wrong("there is no %s here; this needs Debian" % argv[0]) from None
    if done.returncode:
        raise Wrong("%s: %s" % (" ".join(argv), (done.stderr or done.stdout).strip()))
    return done.stdout


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise Wrong("cannot read %s: %s" % (path, e.strerror)) from None


# -- packages -------------------------------------------------------------
class Package:
    def __init__(self, name):
        self.name = name
        self.short = name.split(":")[0]
        self.sums = {}
        for line in read(self.info("md5sums")).decode().splitlines():
            checksum, path = line.split(None, 1)
            self.sums[real("/" + path)] = checksum

    def info(self, kind):
        for name in (self.name, self.short):
            path = "/var/lib/dpkg/info/%s.%s" % (name, kind)
            if os.path.exists(path):
                return path
        raise Wrong("Debian's package %s is not installed: apt-get install %s" % (self.short, self.short))

    def file(self, path):
        """The file's bytes, which are those of the package."""
        data = read(path)
        # MD5 is what Debian's packages carry: it finds a mistake, not an attack.
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != self.sums.get(real(path)):
            raise Wrong("%s is not as the package %s has it: apt-get install --reinstall %s"
                        % (path, self.short, self.short))
        return data

    def status(self):
        """Its paragraph of dpkg's status file, without what depends on the machine."""
        lines, keep = [], False
        for line in run("dpkg-query", "-s", self.name).splitlines():
            if not line.startswith(" "):
                keep = line.split(":")[0] in STATUS_FIELDS
            if keep:
                lines.append(line)
        return "\n".join(lines) + "\n"


def outdated(names):
    """["package version -> newer version"], as far as this machine's package lists know."""
    out, name, installed = [], None, None
    for line in run("apt-cache", "policy", *names).splitlines():
        key, _, value = line.strip().partition(": ")
        if line and not line[0].isspace():
            name = line.rstrip(":")
        elif key == "Installed":
            installed = value
        elif key == "Candidate" and value not in (installed, "(none)"):
            out.append("%s %s -> %s" % (name, installed, value))
    return out


def real(path):
    """Where a path leads, with /lib for what it is since Debian 12: a link to usr/lib."""
    return os.path.realpath(path)


def owners(paths):
    """{path: package}. Packages may list below /lib what now is in /usr/lib."""
    asked = {re.sub(r"^/usr(?=/lib)", prefix, path): path for path in paths for prefix in ("/usr", "")}
    found = {}
    # It fails if one of them belongs to nobody, and tells of the others all the same.
    done = subprocess.run(["dpkg-query", "-S", *asked], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    for line in done.stdout.splitlines():
        package, _, path = line.rpartition(": ")
        if path in asked and not line.startswith("diversion "):
            found.setdefault(asked[path], package.split(",")[0])
    for path in paths:
        if path not in found:
            raise Wrong("%s belongs to no Debian package; build with Debian's libraries" % path)
    return found


# -- libraries ------------------------------------------------------------
def loader_of(binary):
    match = re.search(r"program interpreter: (\S+)\]", run("readelf", "-lW", binary))
    if not match:
        raise Wrong("%s is no dynamically linked program" % binary)
    return match.group(1)


def libraries(binary):
    """[(name it is asked for by, path on this machine)], the loader first."""
    loader = loader_of(binary)
    found = [(loader, loader)]
    for line in run(loader, "--list", os.path.abspath(binary)).splitlines():
        words = line.split()
        if "=> not found" in line:
            raise Wrong("%s needs %s, which is not installed" % (binary, words[0]))
        if len(words) >= 3 and words[1] == "=>":
            found.append((words[0], words[2]))
    for name, _ in found:
        if re.match(r"lib(asan|ubsan|tsan|lsan)\b", name):
            raise Wrong("%s is a sanitizer build (%s); an image wants a release build" % (binary, name))
    return found


# -- the tree -------------------------------------------------------------
def put(entries, path, entry):
    parent = os.path.dirname(path)
    while parent != "/" and parent not in entries:
        entries[parent] = Entry(0o755)
        parent = os.path.dirname(parent)
    entries[path] = entry


def put_libraries(entries, packages, binary):
    found = [(name, real(path)) for name, path in libraries(binary)]
    owner = owners([target for _, target in found])
    for name, target in found:
        package = owner[target]
        if package not in packages:
            packages[package] = Package(package)
        put(entries, target, Entry(0o755 if name.startswith("/") else 0o644, packages[package].file(target)))
        if name.startswith("/"):
            # The place of the loader is part of the ABI: /lib64 on amd64, /lib on arm64.
            if os.path.dirname(name) != "/lib":
                put(entries, name, Entry(0o777, target=target))
            else:
                put(entries, "/usr" + name, Entry(0o777, target=target))
        elif os.path.basename(target) != name:
            put(entries, os.path.join(os.path.dirname(target), name), Entry(0o777, target=os.path.basename(target)))


def put_files(entries, packages):
    base, authorities = (packages[p] for p in PACKAGES)
    put(entries, "/usr/lib/os-release", Entry(0o644, base.file("/usr/lib/os-release")))
    for path in sorted(glob.glob("/usr/share/common-licenses/*")):
        if os.path.islink(path):
            put(entries, path, Entry(0o777, target=os.readlink(path)))
        else:
            put(entries, path, Entry(0o644, base.file(path)))
    bundle = [authorities.file(path).rstrip() + b"\n" for path in sorted(glob.glob(CERTIFICATES + "/*.crt"))]
    put(entries, "/etc/ssl/certs/ca-certificates.crt", Entry(0o644, b"".join(bundle)))
    for path, text in ACCOUNTS.items():
        put(entries, path, Entry(0o644, text.encode()))


def put_packages(entries, packages):
    """Who a scanner finds here, and their terms."""
    for package in packages.values():
        put(entries, "/var/lib/dpkg/status.d/" + package.short, Entry(0o644, package.status().encode()))
        path = "/usr/share/doc/%s/copyright" % package.short
        put(entries, path, Entry(0o644, read(path)))


def tree(binary, licence):
    """({path: Entry}, [package]): all that the image holds, and from whom."""
    entries = {}
    packages = {name: Package(name) for name in PACKAGES}
    put(entries, PROGRAM, Entry(0o755, read(binary), capability=CAPABILITY))
    put(entries, "/usr/share/doc/binnacle/copyright", Entry(0o644, read(licence)))
    put_libraries(entries, packages, binary)
    put_files(entries, packages)
    put_packages(entries, packages)
    for path in FOLDERS:
        put(entries, path, Entry(0o755))
    for path, target in LINKS.items():
        put(entries, path, Entry(0o777, target=target))
    return entries, sorted(packages)
