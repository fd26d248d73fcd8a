# SPDX-License-Identifier: MIT
"""The official SDK of the sister API: how it is installed and called."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.paths import environment

PACKAGE = "@anthropic-ai/sdk"
SCRIPT = Path(__file__).with_name("sdk.cjs")

# npm's words for a registry that cannot be reached, a proxy that forbids it and
# one that cannot be verified among them. Anything else that keeps it from
# installing is a failure.
UNREACHABLE = {"EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT",
               "ENETUNREACH", "EHOSTUNREACH", "ERR_SOCKET_TIMEOUT", "EIDLETIMEOUT",
               "ENOTCACHED", "E403", "E407", "E502", "E503", "E504",
               "SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT",
               "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
               "UNABLE_TO_GET_ISSUER_CERT", "CERT_HAS_EXPIRED", "CERT_UNTRUSTED"}
# What the machine trusts, which node does not look at by itself.
TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")


class SdkError(Exception):
    def __init__(self, said):
        super().__init__(said["message"])
        self.said = said

    @property
    def summary(self):
        return self.said["name"], self.said["status"], self.said["type"]


class Sdk:
    """One client of the SDK: sdk("vaults.retrieve", id)."""

    def __init__(self, modules, home, **env):
        self.process = subprocess.Popen(
            ["node", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=environment(home, NODE_PATH=str(modules), **env))

    def __call__(self, call, *args, all=False):
        request = {"call": call, "args": args, "all": all}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer.get("value")

    def all(self, call, *args):
        return self(call, *args, all=True)

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def install(major, directory):
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    try:
        done = subprocess.run(
            ["npm", "install", "--prefix", directory, "--no-audit", "--no-fund",
             "--ignore-scripts", "--loglevel=error", f"{PACKAGE}@{major}"],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            env={"NODE_EXTRA_CA_CERTS": str(TRUSTED)} | os.environ)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not get an answer from its registry in two minutes")
    code = re.search(r"code (\w+)", done.stderr)
    if done.returncode != 0 and code and code[1] in UNREACHABLE:
        pytest.skip(f"npm cannot reach its registry: {code[1]}")
    assert done.returncode == 0, done.stderr
    modules = directory / "node_modules"
    about = json.loads((modules / PACKAGE / "package.json").read_text())
    assert about["version"].startswith(f"{major}.")
    return modules


URL = "https://mcp.example.com/sse"


def bearer(url=URL, **more):
    return {"auth": {"type": "static_bearer", "mcp_server_url": url,
                     "token": "example"}, **more}


def oauth(url=URL):
    return {"auth": {
        "type": "mcp_oauth", "mcp_server_url": url, "access_token": "example",
        "expires_at": "2099-01-01T00:00:00Z", "refresh": {
            "client_id": "c", "refresh_token": "example",
            "token_endpoint": "https://id.example.com/token",
            "token_endpoint_auth": {"type": "client_secret_post",
                                    "client_secret": "example"}}}}


def variable(name="API_KEY"):
    return {"auth": {"type": "environment_variable", "secret_name": name,
                     "secret_value": "example",
                     "networking": {"type": "limited",
                                    "allowed_hosts": ["api.example.com"]}}}
