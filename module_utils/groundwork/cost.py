"""What an environment costs in a month: plans times prices.

    python -m groundwork.cost ENV [--compare ENV] [--plans DIR] [--compare-plans DIR]

A plan says what is made and how large; terraform/prices.yml says what that costs and how much is assumed to be used.
What has no price is listed, never counted as free.
"""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from .estate.paths import PROJECT
from .terraform import offline
from .terraform.cli import TerraformError

PRICES = PROJECT / "terraform/prices.yml"
UNITS = {"hour", "month", "GB-month", "GB", "million"}
BASES = {"list", "estimate"}
KEYS = {"as_of", "currency", "hours_per_month", "sources", "items", "usage", "documents", "by_use"}
DOCUMENTED = ("dev", "staging", "prod", "shared")


class PriceError(Exception):
    """The price file is wrong. The text has all the mistakes."""


@dataclass(frozen=True)
class Price:
    """One item of the price file."""

    item: str
    unit: str
    estimate: bool
    prices: Mapping[str, float]


@dataclass(frozen=True)
class Usage:
    """How much of an item is used in a month, by environment, when a component has a resource of a type."""

    item: str
    component: str
    resource: str
    quantity: Mapping[str, float]
    hourly: bool
    why: str


@dataclass(frozen=True)
class Row:
    """A row of the documents' tables, and which items stand beside it."""

    name: str
    items: tuple[str, ...]
    components: tuple[str, ...]
    figures: Mapping[str, float]

    def covers(self, line: Line) -> bool:
        return (not self.components or line.component in self.components) and any(
            fnmatch.fnmatchcase(line.item, pattern) for pattern in self.items
        )


@dataclass(frozen=True)
class Prices:
    """The price file."""

    as_of: datetime.date
    currency: str
    hours: float
    items: Mapping[str, Price]
    usage: tuple[Usage, ...]
    totals: Mapping[str, float]
    rows: tuple[Row, ...]
    by_use: frozenset[str]


@dataclass(frozen=True)
class Line:
    """What one component pays for one item; `amount` is None where there is no price."""

    component: str
    item: str
    quantity: float
    unit: str
    price: float | None
    amount: float | None
    estimate: bool = False
    assumed: str = ""


@dataclass(frozen=True)
class Cost:
    """The costs of an environment."""

    env: str
    region: str
    lines: tuple[Line, ...]
    by_use: tuple[str, ...]

    @property
    def total(self) -> float:
        return sum(line.amount or 0.0 for line in self.lines)

    def of(self, component: str) -> float:
        return sum(line.amount or 0.0 for line in self.lines if line.component == component)

    @property
    def unpriced(self) -> list[Line]:
        return [line for line in self.lines if line.amount is None]


# -------------------------------------------------------------------------------------------------------- the price file


