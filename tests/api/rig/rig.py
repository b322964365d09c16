#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver on a real etcd, on loopback, with TLS and RBAC.

    rig.py up DIR [--owner PID] [--api-flag=...]...   start; prints where things are
    rig.py restart-api|kill-api|start-api|compact DIR
    rig.py down DIR

In a program: `with Rig() as rig:`. What runs belongs to the process that started
it (with `up`, to a keeper that watches --owner, by default the calling shell) and
is killed by the kernel when that process dies, however it dies: nothing strays.
Data live on /dev/shm where there is one. Each process has a NAME.pid file in DIR.

The DNS server's credentials are those of the ServiceAccount kube-system/coredns,
bound to what CoreDNS's ClusterRole grants: a static token, and real bound tokens
by account_token(). Every list and watch of it is in audit.log: see requests().
"""

import datetime
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kube  # noqa: E402
from process import free_port, scratch_folder, spawn, stop, tail  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ADMIN_TOKEN = "admin-token-of-the-rig"
DNS_TOKEN = "dns-token-of-the-rig"
DNS_USER = "system:serviceaccount:kube-system:coredns"
NO_GO = 3  # build.sh: there is no suitable Go

SERVER_EXTENSIONS = """[v3]
subjectAltName=IP:127.0.0.1,IP:::1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc
extendedKeyUsage=serverAuth
[client]
extendedKeyUsage=clientAuth
"""

AUDIT_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ["%s"]
- level: None
""" % DNS_USER


class Skip(Exception):
    """A part cannot be had on this machine; the text says why."""


