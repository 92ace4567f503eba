"""The observability stack as planned: its rules are the route table's, its servers get configurations that fit it."""

from __future__ import annotations

import base64
import configparser
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CACHE, PROJECT, TERRAFORM
from groundwork.observability import serverconfig
from groundwork.observability.routes import RouteTable, federation, load, pattern_regex
from test_static import terraform

ENVIRONMENTS = ("local", "dev", "staging", "prod", "dr")
TABLE = load(TERRAFORM / "routes.yml")
FORMER = "before"
REFUSED = "401"

# The two modules as the component calls them, without what needs an account: parameters and generated secrets.
ROOT = """
variable "environment" {}
variable "aws" { default = {} }
variable "settings" {}
variable "former" {
  type    = list(string)
  default = []
}

provider "aws" {
  region                      = "ap-northeast-2"
  access_key                  = "testing"
  secret_key                  = "testing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

locals {
  table     = yamldecode(file("../routes.yml"))
  namespace = { id = "ns-1", domain = "${var.environment}.internal" }
  arn       = "arn:aws:%s:ap-northeast-2:111122223333:%s"
}

module "alb" {
  source             = "../modules/lgtm-alb"
  name               = "${var.environment}-lgtm"
  account_id         = "111122223333"
  region             = "ap-northeast-2"
  vpc_id             = "vpc-1"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  namespace          = local.namespace
  table              = local.table
  tenants            = concat(var.former, [var.settings.tenant_id])
}

module "servers" {
  source            = "../modules/lgtm"
  environment       = var.environment
  region            = "ap-northeast-2"
  account_id        = "111122223333"
  cluster_arn       = format(local.arn, "ecs", "cluster/test")
  subnet_ids        = ["subnet-1", "subnet-2"]
  security_group_id = "sg-1"
  namespace         = local.namespace
  endpoint          = module.alb.endpoint
  tenant_header     = local.table.tenant_header
  ports             = { for name, backend in local.table.backends : name => backend.port }
  health            = { for name, backend in local.table.backends : name => { port = try(backend.health_port, backend.port), path = backend.health_path } }
  limits            = var.settings.lgtm.limits
  alerts = {
    topic_arn   = "arn:aws:sns:ap-northeast-2:111122223333:${var.environment}-monitoring-alerts"
    kms_key_arn = format(local.arn, "kms", "key/alerts")
  }
  target_group_arns = module.alb.target_group_arns
  tenant_id         = var.settings.tenant_id
  former_tenant_ids = var.former
  servers           = var.settings.lgtm.servers
  retention_days    = var.settings.lgtm.retention_days
  images = {
    for name in ["mimir", "loki", "tempo", "pyroscope", "grafana", "configure"] : name => "registry.example/${name}:1.0.0"
  }
  kms_key_arns       = { for use in ["data", "logs", "secrets"] : use => format(local.arn, "kms", "key/${use}") }
  secret_arns        = { for use in ["admin_password", "secret_key"] : use => format(local.arn, "secretsmanager", "secret:${use}") }
  log_retention_days = var.settings.log_retention_days
}
"""


