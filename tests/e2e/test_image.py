#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The container image that deploy/image.sh makes, and the program started from it as the
Deployment in deploy/base has it started.

    test_image.py --work FOLDER [WORD...]     only the cases with WORD in their name

FOLDER keeps the builds between runs. What runs in containers needs root and runc.
"""

import argparse
import copy
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TREE, "tests", "api", "rig"))
from cases import Cases, Skipped, check, check_equal  # noqa: E402
from container import CAPABILITY_KEY, SECCOMP, Container, Layout, runtime_config  # noqa: E402

IMAGE_SH = os.path.join(TREE, "deploy", "image.sh")
EPOCH = "1700000000"
NAME = "localhost/binnacle:test"
SOURCES = ("meson.build", "meson_options.txt", "dns", "cache", "watch", "deploy", "LICENSE")
MANIFESTS = """apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.80, ports: [{port: 80, name: http}]}
"""
QUESTION = ("web.shop.svc.cluster.local", "A")
ANSWER = "10.96.0.80"


def image_sh(*words, script=IMAGE_SH, wrong=None):
    """Its output; wrong: it must fail, with that in what it says."""
    done = subprocess.run([script, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, SOURCE_DATE_EPOCH=EPOCH))
    out = done.stdout + done.stderr
    check((done.returncode != 0) == (wrong is not None), out)
    check(wrong is None or wrong in done.stderr, out)
    check("Traceback" not in out, out)
    return out


class World:
    """The image, built once, and a root made of it."""

    def __init__(self, work):
        self.work = work
        self.folder = tempfile.mkdtemp(prefix="image-", dir=work)
        self.archive = self.path("image.tar")
        self.said = image_sh("--build", os.path.join(work, "image-build"), "--output", self.path("oci"),
                             "--archive", self.archive, "--name", NAME)
        self.binary = os.path.join(work, "image-build", "binnacle.stripped")
        self.layout = Layout(self.path("oci"))
        self.count = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def root(self):
        """Unpacked once a case: a container's mount points get made in it."""
        self.count += 1
        return self.layout.unpack(self.path("root-%d" % self.count))

    def container(self, deployment, change=lambda config: None):
        """With a Service in manifests, as there is no API server."""
        if not shutil.which("runc"):
            raise Skipped("needs runc")
        root = self.root()
        base = self.path("case-%d" % self.count)
        with open(os.path.join(TREE, "deploy", "base", "Corefile")) as f:
            corefile = f.read()
        for name, text in (("etc/Corefile", corefile), ("manifests/web.yaml", MANIFESTS),
                           ("resolv.conf", "nameserver 192.0.2.1\n")):
            os.makedirs(os.path.dirname(os.path.join(base, name)), exist_ok=True)
            with open(os.path.join(base, name), "w") as f:
                f.write(text)
        config = runtime_config(
            deployment, self.layout.config["config"], root, {"config-volume": base + "/etc"},
            ["-kubernetes.manifests", "/manifests"],
            [("/manifests", base + "/manifests"), ("/etc/resolv.conf", base + "/resolv.conf")])
        change(config)
        return Container(base + "/bundle", config)


def deployment(path="deploy/base/deployment.yaml"):
    with open(os.path.join(TREE, path)) as f:
        return next(d for d in yaml.safe_load_all(f) if d["kind"] == "Deployment")


# -- what is in it ------------------------------------------------------------
def same_input_same_digest(w):
    again = w.path("again")
    image_sh("--build", os.path.join(w.work, "image-build"), "--output", again, "--archive", again + ".tar",
             "--name", NAME)
    check_equal(Layout(again).index, w.layout.index, "the index")
    with open(w.archive, "rb") as a, open(again + ".tar", "rb") as b:
        check(a.read() == b.read(), "the archives differ")


def elsewhere_the_same_layer(w):
    """Built from the same sources in another folder."""
    copy_of = os.path.join(w.work, "copy")
    os.makedirs(copy_of, exist_ok=True)
    for name in SOURCES:
        source, target = os.path.join(TREE, name), os.path.join(copy_of, name)
        if os.path.isdir(source):
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
    image_sh("--build", os.path.join(copy_of, "build"), "--output", w.path("elsewhere"), "--name", NAME,
             script=os.path.join(copy_of, "deploy", "image.sh"))
    check_equal(Layout(w.path("elsewhere")).manifest["layers"], w.layout.manifest["layers"], "the layer")


