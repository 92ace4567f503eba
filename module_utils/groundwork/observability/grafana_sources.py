"""Grafana's data sources: one table, from which come file provisioning, the API push and Terraform's template.

URLs and the tenant header come from the route table. Reads are of every tenant that the estate has had: a renamed
tenant's data stay reachable through a list of tenants in the header (`new|old`, the order that the load balancer lets in),
which Mimir, Loki and Tempo answer with the data of all. Pyroscope takes one tenant a request, and rules belong to one:
after a change each tenant has data sources of its own beside these, linked among themselves.

`python -m groundwork.observability.grafana_sources` writes terraform/modules/lgtm/configs/datasources.yaml.tftpl.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .routes import RouteTable

#: How tenants are listed in one header: Mimir's tenant federation, Loki's and Tempo's multi-tenant queries.
SEPARATOR = "|"
_TENANT = re.compile(r"[A-Za-z0-9!\-_.'()]{1,128}")
TEMPLATE = Path("terraform/modules/lgtm/configs/datasources.yaml.tftpl")


class SourceError(ValueError):
    """Data sources cannot be made of what was given."""


@dataclass(frozen=True)
class Source:
    """One data source. `use` is the route table's, `api` the part of its path that Grafana adds to the URL itself."""

    uid: str
    name: str
    type: str
    use: str = ""
    api: str = ""
    #: Whether its server answers for a list of tenants.
    federated: bool = True
    #: Whether each tenant has one of its own when there are several.
    own: bool = True
    json_data: Mapping[str, Any] = field(default_factory=dict)


#: Labels of a span, and what they are called in the logs, metrics and profiles of the same program.
_SPAN_TAGS = [{"key": "service.name", "value": "service"}, {"key": "host.name", "value": "host"}]
_CPU_PROFILE = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

SOURCES: tuple[Source, ...] = (
    Source(
        "mimir", "Mimir", "prometheus", "metrics_query", "/api/v1/query",
        json_data={
            "httpMethod": "POST",
            "prometheusType": "Mimir",
            # What Alloy scrapes by: the shortest window that rate() gets in a panel is four of these.
            "timeInterval": "15s",
            "alertmanagerUid": "alertmanager",
            "exemplarTraceIdDestinations": [{"name": "trace_id", "datasourceUid": "tempo"}],
        },
    ),
    Source(
        "loki", "Loki", "loki", "logs_query", "/loki/api/v1/query_range",
        json_data={
            "maxLines": 1000,
            # The state of its rules is at a path that Mimir's has too.
            "manageAlerts": False,
            "derivedFields": [
                # By the label that Alloy makes, and by the text where a program writes it into its line.
                {
                    "name": "trace_id",
                    "matcherType": "label",
                    "matcherRegex": "trace_id",
                    "url": "${__value.raw}",
                    "datasourceUid": "tempo",
                    "urlDisplayLabel": "Trace",
                },
                {
                    "name": "trace",
                    "matcherType": "regex",
                    "matcherRegex": r"[tT]race_?[iI][dD][\"']?\s*[=:]\s*[\"']?([0-9a-f]{32})",
                    "url": "${__value.raw}",
                    "datasourceUid": "tempo",
                    "urlDisplayLabel": "Trace",
                },
            ],
        },
    ),
    Source(
        "tempo", "Tempo", "tempo", "traces_query", "/api/search",
        json_data={
            # The load balancer speaks HTTP/1.1, over which Tempo cannot stream.
            "streamingEnabled": {"search": False, "metrics": False},
            "nodeGraph": {"enabled": True},
            "serviceMap": {"datasourceUid": "mimir"},
            "tracesToLogsV2": {
                "datasourceUid": "loki",
                "tags": _SPAN_TAGS,
                "filterByTraceID": True,
                "filterBySpanID": False,
                "spanStartTimeShift": "-5m",
                "spanEndTimeShift": "5m",
            },
            "tracesToMetrics": {
                "datasourceUid": "mimir",
                "tags": _SPAN_TAGS,
                "spanStartTimeShift": "-15m",
                "spanEndTimeShift": "15m",
                "queries": [
                    {
                        "name": "Processors of its hosts",
                        "query": 'sum by (host) (rate(node_cpu_seconds_total{$__tags, mode!="idle"}[5m]))',
                    },
                ],
            },
            "tracesToProfiles": {
                "datasourceUid": "pyroscope",
                "tags": [{"key": "service.name", "value": "service_name"}],
                "profileTypeId": _CPU_PROFILE,
                "customQuery": False,
            },
        },
    ),
    Source(
        "pyroscope", "Pyroscope", "grafana-pyroscope-datasource", "profiles_query",
        "/querier.v1.QuerierService/SelectMergeStacktraces", federated=False,
    ),
    Source(
        "alertmanager", "Alertmanager", "alertmanager", "alerts", "/alertmanager/api/v2/alerts", federated=False, own=False,
        json_data={"implementation": "mimir", "handleGrafanaManagedAlerts": False},
    ),
    # Asked with the rights of Grafana's task.
    Source("cloudwatch", "CloudWatch", "cloudwatch", own=False),
)  # fmt: skip