def load(path: Path = PRICES) -> Prices:
    """The price file. All mistakes at once."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PriceError(f"{path}: cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise PriceError(f"{path}: wants a mapping with {', '.join(sorted(KEYS))}")
    problems = list(_problems(document))
    if problems:
        raise PriceError(f"{path}: " + "; ".join(problems))
    return Prices(
        as_of=document["as_of"],
        currency=str(document["currency"]),
        hours=float(document["hours_per_month"]),
        items={
            name: Price(name, entry["unit"], entry.get("basis", "list") == "estimate", entry["prices"])
            for name, entry in document["items"].items()
        },
        usage=tuple(
            Usage(
                item=entry["item"],
                component=entry["component"],
                resource=entry["resource"],
                quantity=entry["quantity"],
                hourly=bool(entry.get("hourly", False)),
                why=entry["why"],
            )
            for entry in document["usage"]
        ),
        totals=document["documents"]["totals"],
        rows=tuple(
            Row(
                name=entry["row"],
                items=tuple(entry["items"]),
                components=tuple(entry.get("components", ())),
                figures={name: float(entry[name]) for name in DOCUMENTED if name in entry},
            )
            for entry in document["documents"]["rows"]
        ),
        by_use=frozenset(document["by_use"]),
    )


def _amounts(values: Any) -> bool:
    return (
        isinstance(values, dict)
        and bool(values)
        and all(
            isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 for value in values.values()
        )
    )


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(KEYS - set(document)):
        yield f"{name} is missing"
    for name in sorted(set(document) - KEYS):
        yield f"{name} is no key of a price file"
    if "as_of" in document and not isinstance(document["as_of"], datetime.date):
        yield "as_of must be the date as of which the prices are (YYYY-MM-DD)"
    hours = document.get("hours_per_month", 1)
    if not isinstance(hours, int | float) or hours <= 0:
        yield "hours_per_month must be a positive number"
    sources = document.get("sources") or {}
    items = document.get("items") or {}
    for name, page in sources.items():
        if not str(page).startswith("https://"):
            yield f"sources.{name}: {page} is no page"
    for name, entry in items.items():
        yield from (f"items.{name}: {problem}" for problem in _item_problems(entry, sources))
    for number, entry in enumerate(document.get("usage") or []):
        missing = sorted({"item", "component", "resource", "quantity", "why"} - set(entry))
        if missing:
            yield f"usage[{number}]: without {', '.join(missing)}"
            continue
        if entry["item"] not in items:
            yield f"usage[{number}]: {entry['item']} has no price"
        if not _amounts(entry["quantity"]):
            yield f"usage[{number}]: quantity must be a number of zero or more for each environment"
    documents = document.get("documents") or {"totals": {"shared": 0}, "rows": []}
    if not _amounts(documents.get("totals")):
        yield "documents.totals must be a number for each environment"
    for number, entry in enumerate(documents.get("rows") or []):
        if not {"row", "items"} <= set(entry):
            yield f"documents.rows[{number}]: wants row and items"


def _item_problems(entry: Any, sources: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield "wants unit, source and prices"
        return
    if entry.get("unit") not in UNITS:
        yield f"unit {entry.get('unit')} is none of {', '.join(sorted(UNITS))}"
    if entry.get("source") not in sources:
        yield f"source {entry.get('source')} is not among the sources"
    basis = entry.get("basis", "list")
    if basis not in BASES:
        yield f"basis {basis} is none of {', '.join(sorted(BASES))}"
    if basis == "estimate" and not entry.get("why"):
        yield "an estimate must say why"
    if not _amounts(entry.get("prices")):
        yield "prices must be a number of zero or more for each region"


# ------------------------------------------------------------------------------------------------------ what is charged

Resource = dict[str, Any]
#: Item and quantity, in units of an hour or a month.
Charge = tuple[str, float]


def _instance(resource: Resource, others: Sequence[Resource]) -> Iterator[Charge]:
    values = resource["values"]
    yield f"ec2/{values['instance_type']}", 1
    for block in values.get("root_block_device") or []:
        yield f"ebs/{block.get('volume_type') or 'gp3'}", float(block.get("volume_size") or 8)


def _database(resource: Resource, others: Sequence[Resource]) -> Iterator[Charge]:
    values = resource["values"]
    copies = 2 if values.get("multi_az") else 1
    # A replica takes its engine and its storage from its source: the name says the one, the other is not in the plan.
    engine = values.get("engine") or ("postgres" if "postgres" in str(values.get("identifier")) else "mysql")
    yield f"rds/{engine}/{values['instance_class']}", copies
    storage = values.get("allocated_storage")
    if storage is None:
        yield "rds/storage/of-its-source", copies
    else:
        yield f"rds/storage/{values.get('storage_type') or 'gp3'}", copies * float(storage)


def _cache(resource: Resource, others: Sequence[Resource]) -> Iterator[Charge]:
    values = resource["values"]
    groups = values.get("num_node_groups") or 1
    nodes = values.get("num_cache_clusters") or groups * (1 + (values.get("replicas_per_node_group") or 0))
    yield f"cache/{values.get('engine') or 'redis'}/{values['node_type']}", nodes


def _place(address: str) -> tuple[str, str]:
    """Where a resource stands: its module and its key."""
    module, _, rest = address.rpartition(".aws_")
    key = re.search(r"\[[^]]*\]$", rest)
    return module, key[0] if key else ""


def _service(resource: Resource, others: Sequence[Resource]) -> Iterator[Charge]:
    """A service's tasks: the task definition stands in the same module, under the same key."""
    values = resource["values"]
    tasks = [other for other in others if other["type"] == "aws_ecs_task_definition"]
    module, key = _place(resource["address"])
    near = [other for other in tasks if _place(other["address"]) == (module, key)]
    near = near or [other for other in tasks if _place(other["address"])[0] == module]
    if len(near) != 1:
        yield "fargate/task-of-an-unknown-size", float(values.get("desired_count") or 0)
        return
    cpu, memory = float(near[0]["values"]["cpu"]) / 1024, float(near[0]["values"]["memory"]) / 1024
    for provider, count in _providers(values):
        kind = "fargate-spot" if provider == "FARGATE_SPOT" else "fargate"
        yield f"{kind}/vcpu", count * cpu
        yield f"{kind}/gb", count * memory