def layout_is_valid(w):
    with open(w.path("oci/oci-layout")) as f:
        check_equal(json.load(f), {"imageLayoutVersion": "1.0.0"}, "oci-layout")
    manifest = w.layout.manifest
    types = [w.layout.index["manifests"][0], manifest["config"]] + manifest["layers"]
    check_equal([d["mediaType"].split("vnd.oci.image.")[1] for d in types],
                ["manifest.v1+json", "config.v1+json", "layer.v1.tar+gzip"], "the media types")
    for descriptor in types:
        data = w.layout.blob(descriptor)
        check_equal(len(data), descriptor["size"], "the size of " + descriptor["digest"])
        check_equal("sha256:" + hashlib.sha256(data).hexdigest(), descriptor["digest"], "a digest")
    check_equal(sorted(os.listdir(w.path("oci/blobs/sha256"))), sorted(d["digest"][7:] for d in types), "the blobs")
    check_equal(w.layout.config["rootfs"]["diff_ids"],
                ["sha256:" + hashlib.sha256(w.layout.tar()[0]).hexdigest()], "diff_ids")


def others_read_it(w):
    if not shutil.which("skopeo"):
        raise Skipped("needs skopeo")
    for source in ("oci:" + w.path("oci"), "docker-archive:" + w.archive):
        target = w.path(source.split(":")[0] + "-copy")
        done = subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", source, "oci:" + target + ":copy"],
                              capture_output=True, text=True)
        check_equal(done.returncode, 0, source + ": " + done.stderr)
        check_equal(Layout(target).config["config"], w.layout.config["config"], "what skopeo read from " + source)


def configured_as_coredns(w):
    config = w.layout.config["config"]
    check_equal((config["User"], config["WorkingDir"], config["Entrypoint"]), ("65532:65532", "/", ["/binnacle"]),
                "user, folder and program")
    check("Cmd" not in config, "there is a Cmd")
    check_equal(sorted(config["ExposedPorts"]), ["53/tcp", "53/udp"], "the ports")
    for key in ("title", "version", "licenses", "created"):
        check(config["Labels"].get("org.opencontainers.image." + key), "no label " + key)


def containerfile_says_the_same(w):
    with open(os.path.join(TREE, "deploy", "Containerfile")) as f:
        last = f.read().split("\nFROM scratch\n")[1].splitlines()
    have = dict(line.split(" ", 1) for line in last)
    config = w.layout.config["config"]
    check_equal((have["USER"], have["WORKDIR"], json.loads(have["ENTRYPOINT"]), have["ENV"].split(),
                 sorted(have["EXPOSE"].split())),
                (config["User"], config["WorkingDir"], config["Entrypoint"], config["Env"],
                 sorted(config["ExposedPorts"])), "what deploy/Containerfile says")


def one_capability(w):
    with w.layout.tar()[1] as tar:
        having = {m.name: m.pax_headers[CAPABILITY_KEY].encode() for m in tar if CAPABILITY_KEY in m.pax_headers}
    check_equal(having, {"binnacle": bytes([1, 0, 0, 2, 0, 4]) + bytes(14)}, "files with capabilities")
    if shutil.which("getcap") and os.geteuid() == 0:
        done = subprocess.run(["getcap", w.root() + "/binnacle"], capture_output=True, text=True)
        check(done.stdout.strip().endswith("/binnacle cap_net_bind_service=ep"), done.stdout + done.stderr)


def nothing_writable(w):
    with w.layout.tar()[1] as tar:
        members = tar.getmembers()
    check_equal([m.name for m in members], sorted(m.name for m in members), "the order")
    for m in members:
        check_equal((m.uid, m.gid, m.mtime), (0, 0, int(EPOCH)), "owner and time of " + m.name)
        check(m.isreg() or m.isdir() or m.issym(), m.name + " is no file, folder or link")
        check(m.issym() or not m.mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID),
              "%s has mode %o" % (m.name, m.mode))