def build(what):
    """The folder that holds bin/ of "kube" or "coredns"; builds it if need be."""
    done = subprocess.run([os.path.join(HERE, "build.sh"), what], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == NO_GO:
        raise Skip(done.stderr.strip().splitlines()[-1])
    if done.returncode != 0:
        raise RuntimeError("build of %s failed:\n%s" % (what, done.stderr[-3000:]))
    return done.stdout.strip()


class Rig:
    def __init__(self, folder=None, api_flags=(), etcd_data=None):
        """etcd_data: an etcd data folder to start from (it is copied)."""
        self.own_folder = folder is None
        self.dir = folder or scratch_folder("binnacle-rig-")
        os.makedirs(self.dir, exist_ok=True)
        self.api_flags = list(api_flags)
        self.etcd_data = etcd_data
        self.etcd = self.api = None
        self.etcd_port, self.peer_port, self.port = free_port(), free_port(), free_port()

    # -- life ------------------------------------------------------------
    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    def path(self, name):
        return os.path.join(self.dir, name)

    def up(self):
        self.bin = os.path.join(build("kube"), "bin")
        self.make_certificates()
        self.write_files()
        self.start_etcd()
        self.start_api()
        self.grant()

    def down(self):
        stop(self.api)
        stop(self.etcd)
        self.api = self.etcd = None
        if self.own_folder:
            shutil.rmtree(self.dir, ignore_errors=True)

    def stop_gently(self):
        """Both down with everything written, so that etcd's data can be kept."""
        stop(self.api, wait_s=30)
        stop(self.etcd, wait_s=30)
        self.api = self.etcd = None

    # -- files -----------------------------------------------------------
    def openssl(self, *args):
        subprocess.run(("openssl",) + args, cwd=self.dir, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make_authority(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-days", "2", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".crt")

    def make_certificate(self, name, subject, section):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", subject, "-keyout", name + ".key", "-out", name + ".csr")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                     "-CAcreateserial", "-days", "2", "-extfile", "extensions.cnf", "-extensions", section,
                     "-out", name + ".crt")

    def make_certificates(self):
        self.write("extensions.cnf", SERVER_EXTENSIONS)
        self.make_authority("ca")
        self.make_authority("other-ca")
        self.make_certificate("srv", "/CN=kube-apiserver", "v3")
        self.make_certificate("dns", "/CN=" + DNS_USER, "client")
        self.openssl("genrsa", "-out", "sa.key", "2048")
        self.openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")

    def write(self, name, text):
        with open(self.path(name) + ".new", "w") as f:
            f.write(text)
        os.rename(self.path(name) + ".new", self.path(name))

    def write_tokens(self, dns_token=DNS_TOKEN):
        self.write("tokens.csv", '%s,admin,1,"system:masters"\n%s,%s,2,"system:serviceaccounts"\n'
                   % (ADMIN_TOKEN, dns_token, DNS_USER))

    def write_files(self):
        self.write_tokens()
        self.write("audit-policy.yaml", AUDIT_POLICY)
        self.write("dns.token", DNS_TOKEN)
        self.write("admin.kubeconfig", self.kubeconfig("token: " + ADMIN_TOKEN))
        self.write("dns.kubeconfig", self.kubeconfig("tokenFile: " + self.path("dns.token")))
        self.write("dns-cert.kubeconfig", self.kubeconfig(
            "client-certificate: dns.crt\n    client-key: dns.key"))
        os.makedirs(self.path("serviceaccount"), exist_ok=True)
        shutil.copy(self.path("ca.crt"), self.path("serviceaccount/ca.crt"))
        self.write("serviceaccount/token", DNS_TOKEN)
        self.write("serviceaccount/namespace", "kube-system")

    def kubeconfig(self, user, port=None, ca="ca.crt"):
        return ("apiVersion: v1\nkind: Config\ncurrent-context: rig\n"
                "clusters:\n- name: rig\n  cluster:\n    server: https://127.0.0.1:%d\n"
                "    certificate-authority: %s\n"
                "users:\n- name: user\n  user:\n    %s\n"
                "contexts:\n- name: rig\n  context:\n    cluster: rig\n    user: user\n"
                % (port or self.port, self.path(ca), user))

    def in_cluster_environment(self, port=None):
        """With the folder serviceaccount/ in its usual place: as inside a pod."""
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port or self.port)}

    # -- processes -------------------------------------------------------
    def start_etcd(self):
        data = self.path("etcd")
        if self.etcd_data and not os.path.isdir(data):
            shutil.copytree(self.etcd_data, data)
        client = "http://127.0.0.1:%d" % self.etcd_port
        self.etcd = spawn([
            os.path.join(self.bin, "etcd"), "--data-dir=" + data, "--unsafe-no-fsync=true",
            "--listen-client-urls=" + client, "--advertise-client-urls=" + client,
            "--listen-peer-urls=http://127.0.0.1:%d" % self.peer_port,
            "--initial-advertise-peer-urls=http://127.0.0.1:%d" % self.peer_port,
            "--initial-cluster=default=http://127.0.0.1:%d" % self.peer_port,
            "--force-new-cluster=%s" % ("true" if self.etcd_data else "false"),
            "--quota-backend-bytes=4294967296", "--log-level=warn"], self.path("etcd.log"))
        self.write("etcd.pid", "%d\n" % self.etcd.pid)

    def start_api(self, extra_flags=(), wait=True):
        self.api = spawn([
            os.path.join(self.bin, "kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:%d" % self.etcd_port, "--bind-address=127.0.0.1",
            "--secure-port=%d" % self.port, "--tls-cert-file=srv.crt", "--tls-private-key-file=srv.key",
            "--client-ca-file=ca.crt", "--cert-dir=" + self.dir, "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
            "--allow-privileged=true", "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key",
            "--endpoint-reconciler-type=none", "--advertise-address=203.0.113.1",
            "--etcd-compaction-interval=0", "--audit-policy-file=audit-policy.yaml",
            "--audit-log-path=audit.log", "--audit-log-mode=blocking"]
            + self.api_flags + list(extra_flags), self.path("api.log"), cwd=self.dir)
        self.write("api.pid", "%d\n" % self.api.pid)
        if wait:
            self.wait_api()

    def wait_api(self, timeout_s=90):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for name, process in (("etcd", self.etcd), ("api", self.api)):
                if process.poll() is not None:
                    raise RuntimeError("%s ended at its start:\n%s" % (name, tail(self.path(name + ".log"))))
            try:
                client = self.client(timeout_s=5)
                if client.raw("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError("the API server was not ready in %d s:\n%s" % (timeout_s, tail(self.path("api.log"))))

    def kill_api(self):
        stop(self.api, signal.SIGKILL)

    def restart_api(self, extra_flags=()):
        self.kill_api()
        self.start_api(extra_flags)

    # -- what is done to it ----------------------------------------------
    def client(self, token=ADMIN_TOKEN, timeout_s=30):
        return kube.Kube("127.0.0.1", self.port, self.path("ca.crt"), token, timeout_s)

    def kubectl(self, *args, **kwargs):
        done = subprocess.run(("kubectl", "--kubeconfig", self.path("admin.kubeconfig")) + args,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)
        if done.returncode != 0:
            raise RuntimeError("kubectl %s: %s" % (" ".join(args), done.stdout[-500:]))
        return done.stdout

    def grant(self, rules=None):
        client = self.client()
        end = time.monotonic() + 10
        while client.raw("GET", "/api/v1/namespaces/kube-system")[0] == 404 and time.monotonic() < end:
            time.sleep(0.05)
        if client.raw("GET", "/api/v1/namespaces/kube-system/serviceaccounts/coredns")[0] == 404:
            client.create(kube.dns_account())
        client.ensure(kube.dns_role(rules))
        client.ensure(kube.dns_role_binding())

    def account_token(self):
        """A token as the kubelet would get it: bound to the ServiceAccount, ends with it."""
        answer = self.client().call(
            "POST", "/api/v1/namespaces/kube-system/serviceaccounts/coredns/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}})
        return answer["status"]["token"]

    def etcd_call(self, path, body):
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.etcd_port, path),
                                         json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def compact(self):
        """Drop all history of etcd; watches from an older version get 410 afterwards."""
        revision = self.etcd_call("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        self.etcd_call("/v3/kv/compaction", {"revision": revision, "physical": True})
        return int(revision)

    def requests(self, since=""):
        """Lists and watches of the DNS server from audit.log, each once, in order:
        [(resource, "list"|"stream-list"|"watch", HTTP status)]; since: from audit_mark()."""
        seen = {}
        try:
            with open(self.path("audit.log")) as f:
                lines = f.readlines()
        except FileNotFoundError:
            return []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the last line, half written when the API server was killed
            resource = event.get("objectRef", {}).get("resource")
            verb = event["verb"]
            if not resource or verb not in ("list", "watch") or event["requestReceivedTimestamp"] < since:
                continue
            if verb == "watch" and "sendInitialEvents=true" in event["requestURI"]:
                verb = "stream-list"
            seen[event["auditID"]] = (resource, verb, event.get("responseStatus", {}).get("code", 0))
        return list(seen.values())

    @staticmethod
    def audit_mark():
        """Now, as the audit log writes time."""
        return datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# -- the command ---------------------------------------------------------
COMMANDS = ("restart-api", "kill-api", "start-api", "compact", "down")


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def obey(rig, command):
    if command == "restart-api":
        rig.restart_api()
    elif command == "kill-api":
        rig.kill_api()
    elif command == "start-api":
        rig.start_api()
    elif command == "compact":
        return "compacted at %d" % rig.compact()
    elif command == "down":
        rig.down()
    else:
        raise ValueError("no such command")
    return "ok"


def keep(rig, owner, ready_fd):
    """The keeper's loop: commands come on a socket in the rig's folder."""
    control = rig.path("control")
    if os.path.exists(control):
        os.unlink(control)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(control)
        listener.listen(4)
        listener.settimeout(0.5)
        try:
            rig.up()
            os.write(ready_fd, b"ok")
        except Exception as e:  # told to the caller, then the end
            os.write(ready_fd, str(e).encode()[:4000])
            return
        finally:
            os.close(ready_fd)
        while alive(owner):
            try:
                connection = listener.accept()[0]
            except socket.timeout:
                continue
            with connection:
                command = connection.recv(100).decode()
                try:
                    answer = obey(rig, command)
                except Exception as e:
                    answer = "failed: %s" % e
                connection.sendall(answer.encode())
            if command == "down":
                return


def command_up(folder, owner, api_flags):
    read_fd, write_fd = os.pipe()
    folder = os.path.abspath(folder)
    if os.fork() == 0:
        os.setsid()
        os.close(read_fd)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        rig = Rig(folder, api_flags)
        try:
            keep(rig, owner, write_fd)
        finally:
            rig.down()
            os._exit(0)
    os.close(write_fd)
    said = b""
    while True:
        part = os.read(read_fd, 4096)
        if not part:
            break
        said += part
    if said != b"ok":
        sys.exit("rig.py: " + (said.decode() or "the keeper ended"))
    print("KUBECONFIG=%s/admin.kubeconfig\nDNS_KUBECONFIG=%s/dns.kubeconfig" % (folder, folder))


def main(argv):
    if len(argv) >= 2 and argv[0] == "up":
        owner, api_flags = os.getppid(), []
        rest = argv[2:]
        while rest:
            word = rest.pop(0)
            if word == "--owner" and rest:
                owner = int(rest.pop(0))
            elif word.startswith("--api-flag="):
                api_flags.append(word[len("--api-flag="):])
            else:
                sys.exit("rig.py: unknown argument " + word)
        command_up(argv[1], owner, api_flags)
    elif len(argv) == 2 and argv[0] in COMMANDS:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            try:
                s.connect(os.path.join(argv[1], "control"))
            except OSError:
                sys.exit("rig.py: nothing runs in " + argv[1])
            s.sendall(argv[0].encode())
            answer = s.recv(4000).decode()
        print(answer)
        sys.exit(0 if answer.startswith(("ok", "compacted")) else 1)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