def data_sources(
    table: RouteTable, endpoint: str, tenants: Sequence[str], region: str, sources: Sequence[Source] = SOURCES
) -> list[dict[str, Any]]:
    """All data sources as Grafana's API takes them. `tenants`: former ones, oldest first, and the current one last."""
    if not tenants:
        raise SourceError("no tenant: a data source without one is refused by the load balancer")
    for tenant in tenants:
        if not _TENANT.fullmatch(tenant):
            raise SourceError(f"{tenant!r} is no tenant id: 1 to 128 of letters, digits and !_.'()-")
    if len(set(tenants)) != len(tenants):
        raise SourceError(f"a tenant is named twice: {', '.join(tenants)}")
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d+)?", endpoint):
        raise SourceError(f"{endpoint!r}: the endpoint is http:// and a host name, without a path")
    return _all(table, endpoint, tenants, region, sources)


def _all(
    table: RouteTable, endpoint: str, tenants: Sequence[str], region: str, sources: Sequence[Source]
) -> list[dict[str, Any]]:
    current = tenants[-1]
    every = SEPARATOR.join(reversed(tenants))
    found = []
    for source in sources:
        reads = every if source.federated else current
        found.append(_entry(table, endpoint, source, region, reads, alerts=reads == current))
    if len(tenants) > 1:
        for tenant in tenants:
            found += _own(table, endpoint, tenant, sources, alerts=tenant == current)
    return found


def _own(
    table: RouteTable, endpoint: str, tenant: str, sources: Sequence[Source], *, alerts: bool | str
) -> list[dict[str, Any]]:
    """The data sources of one tenant of several."""
    return [_entry(table, endpoint, source, "", tenant, alerts=alerts, own=tenant) for source in sources if source.own]


def own_uid(uid: str, tenant: str) -> str:
    """Uid of a tenant's own data source: Grafana's have at most 40 of letters, digits, - and _."""
    return f"{uid}-{_SLUG if tenant == _ONE else re.sub('[^A-Za-z0-9_-]', '-', tenant)}"[:40]


def base_path(table: RouteTable, source: Source) -> str:
    """The path before what Grafana adds, by the route table."""
    path = table.path(source.use)
    if not path.endswith(source.api):
        raise SourceError(
            f"data source {source.name}: the route table's {source.use} is {path}, and Grafana asks for …{source.api}"
        )
    return path.removesuffix(source.api)


def _entry(
    table: RouteTable,
    endpoint: str,
    source: Source,
    region: str,
    tenant: str,
    *,
    alerts: bool | str,
    own: str = "",
) -> dict[str, Any]:
    data: dict[str, Any] = dict(source.json_data)
    if source.type == "prometheus":
        # Rules belong to one tenant: their list and state cannot be asked for several.
        data["manageAlerts"] = alerts
    if own:
        data = _linked(data, own)
    if source.use:
        data["httpHeaderName1"] = table.tenant_header
    else:
        data |= {"authType": "default", "defaultRegion": region}
    return {
        "uid": own_uid(source.uid, own) if own else source.uid,
        "name": f"{source.name} ({own})" if own else source.name,
        "type": source.type,
        "access": "proxy",
        "url": endpoint + base_path(table, source) if source.use else "",
        "isDefault": source.uid == SOURCES[0].uid and not own,
        "jsonData": data,
        "secureJsonData": {"httpHeaderValue1": tenant} if source.use else {},
    }