def no_shell(w):
    with w.layout.tar()[1] as tar:
        programs = [m.name for m in tar if m.isreg() and m.mode & 0o111]
    check_equal([p for p in programs if not re.search(r"/ld-linux[^/]*$", p)], ["binnacle"], "programs")


def exactly_its_libraries(w):
    root = w.root()
    with open(w.binary, "rb") as f:
        loader = re.search(rb"/lib[^\0]*/ld-linux[^\0]*", f.read()).group().decode()
    done = subprocess.run(["chroot", root, loader, "--list", "/binnacle"], capture_output=True, text=True, cwd=root)
    check(done.returncode == 0 and "not found" not in done.stdout, done.stdout + done.stderr)
    used = {os.path.realpath(root + word) for line in done.stdout.splitlines() for word in line.split()
            if word.startswith("/")}
    with w.layout.tar()[1] as tar:
        there = {os.path.realpath(os.path.join(root, m.name)) for m in tar
                 if m.isreg() and re.search(r"\.so(\.|$)", m.name)}
    check_equal({os.path.basename(p) for p in there}, {os.path.basename(p) for p in used}, "the libraries")


def packages_are_named(w):
    """For scanners: each library's package, its version, its terms."""
    root = w.root()
    folder = os.path.join(root, "var/lib/dpkg/status.d")
    names = os.listdir(folder)
    check({"libc6", "libcurl4", "ca-certificates", "base-files"} <= set(names), names)
    for name in names:
        with open(os.path.join(folder, name)) as f:
            fields = dict(line.split(": ", 1) for line in f.read().splitlines() if re.match(r"\S+: ", line))
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}\n", name], capture_output=True, text=True)
        check_equal(fields["Version"], done.stdout.split("\n")[0], name)
        check(os.path.getsize(os.path.join(root, "usr/share/doc", name, "copyright")) > 100, name + " has no copyright")
    check(os.path.exists(os.path.join(root, "usr/share/doc/binnacle/copyright")), "our own licence")
    with open(os.path.join(root, "etc/os-release")) as f:
        check("ID=debian" in f.read(), "os-release")


def old_packages_are_told(w):
    """An image gets the libraries of the machine: one that misses fixes says so."""
    with w.layout.tar()[1] as tar:
        names = [os.path.basename(m.name) for m in tar if "/status.d/" in m.name]
    done = subprocess.run(["apt-cache", "policy", *names], capture_output=True, text=True,
                          env=dict(os.environ, LC_ALL="C"))
    versions = re.findall(r"^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)", done.stdout, re.M)
    check_equal(len(versions), len(names), "the packages that apt-cache knows")
    for name, have, newest in versions:
        told = re.search(r"not the newest: %s(:\w+)? %s -> %s;" % tuple(map(re.escape, (name, have, newest))), w.said)
        check_equal(bool(told), have != newest, "told of %s %s, newest %s" % (name, have, newest))


def certificates_are_the_package_s(w):
    path = os.path.join(w.root(), "etc/ssl/certs/ca-certificates.crt")
    done = subprocess.run(["openssl", "storeutl", "-noout", "-certs", path], capture_output=True, text=True)
    total = int(re.search(r"Total found: (\d+)", done.stdout).group(1))
    check_equal(total, len(os.listdir("/usr/share/ca-certificates/mozilla")), "certificates")


def mistakes_are_told(w):
    image_sh("--name", "Binnacle", "--binary", w.binary, "--output", w.path("x"), wrong="is no image name")
    image_sh("--binary", "/nowhere/binnacle", wrong="is no program")
    image_sh("--output", wrong="needs a value")
    image_sh("--frobnicate", wrong="unknown argument")
    os.makedirs(w.path("precious"))
    with open(w.path("precious/thesis"), "w"):
        pass
    image_sh("--binary", w.binary, "--output", w.path("precious"), wrong="is no OCI layout")
    check(os.path.exists(w.path("precious/thesis")), "a file is gone")


