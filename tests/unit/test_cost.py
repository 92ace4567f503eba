"""Plans times prices: what is charged, what is only assumed, what has no price, and a price file that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from groundwork import cost
from groundwork.cost import PriceError, beside_documents, difference, load, table

SEOUL = "ap-northeast-2"
PRICES = load()


def plan(*resources: tuple[str, dict[str, Any]], module: str = "module.x") -> dict[str, Any]:
    """A plan that makes these: the address may have a key."""
    return {
        "resource_changes": [
            {
                "address": f"{module}.{address}",
                "mode": "managed",
                "type": address.partition(".")[0],
                "change": {"actions": ["create"], "after": values, "after_unknown": {}},
            }
            for address, values in resources
        ]
    }


def of(component: str, *resources: tuple[str, dict[str, Any]], env: str = "dev") -> cost.Cost:
    return cost.cost(env, SEOUL, {component: plan(*resources)}, PRICES)


def quantities(result: cost.Cost) -> dict[str, float]:
    return {line.item: round(line.quantity, 4) for line in result.lines}


def test_a_database_in_two_zones_is_paid_twice() -> None:
    values = {"engine": "mysql", "instance_class": "db.t3.medium", "allocated_storage": 100, "storage_type": "gp3"}
    once = of("50-shared-rds", ("aws_db_instance.this", {**values, "multi_az": False}))
    twice = of("50-shared-rds", ("aws_db_instance.this", {**values, "multi_az": True}))
    assert quantities(once) == {"rds/mysql/db.t3.medium": 1, "rds/storage/gp3": 100}
    assert once.total == pytest.approx(730 * 0.104 + 100 * 0.131)
    assert twice.total == pytest.approx(2 * once.total)


TASK = ("aws_ecs_task_definition.this", {"cpu": "2048", "memory": "4096"})


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ([], {"fargate/vcpu": 6, "fargate/gb": 12}),
        (
            [{"capacity_provider": "FARGATE_SPOT", "weight": 100, "base": 0}],
            {"fargate-spot/vcpu": 6, "fargate-spot/gb": 12},
        ),
        (
            [
                {"capacity_provider": "FARGATE", "weight": 1, "base": 1},
                {"capacity_provider": "FARGATE_SPOT", "weight": 1, "base": 0},
            ],
            {"fargate/vcpu": 4, "fargate/gb": 8, "fargate-spot/vcpu": 2, "fargate-spot/gb": 4},
        ),
    ],
)
def test_tasks_are_paid_where_they_run(strategy: list[dict[str, Any]], expected: dict[str, float]) -> None:
    service = ("aws_ecs_service.this", {"desired_count": 3, "capacity_provider_strategy": strategy})
    assert quantities(of("75-applications", service, TASK)) == expected


def test_a_service_finds_the_task_of_its_key() -> None:
    result = of(
        "70-lgtm",
        ('aws_ecs_service.this["loki"]', {"desired_count": 2}),
        ('aws_ecs_task_definition.this["loki"]', {"cpu": "512", "memory": "1024"}),
        ('aws_ecs_task_definition.this["mimir"]', {"cpu": "4096", "memory": "8192"}),
    )
    assert quantities(result) == {"fargate/vcpu": 1, "fargate/gb": 2}


def test_the_rest_of_the_skeleton() -> None:
    result = of(
        "60-kafka",
        (
            "aws_instance.this",
            {"instance_type": "t3.large", "root_block_device": [{"volume_type": "gp3", "volume_size": 30}]},
        ),
        ("aws_ebs_volume.data", {"type": "gp3", "size": 200}),
        (
            "aws_elasticache_replication_group.this",
            {"engine": "valkey", "node_type": "cache.t3.medium", "num_cache_clusters": 2},
        ),
        ("aws_vpc_endpoint.a", {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b", "c"]}),
        ("aws_vpc_endpoint.b", {"vpc_endpoint_type": "Gateway"}),
        (
            "aws_cloudwatch_metric_alarm.a",
            {"metric_query": [{"metric": [{}]}, {"metric": [{}]}, {"expression": "a/b"}]},
        ),
        ("aws_iam_role.a", {}),
    )
    assert quantities(result) == {
        "ec2/t3.large": 1,
        "ebs/gp3": 230,
        "cache/valkey/cache.t3.medium": 2,
        "endpoint/hour": 3,
        "cloudwatch/alarm": 2,
    }


def test_usage_is_counted_where_its_resource_is_and_said_to_be_assumed() -> None:
    result = of("10-network", ("aws_nat_gateway.this", {}), env="prod")
    assert quantities(result) == {"nat/hour": 1, "nat/gb": 500}
    text = table(result, PRICES)
    assert "500 GB: documents' table" in text
    assert "2025-01-31" in text
    assert quantities(of("10-network", ("aws_vpc.this", {}))) == {}


def test_what_has_no_price_is_listed_and_not_free() -> None:
    result = of(
        "99-new",
        ("aws_mq_broker.this", {}),
        ("aws_instance.this", {"instance_type": "x9.huge"}),
        ("aws_sqs_queue.q", {}),
    )
    assert [line.item for line in result.unpriced] == ["aws_mq_broker", "ec2/x9.huge"]
    assert result.total == 0
    text = table(result, PRICES)
    assert "without a price: 99-new aws_mq_broker, 99-new ec2/x9.huge" in text
    assert "billed by use, nothing assumed: 99-new: aws_sqs_queue (1)" in text


def test_a_region_without_prices() -> None:
    result = cost.cost("dev", "eu-west-1", {"10-network": plan(("aws_nat_gateway.this", {}))}, PRICES)
    assert [line.amount for line in result.lines] == [None, None]


def test_beside_the_documents() -> None:
    result = of(
        "52-cache",
        (
            "aws_elasticache_replication_group.this",
            {"engine": "redis", "node_type": "cache.t3.micro", "num_cache_clusters": 1},
        ),
    )
    rows = {line.split("  ")[0]: line.split()[-2:] for line in beside_documents(result, PRICES).splitlines()}
    assert rows["ElastiCache"] == ["15.00", "18.25"]
    assert rows["total"] == ["517.00", "18.25"]


def test_documents_rows_add_up_to_their_totals() -> None:
    for column, total in PRICES.totals.items():
        assert sum(row.figures.get(column, 0) for row in PRICES.rows) == total


def test_difference() -> None:
    one = of("10-network", ("aws_eip.a", {}), ("aws_eip.b", {}))
    other = of("10-network", ("aws_eip.a", {}))
    lines = difference(one, other).splitlines()
    assert lines[1].split() == ["10-network", "ipv4/hour", "7.30", "3.65", "+3.65"]
    assert lines[-1].split() == ["total", "7.30", "3.65", "+3.65"]


def test_a_wrong_price_file_is_refused_with_all_its_mistakes(tmp_path: Path) -> None:
    document = yaml.safe_load(cost.PRICES.read_text())
    document["as_of"] = "last year"
    document["hours_per_month"] = 0
    document["sources"]["ec2"] = "a colleague"
    document["items"]["ec2/t3.micro"]["unit"] = "fortnight"
    document["items"]["ec2/t3.small"]["source"] = "nowhere"
    document["items"]["ec2/t3.medium"]["basis"] = "guess"
    document["items"]["ec2/t3.large"]["prices"][SEOUL] = -1
    document["items"]["ec2/t3.xlarge"] = {"unit": "hour", "source": "ec2", "basis": "estimate", "prices": {SEOUL: 1}}
    document["usage"][0]["item"] = "nat/tb"
    del document["usage"][1]["why"]
    document["discount"] = 1
    del document["by_use"]
    path = tmp_path / "prices.yml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(PriceError) as error:
        load(path)
    for problem in (
        "by_use is missing",
        "discount is no key",
        "as_of must be the date",
        "hours_per_month must be a positive number",
        "sources.ec2: a colleague is no page",
        "items.ec2/t3.micro: unit fortnight is none of",
        "items.ec2/t3.small: source nowhere is not among the sources",
        "items.ec2/t3.medium: basis guess is none of",
        "items.ec2/t3.large: prices must be a number",
        "items.ec2/t3.xlarge: an estimate must say why",
        "usage[0]: nat/tb has no price",
        "usage[1]: without why",
    ):
        assert problem in str(error.value)
