"""Arguments that every database module has: how to reach the server, and whom it is reached as."""

from __future__ import annotations

from typing import Any

ENGINE: dict[str, Any] = {"engine": {"type": "str", "choices": ["mysql", "postgresql"], "default": "mysql"}}

#: A server whose certificate and name are verified.
SERVER: dict[str, Any] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int"},
    "ca_file": {"type": "str"},
    "ca_pem": {"type": "str"},
    "connect_timeout": {"type": "int", "default": 10},
}

ADMINISTRATOR: dict[str, Any] = {
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
}

LOCK: dict[str, Any] = {"lock_timeout": {"type": "int", "default": 60}}

#: Names and limits of a service's login; what is not given follows from the service's name.
LOGIN: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "database": {"type": "str"},
    "user": {"type": "str"},
    "charset": {"type": "str"},
    "collation": {"type": "str"},
    "max_user_connections": {"type": "int", "default": 0},
    "grants": {"type": "list", "elements": "str"},
}

#: For AnsibleModule: exactly one of the two ways to name the CA.
TRUST: dict[str, Any] = {"mutually_exclusive": [("ca_file", "ca_pem")], "required_one_of": [("ca_file", "ca_pem")]}