def _providers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """How many tasks run on each capacity provider: the bases first, the rest by weight."""
    strategies = values.get("capacity_provider_strategy") or []
    count = float(values.get("desired_count") or 0)
    if not strategies:
        yield "FARGATE", count
        return
    rest = count
    weight = sum(entry.get("weight") or 0 for entry in strategies)
    shares: dict[str, float] = {}
    for entry in strategies:
        base = min(float(entry.get("base") or 0), rest)
        rest -= base
        shares[entry["capacity_provider"]] = base
    for entry in strategies:
        shares[entry["capacity_provider"]] += rest * (entry.get("weight") or 0) / weight if weight else 0
    yield from ((provider, share) for provider, share in shares.items() if share)


def _endpoint(resource: Resource, others: Sequence[Resource]) -> Iterator[Charge]:
    if resource["values"].get("vpc_endpoint_type") == "Interface":
        yield "endpoint/hour", len(resource["values"].get("subnet_ids") or [1])


def _alarm(resource: Resource, others: Sequence[Resource]) -> Iterator[Charge]:
    queries = [query for query in resource["values"].get("metric_query") or [] if query.get("metric")]
    yield "cloudwatch/alarm", len(queries) or 1


def _one(item: str) -> Callable[[Resource, Sequence[Resource]], Iterator[Charge]]:
    def charge(resource: Resource, others: Sequence[Resource]) -> Iterator[Charge]:
        yield item, 1

    return charge


def _volume(resource: Resource, others: Sequence[Resource]) -> Iterator[Charge]:
    yield f"ebs/{resource['values'].get('type') or 'gp2'}", float(resource["values"]["size"])


CHARGES: dict[str, Callable[[Resource, Sequence[Resource]], Iterator[Charge]]] = {
    "aws_cloudwatch_composite_alarm": _one("cloudwatch/composite-alarm"),
    "aws_cloudwatch_dashboard": _one("cloudwatch/dashboard"),
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_db_instance": _database,
    "aws_ebs_volume": _volume,
    "aws_ecs_service": _service,
    "aws_eip": _one("ipv4/hour"),
    "aws_elasticache_replication_group": _cache,
    "aws_instance": _instance,
    "aws_kms_key": _one("kms/key"),
    "aws_kms_replica_key": _one("kms/key"),
    "aws_lb": _one("alb/hour"),
    "aws_nat_gateway": _one("nat/hour"),
    "aws_route53_health_check": _one("route53/health-check"),
    "aws_route53_zone": _one("route53/zone"),
    "aws_secretsmanager_secret": _one("secrets/secret"),
    "aws_vpc_endpoint": _endpoint,
}
#: Types without a charge of their own: rights, wiring and configuration. What is not here and not above is shown as unpriced.
FREE = re.compile(
    r"terraform_data$|aws_(iam_|vpc$|subnet$|route$|route_table|internet_gateway$|security_group|vpc_security_group|default_|ssm_parameter$"
    r"|ssm_document$|s3_bucket_|s3_object$|efs_(access_point|file_system_policy|mount_target|backup_policy)$|kms_alias$|kms_key_policy$|secretsmanager_secret_|db_(subnet|parameter|option)_group$"
    r"|elasticache_(subnet|parameter)_group$|elasticache_user|ecs_task_definition$|ecs_cluster_|ecs_account_|lb_|acm_|ecr_|route53_record$"
    r"|service_discovery_|cloudwatch_(log_(group|metric_filter|resource_policy|subscription)|event_)|appautoscaling_|sns_topic_"
    r"|sqs_queue_|lambda_(permission|event|function_event|alias)|apigatewayv2_|api_gateway_account$|xray_|resourcegroups_|applicationinsights_"
    r"|backup_(selection|vault)|budgets_|network_interface|network_acl|volume_attachment$|placement_group$|launch_template$|eip_association$"
    r"|dynamodb_(table_item|resource_policy)|ebs_encryption|account_|dlm_|ce_|db_instance_automated_backups_replication$)"
)


