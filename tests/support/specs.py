# SPDX-License-Identifier: MIT
"""Documents as users write them."""

import json


def bearer(host="mcp.github.com", token="ghp_example", path="/sse", **more):
    """The nested form."""
    url = f"https://{host}{path}"
    auth = {"type": "static_bearer", "mcp_server_url": url, "token": token}
    return {"auth": auth, **more}


def flat(host="mcp.github.com", token="ghp_example", path="/sse", **more):
    """The form of the first API."""
    return {
        "mcp_server_url": f"https://{host}{path}",
        "protocol": "sse",
        "type": "static_bearer",
        "access_token": token,
        **more,
    }


def oauth(host="mcp.linear.app", token="at_example", refresh_token="rt_example"):
    return {
        "auth": {
            "type": "mcp_oauth",
            "mcp_server_url": f"https://{host}/mcp",
            "access_token": token,
            "expires_at": "2099-01-01T00:00:00Z",
            "refresh": {
                "client_id": "vaultfs-test",
                "refresh_token": refresh_token,
                "token_endpoint": f"https://{host}/oauth/token",
                "token_endpoint_auth": {
                    "type": "client_secret_post",
                    "client_secret": "cs_example",
                },
                "scope": "read write",
            },
        }
    }


def variable(name="SLACK_TOKEN", value="xoxb_example"):
    auth = {"type": "environment_variable", "secret_name": name, "secret_value": value}
    return {"auth": auth}


def text(spec):
    """A document as bytes, with the newline that every tool adds."""
    return json.dumps(spec).encode() + b"\n"


def write(path, spec):
    """In one write(2), which is what reports."""
    path.write_bytes(text(spec))


def shown(thing):
    """How an object of the service reads as a file."""
    return json.dumps(thing, indent=2, ensure_ascii=False) + "\n"


def when(time):
    """A time of the service, to be compared: as text, 0.42 s comes after
    0.426 s, because zeros at the end are left out and Z is above all digits."""
    return time.removesuffix("Z")
