"""Grafana's data sources: one table, from which come file provisioning, the API push and Terraform's template.

URLs and the tenant header come from the route table. Reads are of every tenant that the estate has had: a renamed
tenant's data stay reachable through a list of tenants in the header (`old|new`), which Mimir, Loki and Tempo answer with
the data of all. Pyroscope takes one tenant a request, so a former tenant has a data source of its own there.

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
            # Rules are the project's (observability/rules), pushed to the ruler.
            "manageAlerts": False,
            "exemplarTraceIdDestinations": [{"name": "trace_id", "datasourceUid": "tempo"}],
        },
    ),
    Source(
        "loki", "Loki", "loki", "logs_query", "/loki/api/v1/query_range",
        json_data={
            "maxLines": 1000,
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
    # Asked with the rights of Grafana's task.
    Source("cloudwatch", "CloudWatch", "cloudwatch"),
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
    found = []
    for source in sources:
        if not source.use:
            found.append(_entry(source, "", {"authType": "default", "defaultRegion": region}, {}))
            continue
        url = endpoint + base_path(table, source)
        reads = SEPARATOR.join(tenants) if source.federated else tenants[-1]
        header = {"httpHeaderName1": table.tenant_header}
        found.append(_entry(source, url, header, {"httpHeaderValue1": reads}))
        if not source.federated:
            found += [former(_entry(source, url, header, {"httpHeaderValue1": one}), one) for one in tenants[:-1]]
    return found


def former(entry: dict[str, Any], tenant: str) -> dict[str, Any]:
    """The data source of a former tenant, for a server that takes one tenant a request."""
    # Grafana's uids have at most 40 of letters, digits, - and _.
    uid = f"{entry['uid']}-{re.sub('[^A-Za-z0-9_-]', '-', tenant) if tenant != _FORMER else tenant}"
    return {**entry, "uid": uid[:40], "name": f"{entry['name']} ({tenant})", "isDefault": False}


def base_path(table: RouteTable, source: Source) -> str:
    """The path before what Grafana adds, by the route table."""
    path = table.path(source.use)
    if not path.endswith(source.api):
        raise SourceError(
            f"data source {source.name}: the route table's {source.use} is {path}, and Grafana asks for …{source.api}"
        )
    return path.removesuffix(source.api)


def _entry(source: Source, url: str, json_data: Mapping[str, Any], secure: Mapping[str, str]) -> dict[str, Any]:
    return {
        "uid": source.uid,
        "name": source.name,
        "type": source.type,
        "access": "proxy",
        "url": url,
        "isDefault": source.uid == SOURCES[0].uid,
        "jsonData": {**source.json_data, **json_data},
        "secureJsonData": dict(secure),
    }


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
_ENDPOINT, _FORMER, _CURRENT, _REGION, _HEADER = "@endpoint@", "@former@", "@current@", "@region@", "@header@"


def template(table: RouteTable) -> str:
    """The provisioning file as Terraform's template: `endpoint`, `tenant_header`, `tenants` (former ones first), `current`
    and `region` are put in by terraform/modules/lgtm."""
    stand_ins = RouteTable(_HEADER, table.backends, table.routes, table.uses)
    lines = provisioning(_all(stand_ins, _ENDPOINT, [_FORMER, _CURRENT], _REGION, SOURCES)).splitlines()
    text = "\n".join(lines[1:]) + "\n"
    # Terraform's own signs are doubled in a text that has them: none may be left but what is put in here.
    text = re.sub(r"\$\$(?=\{)", '${"$$"}', text)
    text = text.replace(
        f"uid: pyroscope-{_FORMER}",
        'uid: ${jsonencode(substr("pyroscope-${replace(former, "/[^A-Za-z0-9_-]/", "-")}", 0, 40))}',
    )
    text = re.sub(r"(?m)^( *(?:- )?\w+: )'?(.*@\w+@.*?)'?$", _interpolated, text)
    # The data source of a former tenant is one of many, or of none.
    before, entry, after = _former_entry(text)
    text = f"{before}%{{ for former in tenants ~}}\n%{{ if former != current ~}}\n{entry}%{{ endif ~}}\n%{{ endfor ~}}\n{after}"
    return (
        "# Made by `python -m groundwork.observability.grafana_sources` from its table; the same table makes the API push.\n"
        f"{text}"
    )


def _interpolated(match: re.Match[str]) -> str:
    values = {
        f"{_FORMER}{SEPARATOR}{_CURRENT}": f'join("{SEPARATOR}", tenants)',
        _ENDPOINT: "endpoint",
        _HEADER: "tenant_header",
        _REGION: "region",
        _FORMER: "former",
        _CURRENT: "current",
    }
    key, value = match.groups()
    if value in values:
        return f"{key}${{jsonencode({values[value]})}}"
    for sign, expression in values.items():
        value = value.replace(sign, f"${{{expression}}}")
    return f'{key}${{jsonencode("{value}")}}'


def _former_entry(text: str) -> tuple[str, str, str]:
    entries = re.split(r"(?m)^(?=- uid: )", text)
    place = next(index for index, entry in enumerate(entries) if "(former" in entry.splitlines()[0])
    return "".join(entries[:place]), entries[place], "".join(entries[place + 1 :])


def main() -> None:
    from . import routes

    table = routes.load("terraform/routes.yml")
    TEMPLATE.write_text(template(table), encoding="utf-8")


if __name__ == "__main__":
    main()
