# SPDX-License-Identifier: Apache-2.0
"""An image's layout unpacked, and its program run by runc as a kubelet and containerd
would have it run: user, capabilities, no_new_privs, read-only root, seccomp profile,
memory limit and mounts all come from a Deployment and the image's configuration."""

import gzip
import io
import json
import os
import platform
import subprocess
import tarfile
import time

from cases import Skipped, check
from process import spawn, stop, tail

# What containerd's CRI gives to a container of which nothing else is said.
DEFAULT_CAPABILITIES = ("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP "
                        "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE").split()
CAPABILITY_KEY = "SCHILY.xattr.security.capability"
UNPACK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "image", "unpack.py")
SECCOMP = "/usr/share/containers/seccomp.json"  # golang-github-containers-common
ARCHITECTURES = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}
FETCH = ("import sys,urllib.request,urllib.error\n"
         "try: print(urllib.request.urlopen(sys.argv[1],timeout=2).status)\n"
         "except urllib.error.HTTPError as e: print(e.code)\n"
         "except OSError: print(0)")


# -- the image --------------------------------------------------------------
class Layout:
    """An OCI layout with one image in it."""

    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "index.json")) as f:
            self.index = json.load(f)
        self.manifest = json.loads(self.blob(self.index["manifests"][0]))
        self.config = json.loads(self.blob(self.manifest["config"]))

    def blob(self, descriptor):
        algorithm, digest = descriptor["digest"].split(":")
        with open(os.path.join(self.folder, "blobs", algorithm, digest), "rb") as f:
            return f.read()

    def tar(self):
        data = gzip.decompress(self.blob(self.manifest["layers"][0]))
        return data, tarfile.open(fileobj=io.BytesIO(data))

    def unpack(self, root):
        """With owners and capabilities, so as root only; Skipped where that cannot be."""
        if os.geteuid() != 0:
            raise Skipped("needs root")
        if os.statvfs(os.path.dirname(root)).f_flag & os.ST_NOSUID:
            raise Skipped("%s is mounted nosuid: file capabilities have no effect there" % root)
        done = subprocess.run([UNPACK, self.folder, root], capture_output=True, text=True)
        if "not supported" in done.stderr:
            raise Skipped("no file capabilities here: " + done.stderr)
        check(done.returncode == 0, done.stderr)
        return root


# -- from a Deployment to what runc reads ---------------------------------------
def capabilities(context):
    have = set(DEFAULT_CAPABILITIES)
    wish = context.get("capabilities") or {}
    for name in wish.get("drop") or []:
        have = set() if name == "ALL" else have - {name}
    return sorted("CAP_" + name for name in have | set(wish.get("add") or []))


def seccomp(have):
    """Docker's form of the default profile in the form of the runtime specification."""
    arch, native = ARCHITECTURES[platform.machine()]
    with open(SECCOMP) as f:
        profile = json.load(f)

    def applies(rule):
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        return (set(includes.get("caps") or []) <= set(have)
                and not set(excludes.get("caps") or []) & set(have)
                and arch in (includes.get("arches") or [arch])
                and arch not in (excludes.get("arches") or []))

    rules = []
    for rule in filter(applies, profile["syscalls"]):
        out = {"names": rule.get("names") or [rule["name"]], "action": rule["action"]}
        if rule.get("args"):
            out["args"] = [dict(a, valueTwo=a.get("valueTwo", 0)) for a in rule["args"]]
        if "errnoRet" in rule:
            out["errnoRet"] = rule["errnoRet"]
        rules.append(out)
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": [native], "syscalls": rules}


def mebibytes(quantity):
    check(quantity.endswith("Mi"), "the memory limit %s is not in Mi" % quantity)
    return int(quantity[:-2]) << 20


def mount(target, source, *options, kind="bind"):
    return {"destination": target, "source": source, "type": kind,
            "options": list(options) or ["rbind", "rprivate", "ro"]}