def cost(env: str, region: str, plans: Mapping[str, Mapping[str, Any]], prices: Prices) -> Cost:
    """The costs of the planned resources, and of the assumed usage."""
    charges: dict[tuple[str, str], float] = {}
    assumed: dict[tuple[str, str], str] = {}
    by_use: dict[str, int] = {}
    usage_types = {(usage.component, usage.resource) for usage in prices.usage}
    for component, plan in plans.items():
        resources = offline.managed(dict(plan))
        present = {resource["type"] for resource in resources}
        for resource in resources:
            kind = resource["type"]
            if kind in CHARGES:
                found: Iterable[Charge] = CHARGES[kind](resource, resources)
            elif kind in prices.by_use:
                if (component, kind) not in usage_types:
                    by_use[f"{component}: {kind}"] = by_use.get(f"{component}: {kind}", 0) + 1
                continue
            elif FREE.match(kind) or (component, kind) in usage_types:
                continue
            else:
                found = [(kind, 1)]
            for item, quantity in found:
                charges[component, item] = charges.get((component, item), 0.0) + quantity
        for usage in prices.usage:
            quantity = usage.quantity.get(env, 0)
            if usage.component == component and usage.resource in present and quantity:
                charges[component, usage.item] = charges.get((component, usage.item), 0.0) + quantity
                assumed[component, usage.item] = usage.why
    lines = [
        _line(
            Line(component, item, quantity, "", None, None, assumed=assumed.get((component, item), "")), region, prices
        )
        for (component, item), quantity in charges.items()
    ]
    return Cost(
        env=env,
        region=region,
        lines=tuple(sorted(lines, key=lambda line: (line.component, line.item))),
        by_use=tuple(f"{name} ({count})" for name, count in sorted(by_use.items())),
    )


def _line(bare: Line, region: str, prices: Prices) -> Line:
    """The line with its price, where there is one."""
    known = prices.items.get(bare.item)
    price = known.prices.get(region) if known else None
    if known is None or price is None:
        return bare
    hours = prices.hours if known.unit == "hour" else 1
    amount = bare.quantity * hours * price
    return replace(bare, unit=known.unit, price=price, amount=amount, estimate=known.estimate)


# --------------------------------------------------------------------------------------------------------------- tables


def table(result: Cost, prices: Prices) -> str:
    """The costs of one environment, for a person."""
    lines = [
        f"{result.env} ({result.region}), {prices.currency} a month at prices as of {prices.as_of}"
        " (~ estimated price, * assumed usage)",
        f"{'component':22} {'item':32} {'quantity':>10} {'unit':>9} {'price':>9} {'a month':>10}",
    ]
    for component in dict.fromkeys(line.component for line in result.lines):
        for line in (entry for entry in result.lines if entry.component == component):
            if line.amount is None:
                lines.append(f"{component:22} {line.item:32} {line.quantity:10.2f} {'':>9} {'no price':>20}")
                continue
            mark = ("~" if line.estimate else "") + ("*" if line.assumed else "")
            lines.append(
                f"{component:22} {line.item:32} {line.quantity:10.2f} {line.unit:>9} {line.price:9.4f} {line.amount:10.2f}{mark}"
            )
        lines.append(f"{component:22} {'':63} {result.of(component):10.2f}")
    lines.append(f"{'total':22} {'':63} {result.total:10.2f}")
    if result.unpriced:
        lines.append("without a price: " + ", ".join(f"{line.component} {line.item}" for line in result.unpriced))
    if result.by_use:
        lines.append("billed by use, nothing assumed: " + ", ".join(result.by_use))
    lines += [
        f"* {line.component} {line.item}: {line.quantity:g} {line.unit}: {line.assumed}"
        for line in result.lines
        if line.assumed
    ]
    return "\n".join(lines)