# -- started from it -----------------------------------------------------------
def is_confined(c, uid="65532"):
    status = c.status()
    check_equal(status["Uid"].split(), [uid] * 4, "the user")
    check_equal([int(status[k], 16) for k in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")],
                [1 << 10, 1 << 10, 1 << 10, 0, 0], "the capabilities")
    check_equal(status["NoNewPrivs"], "1", "no_new_privs")


def answers(c):
    for transport in ("+notcp", "+tcp"):
        check_equal(c.dig(transport, *QUESTION), ANSWER, transport + ": " + c.log())


def runs_as_deployed(w):
    """deploy/base: no ambient capability, no_new_privs, and yet port 53."""
    with w.container(deployment()) as c:
        c.wait_ready()
        answers(c)
        check_equal(c.http_status(8080, "/health"), 200, "/health")
        is_confined(c)
        if os.path.exists(SECCOMP):
            check_equal(c.status()["Seccomp"], "2", "seccomp")
        with open("/proc/%d/mountinfo" % c.pid()) as f:
            of_root = next(line.split() for line in f if line.split()[4] == "/")
        check("ro" in of_root[5].split(","), "the root can be written to")


def runs_as_kubeadm_deploys(w):
    with w.container(deployment("tests/e2e/kubeadm.yaml")) as c:
        c.wait_ready()
        answers(c)
        is_confined(c)


def runs_by_coredns_s_name(w):
    """A Deployment that names the command."""
    other = copy.deepcopy(deployment())
    other["spec"]["template"]["spec"]["containers"][0]["command"] = ["/coredns"]
    with w.container(other) as c:
        c.wait_ready()
        answers(c)
        is_confined(c)


def any_other_user(w):
    """Some clusters give each namespace its own range of users."""
    other = copy.deepcopy(deployment())
    other["spec"]["template"]["spec"]["securityContext"]["runAsUser"] = 1000650000
    with w.container(other) as c:
        c.wait_ready()
        answers(c)
        is_confined(c, "1000650000")


def without_the_capability_it_is_not_started(w):
    """The kernel refuses a file that carries more than the bounding set allows."""
    other = copy.deepcopy(deployment())
    del other["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
    with w.container(other) as c:
        check(c.ended() != 0, "it ended with 0")
        check("operation not permitted" in c.log(), c.log())


def not_permitted(config):
    """A runtime that puts the capability into the bounding set only."""
    config["process"]["capabilities"].update(effective=[], permitted=[])


def no_new_privs_gives_nothing_new(w):
    """The other half of why it works: runtimes have it in the permitted set before exec."""
    with w.container(deployment(), not_permitted) as c:
        check(c.ended() != 0, "it ended with 0")
        check("no permission for a port below 1024" in c.log(), c.log())


def open_ports_need_no_capability(w):
    """net.ipv4.ip_unprivileged_port_start=0, as containerd 2 and Docker set it."""
    def change(config):
        not_permitted(config)
        config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "0"}

    with w.container(deployment(), change) as c:
        c.wait_ready()
        answers(c)
        check_equal(int(c.status()["CapEff"], 16), 0, "the capabilities")


def ends_within_the_grace_period(w):
    with w.container(deployment()) as c:
        c.wait_ready()
        os.kill(c.pid(), signal.SIGTERM)
        check_equal(c.ended(30), 0, "the status: " + c.log())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("only", nargs="*")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that containers are ended
    os.makedirs(options.work, exist_ok=True)
    cases = Cases(options.only)
    w = World(os.path.abspath(options.work))
    try:
        for case in (same_input_same_digest, elsewhere_the_same_layer, layout_is_valid, others_read_it,
                     configured_as_coredns, containerfile_says_the_same, one_capability, nothing_writable,
                     no_shell, exactly_its_libraries, packages_are_named, old_packages_are_told,
                     certificates_are_the_package_s, mistakes_are_told, runs_as_deployed, runs_as_kubeadm_deploys, runs_by_coredns_s_name,
                     any_other_user, without_the_capability_it_is_not_started, no_new_privs_gives_nothing_new,
                     open_ports_need_no_capability, ends_within_the_grace_period):
            cases.run(case.__name__, case, w)
    finally:
        shutil.rmtree(w.folder, ignore_errors=True)
    cases.finish()


if __name__ == "__main__":
    main()