def runtime_config(deployment, image, root, volumes, more_args=(), more_mounts=(), environment=()):
    """volumes: {volume's name: folder}; further mounts as (target, source)."""
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    context = dict(pod.get("securityContext") or {}, **(container.get("securityContext") or {}))
    uid, gid = (int(n) for n in image["User"].split(":"))
    uid = context.get("runAsUser", uid)
    check(uid != 0 or not context.get("runAsNonRoot"), "runAsNonRoot, but the user is root")
    have = capabilities(context)
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": uid, "gid": context.get("runAsGroup", gid)}, "cwd": image["WorkingDir"],
            "args": (container.get("command") or image["Entrypoint"]) + container["args"] + list(more_args),
            "env": image["Env"] + list(environment),
            "capabilities": {"bounding": have, "effective": have, "permitted": have},
            "noNewPrivileges": context.get("allowPrivilegeEscalation") is False,
        },
        "root": {"path": root, "readonly": bool(context.get("readOnlyRootFilesystem"))},
        "mounts": [mount("/proc", "proc", "nosuid", "noexec", "nodev", kind="proc"),
                   mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k", kind="tmpfs")]
        + [mount(m["mountPath"], volumes[m["name"]]) for m in container["volumeMounts"]]
        + [mount(target, source) for target, source in more_mounts],
        "linux": {
            "namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount", "network")],
            "resources": {"memory": {"limit": mebibytes(container["resources"]["limits"]["memory"])}},
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys", "/proc/irq", "/proc/bus"],
        },
    }
    if (context.get("seccompProfile") or {}).get("type") == "RuntimeDefault" and os.path.exists(SECCOMP):
        config["linux"]["seccomp"] = seccomp(have)
    return config


# -- running it -----------------------------------------------------------------
class Container:
    """folder: an empty one, for runc's state, the configuration and the log."""

    def __init__(self, folder, config):
        self.folder = folder
        self.name = "binnacle-%d-%s" % (os.getpid(), os.path.basename(folder))
        self.log_path = os.path.join(folder, "log")
        self.process = None
        os.makedirs(folder)
        config["linux"]["cgroupsPath"] = "/" + self.name
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config, f)

    def runc(self, *words):
        return subprocess.run(("runc", "--root", os.path.join(self.folder, "state")) + words, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)

    def __enter__(self):
        try:
            self.process = spawn(["runc", "--root", os.path.join(self.folder, "state"), "run", "--bundle", self.folder,
                                  self.name], self.log_path)
        except FileNotFoundError:
            raise Skipped("needs runc") from None
        return self

    def __exit__(self, *_):
        # The program first, so that runc sees it end; then what runc may have left.
        self.runc("kill", self.name, "KILL")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.runc("delete", "--force", self.name)
        stop(self.process)

    def log(self):
        return tail(self.log_path, 30)

    def ended(self, timeout_s=20):
        """Its exit status."""
        self.process.wait(timeout_s)
        return self.process.returncode

    def pid(self):
        """The program's own, on the outside."""
        done = self.runc("state", self.name)
        return json.loads(done.stdout)["pid"] if done.returncode == 0 else 0

    def inside(self, *argv):
        """A program of this machine in the container's network."""
        return subprocess.run(("nsenter", "--net=/proc/%d/ns/net" % self.pid()) + argv, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL).stdout.strip()

    def http_status(self, port, path):
        return int(self.inside("/usr/bin/python3", "-c", FETCH, "http://127.0.0.1:%d%s" % (port, path)) or 0)

    def dig(self, *words):
        return self.inside("dig", "@127.0.0.1", "+short", "+tries=1", "+time=3", *words)

    def wait_ready(self, timeout_s=30):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            check(self.process.poll() is None, lambda: "the container ended (%s):\n%s"
                  % (self.process.returncode, self.log()))
            if self.http_status(8181, "/ready") == 200:
                return self
            time.sleep(0.05)
        check(False, lambda: "not ready in %d s:\n%s" % (timeout_s, self.log()))
        return self

    def status(self):
        """/proc/PID/status of the program."""
        with open("/proc/%d/status" % self.pid()) as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
