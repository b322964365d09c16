# SPDX-License-Identifier: Apache-2.0
"""Certificates for the fake API server, made with the openssl program."""

import os
import subprocess


def _run(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make(folder):
    """ca.crt, other-ca.crt; server.crt for 127.0.0.1, name.crt for api.test only,
    client.crt signed by the CA; keys beside them."""
    for ca in ("ca", "other-ca"):
        _run(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.crt", "-days", "2",
             "-subj", f"/CN=test {ca}", "-addext", "keyUsage=critical,keyCertSign")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
                            ("name", "subjectAltName=DNS:api.test"),
                            ("client", "extendedKeyUsage=clientAuth")):
        _run(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        with open(os.path.join(folder, f"{name}.ext"), "w", encoding="utf-8") as file:
            file.write(extension + "\n")
        _run(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
             "-CAcreateserial", "-out", f"{name}.crt", "-days", "2", "-extfile", f"{name}.ext")
    return folder