def beside_documents(result: Cost, prices: Prices) -> str:
    """The documents' rows beside what is planned."""
    lines = [f"{'documents’ row':22} {'documents':>10} {'planned':>10}"]
    covered: set[Line] = set()
    for row in prices.rows:
        figure = row.figures.get(result.env, row.figures.get("shared"))
        found = [line for line in result.lines if row.covers(line) and line not in covered]
        covered.update(found)
        planned = sum(line.amount or 0.0 for line in found)
        if figure is not None or found:
            shared = " (shared)" if "shared" in row.figures else ""
            lines.append(f"{row.name:22} {'–' if figure is None else f'{figure:.2f}':>10} {planned:10.2f}{shared}")
    rest = sum(line.amount or 0.0 for line in result.lines if line not in covered)
    own = prices.totals.get(result.env)
    total = "–" if own is None else f"{own + prices.totals['shared']:.2f}"
    lines.append(f"{'not in the documents':22} {'':>10} {rest:10.2f}")
    lines.append(f"{'total':22} {total:>10} {result.total:10.2f}")
    if own is not None:
        lines.append(
            f"(documents: {own:g} for one service in {result.env}, {prices.totals['shared']:g} shared by all services and "
            "environments; planned: all services of the catalog)"
        )
    return "\n".join(lines)


def difference(first: Cost, second: Cost) -> str:
    """What the first costs more than the second, by component and item."""
    lines = [f"{'component':22} {'item':32} {first.env[:10]:>10} {second.env[:10]:>10} {'difference':>11}"]
    amounts: dict[tuple[str, str], list[float]] = {}
    for number, result in enumerate((first, second)):
        for line in result.lines:
            amounts.setdefault((line.component, line.item), [0.0, 0.0])[number] += line.amount or 0.0
    for (component, item), (one, other) in sorted(amounts.items()):
        if abs(one - other) >= 0.005:
            lines.append(f"{component:22} {item:32} {one:10.2f} {other:10.2f} {one - other:+11.2f}")
    lines.append(f"{'total':55} {first.total:10.2f} {second.total:10.2f} {first.total - second.total:+11.2f}")
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------------------------ main


def of_environment(env: str, plans_folder: Path | None, prices: Prices, name: str = "") -> Cost:
    """The costs of an environment, of its plans in a folder or of new ones."""
    plans = offline.read(plans_folder) if plans_folder else offline.plan_environment(env, say=_say)
    catalog = yaml.safe_load((PROJECT / "inventories" / env / "catalog.yml").read_text(encoding="utf-8"))
    result = cost(env, str(catalog["region"]), plans, prices)
    return Cost(name or env, result.region, result.lines, result.by_use)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What an environment costs in a month.")
    parser.add_argument("env")
    parser.add_argument("--compare", metavar="ENV", help="print the difference to this environment, too")
    parser.add_argument("--plans", type=Path, help="folder of plans instead of planning offline")
    parser.add_argument(
        "--compare-plans", type=Path, help="folder of the other plans; of the same environment without --compare"
    )
    parser.add_argument("--prices", type=Path, default=PRICES)
    options = parser.parse_args(arguments)
    try:
        prices = load(options.prices)
        result = of_environment(options.env, options.plans, prices)
        print(table(result, prices), beside_documents(result, prices), sep="\n\n")
        if options.compare or options.compare_plans:
            other = options.compare or options.env
            name = "" if options.compare else str(options.compare_plans)
            print("", difference(result, of_environment(other, options.compare_plans, prices, name)), sep="\n")
    except (PriceError, TerraformError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
