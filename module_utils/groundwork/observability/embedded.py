"""Configuration of the embedded observability stack: the proxy that stands for the load balancer, and Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .routes import Route, RouteTable, federation

# Prometheus serves everything below this path, as Mimir does.
PREFIX = "/prometheus"
#: Why a request is refused, by the state of its tenant header.
_REFUSED = {"missing": "missing tenant", "unknown": "unknown tenant", "several": "several tenants are for reading"}
_TENANT = re.compile(r"[A-Za-z0-9!\-_.*'()]{1,150}")


class EmbeddedError(ValueError):
    """The embedded stack cannot be configured as asked."""


@dataclass(frozen=True)
class Upstream:
    """What answers for a backend in the embedded estate. `rewrite`: full path → path that this program serves it at."""

    address: str
    rewrite: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """A metrics endpoint that Prometheus asks itself."""

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)


def upstreams_from(data: Mapping[str, Any]) -> dict[str, Upstream]:
    found: dict[str, Upstream] = {}
    for name, value in data.items():
        address = str(value["address"])
        if not re.fullmatch(r"[A-Za-z0-9_.-]+:\d{1,5}", address):
            raise EmbeddedError(f"upstream {name}: address {address!r} is not host:port")
        found[str(name)] = Upstream(address, {str(k): str(v) for k, v in (value.get("rewrite") or {}).items()})
    return found


def jobs_from(data: Mapping[str, Any]) -> dict[str, list[Target]]:
    jobs: dict[str, list[Target]] = {}
    for name, targets in data.items():
        jobs[str(name)] = [
            Target(str(one["address"]), {str(k): str(v) for k, v in (one.get("labels") or {}).items()})
            for one in targets
        ]
    return jobs


def render_nginx(
    table: RouteTable, upstreams: Mapping[str, Upstream], tenants: Sequence[str], resolver: str, port: int = 80
) -> str:
    """nginx.conf that routes as the load balancer does: rules in order of priority, exact case, no path clean-up.

    `tenants` are let through, oldest first; where a route is federated, all of them in one header too.

    `resolver` is asked for upstream names at request time, so that the proxy starts, and stays up, without them.
    A backend without upstream answers 503 with a line that says so: this estate has no such program.
    """
    unknown = [name for name in upstreams if name not in table.backends]
    if unknown:
        raise EmbeddedError(f"upstreams of no backend: {', '.join(unknown)}; backends are: {', '.join(table.backends)}")
    if not tenants:
        raise EmbeddedError("no tenant: every request would be refused")
    for tenant in tenants:
        if not _TENANT.fullmatch(tenant):
            raise EmbeddedError(f"{tenant!r} is no tenant id: 1 to 150 of letters, digits and !-_.*'()")
    variable = "$http_" + table.tenant_header.lower().replace("-", "_")
    # As patterns, since nginx compares a map's plain keys without regard to case.
    states = dict.fromkeys(tenants, "known")
    if len(tenants) > 1:
        states[federation(tenants)] = "several"
    known = "\n".join(f"        {json.dumps(f'~^{re.escape(one)}$')} {state};" for one, state in states.items())
    several = len(tenants) > 1
    locations = "\n".join(
        _location(table, route, upstreams.get(route.backend), variable, several) for route in table.routes
    )
    return f"""\
# Written by Groundwork from the route table; changes here are overwritten.
worker_processes 1;
pid /run/nginx.pid;
error_log stderr warn;
events {{
    worker_connections 512;
}}
http {{
    access_log off;
    server_tokens off;
    default_type text/plain;
    # A remote-write or log batch is a few MiB; the load balancer itself has no limit.
    client_max_body_size 64m;
    resolver {resolver} valid=10s;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_connect_timeout 2s;
    map {variable} $tenant {{
        default unknown;
        "" missing;
{known}
    }}
    server {{
        listen {port} default_server;
        # The load balancer matches the path as it was sent.
        merge_slashes off;
        # The proxy itself, for health checks; no rule of the table may start with this.
        location = /-/proxy-healthy {{
            return 200 "routing {len(table.routes)} rules\\n";
        }}
        # Control paths of Prometheus are not a part of what it stands for.
        location ^~ {PREFIX}/-/ {{
            return 404 "not served here\\n";
        }}
{locations}
    }}
}}
"""


def _location(table: RouteTable, route: Route, upstream: Upstream | None, variable: str, several: bool) -> str:
    pattern = "|".join(_nginx_regex(one) for one in route.paths)
    lines = [f"        # {route.priority} {route.name}", f"        location ~ {json.dumps(f'^(?:{pattern})$')} {{"]
    if route.tenant:
        for state, words in _REFUSED.items():
            if state == "several" and (route.federated or not several):
                continue
            text = f"{table.tenant_header}: {words}"
            lines.append(f"            if ($tenant = {state}) {{")
            lines.append(f'                return 401 "{text}\\n";')
            lines.append("            }")
    if upstream is None:
        lines.append(f'            return 503 "this estate has no {route.backend}\\n";')
    else:
        lines.append(f"            set $upstream {upstream.address};")
        lines += [
            f"            rewrite {json.dumps(f'^{re.escape(path)}$')} {to} break;"
            for path, to in sorted(upstream.rewrite.items())
            if route.matches(path)
        ]
        if route.tenant:
            # One header, the one that was judged, even when the client sent several.
            lines.append(f"            proxy_set_header {table.tenant_header} {variable};")
        rewritten = any(route.matches(path) for path in upstream.rewrite)
        # Without a rewrite the request line is passed on untouched, encoding and all.
        suffix = "$uri$is_args$args" if rewritten else "$request_uri"
        lines.append(f"            proxy_pass http://$upstream{suffix};")
    return "\n".join([*lines, "        }"])


def _nginx_regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)


def render_prometheus(
    jobs: Mapping[str, Sequence[Target]], interval: str = "15s", out_of_order: str = "30m", environment: str = "local"
) -> str:
    """prometheus.yml: one static job each, the labels and (role alloy) the interval that Alloy has in production.

    A broker's exporter takes seconds to answer where everything shares two processors: asked more often it never did.
    """
    import yaml

    scrapes: list[dict[str, Any]] = [
        {
            "job_name": "prometheus",
            "metrics_path": f"{PREFIX}/metrics",
            "static_configs": [{"targets": ["127.0.0.1:9090"], "labels": {"env": environment}}],
        }
    ]
    for name, targets in sorted(jobs.items()):
        if name == "prometheus":
            raise EmbeddedError("job prometheus is Prometheus itself; choose another name")
        addresses = [target.address for target in targets]
        twice = sorted({one for one in addresses if addresses.count(one) > 1})
        if twice:
            raise EmbeddedError(f"job {name} has the same target twice: {', '.join(twice)}")
        scrapes.append(
            {
                "job_name": name,
                "static_configs": [
                    {"targets": [target.address], "labels": dict(sorted(target.labels.items()))}
                    for target in sorted(targets, key=lambda one: one.address)
                ],
            }
        )
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        # What an agent sends after an outage is older than what was stored meanwhile.
        "storage": {"tsdb": {"out_of_order_time_window": out_of_order}},
        "scrape_configs": scrapes,
    }
    header = "# Written by Groundwork from the inventory; changes here are overwritten.\n"
    return header + yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