class Planned:
    """Resources of a plan: values by type and name."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.resources: dict[str, list[dict[str, Any]]] = {}
        self._take(plan["planned_values"]["root_module"])

    def _take(self, module: dict[str, Any]) -> None:
        for resource in module.get("resources", ()):
            key = f"{resource['type']}.{resource['name']}"
            self.resources.setdefault(key, []).append({"index": resource.get("index"), **resource.get("values", {})})
        for child in module.get("child_modules", ()):
            self._take(child)

    def rules(self) -> list[dict[str, Any]]:
        """Rules of the listener in order, each with what it asks for and what it does."""
        found = []
        for kind in ("forward", "refuse"):
            for rule in self.resources[f"aws_lb_listener_rule.{kind}"]:
                conditions = {kind: value[0] for one in rule["condition"] for kind, value in one.items() if value}
                route = rule["index"].partition(":")[0]
                found.append(
                    {
                        "priority": rule["priority"],
                        "paths": conditions["path_pattern"]["values"],
                        "header": conditions.get("http_header"),
                        "to": REFUSED if kind == "refuse" else route,
                    }
                )
                if kind == "refuse":
                    assert rule["action"][0]["fixed_response"][0]["status_code"] == REFUSED
        return sorted(found, key=lambda rule: int(rule["priority"]))

    def configurations(self) -> dict[str, dict[str, str]]:
        """Files by server, as the first container of its task writes them."""
        found: dict[str, dict[str, str]] = {}
        for definition in self.resources["aws_ecs_task_definition.this"]:
            setup = json.loads(definition["container_definitions"])[0]
            texts = [base64.b64decode(one["value"]).decode() for one in setup["environment"]]
            lines = [line for line in setup["command"][2].splitlines() if line.startswith("printf")]
            paths = [line.partition("> '/etc/lgtm/")[2].rstrip("'") for line in lines]
            found[definition["index"]] = dict(zip(paths, texts, strict=True))
        return found


@pytest.fixture(scope="module")
def plan_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    # Beside copies of the modules: a module's own modules must be within the tree of the configuration that calls it.
    copy = tmp_path_factory.mktemp("lgtm")
    shutil.copytree(TERRAFORM / "modules", copy / "modules")
    shutil.copy(TERRAFORM / "routes.yml", copy)
    folder = copy / "plan"
    folder.mkdir()
    data = tmp_path_factory.mktemp("data")
    (folder / "main.tf").write_text(ROOT)
    init = terraform(folder, data, "init", "-no-color")
    assert init.returncode == 0, init.stdout + init.stderr
    made: dict[str, Planned] = {}

    def plan(env: str, former: Iterable[str] = ()) -> Planned:
        key = f"{env}{former}"
        if key not in made:
            answer = terraform(
                folder,
                data,
                "plan",
                "-refresh=false",
                "-no-color",
                "-input=false",
                f"-var-file={TERRAFORM / 'environments' / env / 'common.tfvars'}",
                f"-var=former={json.dumps(list(former))}",
                f"-out={data / 'plan.bin'}",
            )
            assert answer.returncode == 0, answer.stdout + answer.stderr
            shown = terraform(folder, data, "show", "-json", str(data / "plan.bin"))
            made[key] = Planned(json.loads(shown.stdout))
        return made[key]

    return plan


def takes(rules: list[dict[str, Any]], path: str, tenant: str | None) -> str:
    """Which route the load balancer would send a request to, or that it refuses it."""
    for rule in rules:
        header = rule["header"]
        if header and (tenant is None or tenant.lower() not in [value.lower() for value in header["values"]]):
            continue
        if any(pattern_regex(pattern).fullmatch(path) for pattern in rule["paths"]):
            return str(rule["to"])
    return "404"


def samples(table: RouteTable) -> list[str]:
    """Paths that are used, and at least one for each pattern."""
    made = [
        pattern.replace("*", tail).replace("?", "x")
        for r in table.routes
        for pattern in r.paths
        for tail in ("", "x/y")
    ]
    return sorted({*made, *(use.path for use in table.uses), "/", "/prometheus", "/Loki/x"})


@pytest.mark.parametrize("former", [(), (FORMER,)], ids=["one tenant", "after a change"])
def test_rules_are_the_route_tables(plan_of: Any, former: tuple[str, ...]) -> None:
    rules = plan_of("dev", former).rules()
    for path in samples(TABLE):
        route = TABLE.resolve(path)
        assert route is not None
        for tenant in ("dev", *former):
            assert takes(rules, path, tenant) == route.name, path
        for tenant in (None, "someone", "", "dev|someone", "before|dev"):
            assert takes(rules, path, tenant) == (REFUSED if route.tenant else route.name), (path, tenant)
        several = federation([*former, "dev"])
        assert several == ("dev|before" if former else "")
        if several and route.tenant:
            # Several tenants at once are for reading.
            assert takes(rules, path, several) == (route.name if route.federated else REFUSED), path


def test_rules_fit_the_load_balancer(plan_of: Any) -> None:
    rules = plan_of("dev", (FORMER,)).rules()
    priorities = [rule["priority"] for rule in rules]
    assert len(set(priorities)) == len(priorities)
    for rule in rules:
        assert len(rule["paths"]) + len((rule["header"] or {"values": ()})["values"]) <= 5
        assert rule["header"] is None or rule["header"]["http_header_name"] == TABLE.tenant_header


def test_health_is_asked_as_the_table_says(plan_of: Any) -> None:
    groups = plan_of("dev").resources["aws_lb_target_group.this"]
    planned = {g["index"]: (g["port"], g["health_check"][0]["path"], g["health_check"][0]["port"]) for g in groups}
    assert planned == {b.name: (b.port, b.health_path, str(b.health_port)) for b in TABLE.backends.values()}


def test_containers_ask_themselves_as_the_table_says(plan_of: Any) -> None:
    asked, ports = {}, {}
    for definition in plan_of("dev").resources["aws_ecs_task_definition.this"]:
        server = json.loads(definition["container_definitions"])[1]
        ports[server["name"]] = {one["containerPort"] for one in server["portMappings"]}
        if "healthCheck" in server:
            asked[server["name"]] = server["healthCheck"]["command"]
    backends = TABLE.backends
    urls = {name: f"http://127.0.0.1:{one.health_port}{one.health_path}" for name, one in backends.items()}
    # Images of Mimir and Tempo have no program that could ask; profilecli adds /ready itself.
    assert asked == {
        "loki": ["CMD", "/usr/bin/loki", "-health", f"-health.url={urls['loki']}"],
        "pyroscope": ["CMD", "/usr/bin/profilecli", "ready", f"--url={urls['pyroscope'].removesuffix('/ready')}"],
        "grafana": ["CMD", "wget", "-q", "-O", "/dev/null", urls["grafana"]],
    }
    wanted: dict[str, set[int]] = {}
    for one in backends.values():
        wanted.setdefault(one.name.partition("_")[0], set()).add(one.port)
    assert ports == wanted
    for one in backends.values():
        assert one.health_port in wanted[one.name.partition("_")[0]]


def settings(env: str) -> dict[str, Any]:
    inventory = yaml.safe_load((PROJECT / "inventories" / env / "group_vars/all/main.yml").read_text())
    return {
        "tenant": str(inventory["tenant_id"]).replace("{{ env }}", str(inventory["env"])),
        "url": inventory["lgtm_url"],
    }


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_inventory_has_the_same_tenant(env: str) -> None:
    written = (TERRAFORM / "environments" / env / "common.tfvars").read_text()
    assert re.findall(r'^  tenant_id\s*= "(.*)"$', written, re.MULTILINE) == [settings(env)["tenant"]]


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_configurations(plan_of: Any, env: str) -> None:
    planned = plan_of(env)
    files = planned.configurations()
    config = {name: yaml.safe_load(files[name]["config.yaml"]) for name in ("mimir", "loki", "tempo", "pyroscope")}
    replicas = {s["index"]: min(s["desired_count"], 3) for s in planned.resources["aws_ecs_service.this"]}
    lifecycle = {
        one["index"]: {
            rule["filter"][0]["prefix"]: rule["expiration"][0]["days"] for rule in one["rule"] if rule["expiration"]
        }
        for one in planned.resources["aws_s3_bucket_lifecycle_configuration.this"]
        # The load balancer's own bucket has one too, for its access logs.
        if one["index"] in config
    }

    for name, one in config.items():
        assert one["server"]["http_listen_port"] == TABLE.backends[name].port
        assert one["memberlist"]["join_members"] == [f"dns+lgtm-{name}.{env}.internal:7946"]
        assert one["memberlist"]["cluster_label"] == f"{env}-lgtm-{name}"
        assert one.get("multitenancy_enabled", one.get("auth_enabled")) is True
    mimir, loki, tempo, pyroscope = (config[name] for name in ("mimir", "loki", "tempo", "pyroscope"))

    bucket = f"{env}-lgtm-%s-111122223333"
    assert mimir["common"]["storage"]["s3"]["bucket_name"] == bucket % "mimir"
    assert loki["common"]["storage"]["s3"]["bucketnames"] == bucket % "loki"
    assert tempo["storage"]["trace"]["s3"]["bucket"] == bucket % "tempo"
    assert pyroscope["storage"]["s3"]["bucket_name"] == bucket % "pyroscope"

    assert mimir["ingester"]["ring"]["replication_factor"] == replicas["mimir"]
    assert loki["common"]["replication_factor"] == replicas["loki"]
    assert tempo["ingester"]["lifecycler"]["ring"]["replication_factor"] == replicas["tempo"]
    assert pyroscope["ingester"]["lifecycler"]["ring"]["replication_factor"] == replicas["pyroscope"]

    # What the server deletes itself comes first, S3 a week after it.
    days = {
        "mimir": int(mimir["limits"]["compactor_blocks_retention_period"].rstrip("d")),
        "loki": int(loki["limits_config"]["retention_period"].rstrip("d")),
        "tempo": int(tempo["compactor"]["compaction"]["block_retention"].rstrip("h")) // 24,
        "pyroscope": int(pyroscope["limits"]["compactor_blocks_retention_period"].rstrip("h")) // 24,
    }
    assert {name: set(rules.values()) for name, rules in lifecycle.items() if rules} == {
        n: {d + 7} for n, d in days.items()
    }

    # Where each server's API is, seen from the route table.
    otlp = tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert otlp == f"0.0.0.0:{TABLE.backends['tempo_otlp'].port}"
    assert TABLE.path("traces_query").startswith(tempo["http_api_prefix"] + "/")
    assert tempo["stream_over_http_enabled"] is False
    assert "http_path_prefix" not in loki["server"]
    assert pyroscope["api"]["base-url"] == "/pyroscope"

    known = settings(env)
    sources = yaml.safe_load(files["grafana"]["provisioning/datasources/groundwork.yaml"])["datasources"]
    # All but CloudWatch's, which is asked with the rights of Grafana's task.
    behind = [source for source in sources if source["uid"] != "cloudwatch"]
    assert [source["secureJsonData"]["httpHeaderValue1"] for source in behind] == [known["tenant"]] * 5
    assert {source["jsonData"]["httpHeaderName1"] for source in behind} == {TABLE.tenant_header}
    ini = configparser.ConfigParser()
    ini.read_string(files["grafana"]["grafana.ini"])
    assert int(ini["server"]["http_port"]) == TABLE.backends["grafana"].port


def test_data_sources_ask_paths_of_the_table(plan_of: Any) -> None:
    files = plan_of("prod").configurations()["grafana"]
    sources = yaml.safe_load(files["provisioning/datasources/groundwork.yaml"])["datasources"]
    queries = {
        "mimir": "/api/v1/query",
        "loki": "/loki/api/v1/query_range",
        "tempo": "/api/search",
        "pyroscope": "/querier.v1.QuerierService/SelectMergeStacktraces",
        "alertmanager": "/alertmanager/api/v2/alerts",
    }
    assert {source["uid"] for source in sources} == {*queries, "cloudwatch"}
    for source in sources:
        if source["uid"] == "cloudwatch":
            assert (source["url"], source["secureJsonData"]) == ("", {})
            continue
        assert source["url"].startswith("http://lgtm.prod.internal")
        path = source["url"].removeprefix("http://lgtm.prod.internal") + queries[source["uid"]]
        route = TABLE.resolve(path)
        assert route is not None
        assert route.backend == {"alertmanager": "mimir"}.get(source["uid"], source["uid"])


def test_links_lead_to_data_sources_that_are_there(plan_of: Any) -> None:
    """Also after a change of tenant, where each tenant's own data sources lead to that tenant's."""
    for former in ((), (FORMER,)):
        files = plan_of("dev", former).configurations()["grafana"]
        sources = yaml.safe_load(files["provisioning/datasources/groundwork.yaml"])["datasources"]
        uids = {source["uid"] for source in sources}
        assert len(uids) == len(sources) == (14 if former else 6)
        for source in sources:
            links = re.findall(r'"(?:datasourceUid|alertmanagerUid)": "([^"]+)"', json.dumps(source["jsonData"]))
            assert set(links) <= uids
            if source["uid"].endswith(f"-{FORMER}"):
                assert {link for link in links if not link.endswith(FORMER)} <= {"alertmanager"}
            several = "|" in source["secureJsonData"].get("httpHeaderValue1", "")
            assert several == (bool(former) and source["uid"] in {"mimir", "loki", "tempo"})
            if source["type"] == "prometheus":
                # The ruler answers for one tenant only.
                assert source["jsonData"]["manageAlerts"] is (source["secureJsonData"]["httpHeaderValue1"] == "dev")
        loki = next(source for source in sources if source["uid"] == "loki")
        assert loki["jsonData"]["derivedFields"][0]["url"] == "$${__value.raw}"


def versions() -> dict[str, str]:
    written = (TERRAFORM / "components/70-lgtm/variables.tf").read_text()
    return dict(re.findall(r'^\s+(\w+)\s+= optional\(string, "(\d+\.\d+\.\d+)"\)', written, re.MULTILINE))


def file_of(server: str) -> str:
    return "grafana.ini" if server == "grafana" else "config.yaml"


SERVERS = ("mimir", "loki", "tempo", "pyroscope", "grafana")


@pytest.mark.parametrize("env", ["local", "dev", "prod"])
def test_servers_know_every_option(plan_of: Any, env: str) -> None:
    """`local` has one task of each and little memory, `prod` three; the rest differ in values only."""
    files = plan_of(env).configurations()
    for server in SERVERS:
        serverconfig.check(server, versions()[server], f"{server}/{file_of(server)}", files[server][file_of(server)])


@pytest.mark.parametrize(
    ("server", "before", "after", "words"),
    [
        ("mimir", "max_global_series_per_user:", "max_series_per_user:", "limits.max_series_per_user: mimir 3.0.1 has no such option"),
        ("mimir", "enable_api: true", "enable_api: 'yes'", "ruler.enable_api: 'yes' is not true or false"),
        ("loki", "alertmanager_url:", "alert_manager_url:", "Did you mean ruler.alertmanager_url?"),
        ("loki", "schema: v13", "schema: [v13]", "schema_config.configs[].schema: list is not text"),
        ("tempo", "http_api_prefix:", "http_prefix:", "http_prefix: tempo 2.10.8 has no such option"),
        ("pyroscope", "ingestion_rate_mb: ", "ingestion_rate_mb: about ", "limits.ingestion_rate_mb: 'about 4' is not a number"),
        ("grafana", "execute_alerts = false", "execute_alerts = 1", "unified_alerting.execute_alerts: 1 is not true or false"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_told(plan_of: Any, server: str, before: str, after: str, words: str) -> None:
    name = file_of(server)
    text = plan_of("dev").configurations()[server][name]
    assert before in text
    with pytest.raises(serverconfig.ConfigError) as raised:
        serverconfig.check(server, versions()[server], f"{server}/{name}", text.replace(before, after, 1))
    assert len(raised.value.problems) == 1
    assert str(raised.value).startswith(f"{server}/{name}: ")
    assert words in str(raised.value)


def loki_program() -> Path | None:
    """Loki where `make loki` has built it."""
    built = [path for path in sorted((CACHE / "bin").glob("loki*")) if path.is_file() and os.access(path, os.X_OK)]
    return built[-1] if built else None


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_loki_takes_its_configuration(plan_of: Any, env: str, tmp_path: Path) -> None:
    """By the program itself where it is there; its options are checked above in any case."""
    path = tmp_path / "config.yaml"
    path.write_text(plan_of(env).configurations()["loki"]["config.yaml"])
    program = loki_program()
    if program is None:
        serverconfig.check("loki", versions()["loki"], str(path), path.read_text())
        return
    command = [str(program), f"-config.file={path}", "-verify-config"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    path.write_text(path.read_text().replace("retention_period:", "retention_perriod:"))
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode != 0


def test_alerts_are_told(plan_of: Any) -> None:
    """From both rulers to Alertmanager, and from there to the topic of 85-monitoring with the task's own rights."""
    planned = plan_of("prod")
    files = planned.configurations()
    mimir, loki = (yaml.safe_load(files[name]["config.yaml"]) for name in ("mimir", "loki"))
    assert mimir["target"] == "all,alertmanager"
    own = mimir["ruler"]["alertmanager_url"].removeprefix(f"http://127.0.0.1:{TABLE.backends['mimir'].port}")
    through = loki["ruler"]["alertmanager_url"].removeprefix("http://lgtm.prod.internal")
    for prefix in (own, through):
        assert f"{prefix}/api/v2/alerts" == TABLE.path("alerts")
    assert loki["ruler"]["remote_write"]["client"]["url"].endswith(TABLE.path("metrics_push"))
    assert mimir["alertmanager"]["fallback_config_file"] == "/etc/lgtm/alertmanager.yaml"
    # One place in the bucket each: neither may be taken by what S3 lets age.
    prefixes = [mimir[name]["storage_prefix"] for name in ("blocks_storage", "ruler_storage", "alertmanager_storage")]
    assert len(set(prefixes)) == 3

    alerts = yaml.safe_load(files["mimir"]["alertmanager.yaml"])
    receivers = {one["name"]: one for one in alerts["receivers"]}
    routes = [alerts["route"], *alerts["route"]["routes"]]
    assert {route["receiver"] for route in routes} == set(receivers)
    topic = receivers["topic"]["sns_configs"][0]
    component = (TERRAFORM / "components/85-monitoring/main.tf").read_text()
    assert 'name         = "${local.env}-monitoring-alerts"' in component
    assert topic["topic_arn"].endswith(":prod-monitoring-alerts")
    # No key in it: the task's role signs.
    assert topic["sigv4"] == {"region": "ap-northeast-2"}
    rights = [one for one in planned.resources["aws_iam_role_policy.this"] if one["index"] == "alerts"]
    assert len(rights) == 1
    statements = json.loads(rights[0]["policy"])["Statement"]
    assert {one["Sid"]: one["Resource"] for one in statements}["NotifyOwnTopic"] == topic["topic_arn"]