def _linked(value: Any, tenant: str) -> Any:
    """Settings whose links lead to the same tenant's data sources."""
    if isinstance(value, Mapping):
        return {
            key: own_uid(one, tenant) if key == "datasourceUid" else _linked(one, tenant) for key, one in value.items()
        }
    return [_linked(one, tenant) for one in value] if isinstance(value, list) else value


def provisioning(entries: Sequence[Mapping[str, Any]]) -> str:
    """The data sources as a file of Grafana's provisioning folder. What is not in it any more is deleted."""
    import yaml

    # Grafana replaces $NAME in these files by the environment's; `$$` is a dollar.
    data = _escaped({"apiVersion": 1, "prune": True, "datasources": [{**one, "editable": False} for one in entries]})
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)
    return f"# Written by Groundwork; changes here are overwritten.\n{text}"


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _escaped(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(one) for one in value]
    return value


# Words that stand for Terraform's values until the text is a template.
_ENDPOINT, _HEADER, _REGION, _EVERY, _CURRENT = "@endpoint@", "@header@", "@region@", "@every@", "@current@"
_ONE, _SLUG, _ALONE, _IS_CURRENT = "@one@", "@slug@", "@alone@", "@is_current@"
_VALUES = {
    _ENDPOINT: "endpoint",
    _HEADER: "tenant_header",
    _REGION: "region",
    _EVERY: f'join("{SEPARATOR}", reverse(tenants))',
    _CURRENT: "current",
    _ONE: "one",
    _SLUG: 'replace(one, "/[^A-Za-z0-9_-]/", "-")',
    _ALONE: "length(tenants) == 1",
    _IS_CURRENT: "one == current",
}


def template(table: RouteTable) -> str:
    """The provisioning file as Terraform's template: `endpoint`, `tenant_header`, `tenants` (former ones first), `current`
    and `region` are put in by terraform/modules/lgtm."""
    signs = RouteTable(_HEADER, table.backends, table.routes, table.uses)
    main = [
        _entry(signs, _ENDPOINT, source, _REGION, _EVERY if source.federated else _CURRENT, alerts=_ALONE)
        for source in SOURCES
    ]
    own = _own(signs, _ENDPOINT, _ONE, SOURCES, alerts=_IS_CURRENT)
    head, entries = _as_template(provisioning(main)).split("datasources:\n", 1)
    _, more = _as_template(provisioning(own)).split("datasources:\n", 1)
    return (
        "# Made by `python -m groundwork.observability.grafana_sources` from its table; the same table makes the API push.\n"
        f"{head.partition(chr(10))[2]}datasources:\n{entries}"
        f"%{{ for one in length(tenants) == 1 ? [] : tenants ~}}\n{more}%{{ endfor ~}}\n"
    )


def _as_template(text: str) -> str:
    # Terraform puts in what begins with a dollar and a brace: where the text itself has that, the dollars are put in.
    text = re.sub(r"\$\$(?=\{)", '${"$$"}', text)
    return re.sub(r"(?m)^( *(?:- )?\w+: )'?(.*@\w+@.*?)'?$", _interpolated, text)


def _interpolated(match: re.Match[str]) -> str:
    key, value = match.groups()
    if value in _VALUES:
        return f"{key}${{jsonencode({_VALUES[value]})}}"
    cut = _SLUG in value
    for sign, expression in _VALUES.items():
        value = value.replace(sign, f"${{{expression}}}")
    text = f'"{value}"'
    return f"{key}${{jsonencode({f'substr({text}, 0, 40)' if cut else text})}}"


def main() -> None:
    from . import routes

    table = routes.load("terraform/routes.yml")
    TEMPLATE.write_text(template(table), encoding="utf-8")


if __name__ == "__main__":
    main()
