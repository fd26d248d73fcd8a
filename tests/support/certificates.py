# SPDX-License-Identifier: MIT
"""A certificate authority of the tests' own, made with openssl."""

import datetime
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from .process import run

CONFIG = """
[ca]
default_ca = own
[own]
database = {directory}/issued
serial = {directory}/serial
new_certs_dir = {directory}
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = none
[none]
"""

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    path: Path
    key: Path


def openssl(*args):
    result = run(["openssl", *map(str, args)])
    assert result, result


def moment(since_now):
    return (datetime.datetime.utcnow() + since_now).strftime("%y%m%d%H%M%SZ")


class Authority:
    """Issues certificates for hosts: authority.issue("vault", "DNS:localhost")."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir()
        self._config = self.directory / "openssl.cnf"
        self._config.write_text(CONFIG.format(directory=self.directory))
        (self.directory / "issued").touch()
        (self.directory / "serial").write_text("01\n")
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        ca = ("-addext", "basicConstraints=critical,CA:true")
        self._own = self._request("authority", "-x509", *ca, *usage)

    @property
    def path(self):
        """What to trust."""
        return self._own.path

    def issue(self, name, *hosts, since=-DAY, until=30 * DAY):
        """A certificate, valid between two moments that are given from now."""
        request = self._request(name, *names(hosts))
        path = self.directory / f"{name}.issued.pem"
        own = ("-config", self._config, "-cert", self._own.path)
        validity = ("-startdate", moment(since), "-enddate", moment(until))
        files = ("-in", request.path, "-keyfile", self._own.key, "-out", path)
        openssl("ca", "-batch", "-notext", *own, *validity, *files)
        return Certificate(path, request.key)

    def sign_itself(self, name, *hosts):
        """A certificate that nobody vouches for."""
        return self._request(name, "-x509", *names(hosts))

    def _request(self, name, *options):
        """A new key, and what it is put into: a request, or with -x509 a
        certificate."""
        base = self.directory / name
        made = Certificate(base.with_suffix(".pem"), base.with_suffix(".key"))
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        files = ("-keyout", made.key, "-out", made.path, "-subj", f"/CN={name}")
        openssl("req", "-new", "-config", self._config, *curve, *files, *options)
        return made


def names(hosts):
    return ("-addext", f"subjectAltName={','.join(hosts)}")


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="session")
def certificate(authority):
    """A good one, for this machine."""
    return authority.issue("good", "IP:127.0.0.1", "DNS:localhost")


@pytest.fixture(scope="session")
def trusted(authority):
    """The options of who trusts the authority."""
    return ("--cacert", authority.path)