def test_limits_grow_with_the_environment(plan_of: Any) -> None:
    series = []
    for env in ("local", "dev", "prod"):
        files = plan_of(env).configurations()
        limits = yaml.safe_load(files["mimir"]["config.yaml"])["limits"]
        # Every series each 15 seconds, and an outage made good three times as fast.
        assert limits["ingestion_rate"] * 5 >= limits["max_global_series_per_user"]
        assert limits["out_of_order_time_window"] == "8h"
        series.append(limits["max_global_series_per_user"])
        assert yaml.safe_load(files["loki"]["config.yaml"])["limits_config"]["ingestion_rate_mb"] > 0
        assert (
            yaml.safe_load(files["tempo"]["config.yaml"])["overrides"]["defaults"]["ingestion"]["rate_limit_bytes"] > 0
        )
        assert yaml.safe_load(files["pyroscope"]["config.yaml"])["limits"]["max_global_series_per_tenant"] > 0
    assert series == sorted(set(series))


def test_tasks_are_closed(plan_of: Any) -> None:
    for definition in plan_of("prod").resources["aws_ecs_task_definition.this"]:
        setup, server = json.loads(definition["container_definitions"])
        assert setup["readonlyRootFilesystem"]
        assert server["readonlyRootFilesystem"]
        assert server["user"] not in ("0", "root", "")
        assert server["dependsOn"] == [{"containerName": "configure", "condition": "SUCCESS"}]
        assert {one["sourceVolume"]: one["readOnly"] for one in server["mountPoints"]}["config"]
        # ECS takes a task definition of at most 64 KiB.
        assert len(definition["container_definitions"]) < 32_768
