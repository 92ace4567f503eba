"""Well formed values for the parameters of the SSM contract, made from the catalog: what an applied estate would answer."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .cli import TerraformError


class Values:
    """Values of one environment. The same environment gives the same values: plans can be compared."""

    def __init__(self, catalog: Mapping[str, Any], subnet_zones: Sequence[str]) -> None:
        self._catalog = catalog
        self._env, self._region = str(catalog["environment"]), str(catalog["region"])
        self._account = str(catalog["account_id"])
        self._zones = list(catalog["network"]["availability_zones"])
        self._subnet_zones = list(subnet_zones)

    def all(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Values by path. `wanted`: SSM type by path. All the paths that no rule knows at once."""
        found = {path: self._rule(path) for path in wanted}
        unknown = [path for path, rule in found.items() if rule is None]
        if unknown:
            raise TerraformError(
                "no rule makes a value for "
                + ", ".join(sorted(unknown))
                + ". Remedy: add one to RULES of groundwork/terraform/offline_values.py."
            )
        return {path: rule(self, path) for path, rule in found.items() if rule is not None}

    def _rule(self, path: str) -> Rule | None:
        return next((rule for pattern, rule in RULES if re.search(pattern, path)), None)

    # ------------------------------------------------------------------------------------------------------- building blocks

    def hex(self, path: str, length: int = 17, number: int = 0) -> str:
        return hashlib.sha256(f"{self._account}/{self._region}/{path}/{number}".encode()).hexdigest()[:length]

    def uuid(self, path: str) -> str:
        digits = self.hex(path, 32)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def ids(self, prefix: str, path: str, count: int) -> str:
        return ",".join(f"{prefix}-{self.hex(path, number=number)}" for number in range(count))

    def arn(self, service: str, resource: str, region: str | None = None) -> str:
        return f"arn:aws:{service}:{self._region if region is None else region}:{self._account}:{resource}"

    def name(self, path: str, *, drop: str = "") -> str:
        """`{env}-…` of the parameter's last part."""
        return f"{self._env}-{path.rpartition('/')[2].removesuffix(drop)}"

    def service(self, path: str) -> str:
        """The part before the last one, a service in a path of services; before the environment, what the path is of."""
        *_, group, owner, _ = path.split("/")
        return group if owner == self._env else owner

    def nat_gateways(self) -> int:
        return 1 if self._catalog["network"]["nat_gateways"] == "one" else len(self._zones)

    def subnet_cidrs(self, path: str) -> str:
        networks = list(ipaddress.ip_network(self._catalog["network"]["vpc_cidr"]).subnets(new_prefix=19))
        return ",".join(str(networks[number]) for number in range(len(self._subnet_zones)))

    def kafka_nodes(self) -> list[str]:
        kafka = self._catalog["kafka"]
        brokers = [f"{self._env}-kafka-{number}" for number in range(1, kafka["brokers"] + 1)]
        return brokers + [f"{self._env}-kafka-controller-{number}" for number in range(1, kafka["controllers"] + 1)]

    def database(self, path: str) -> str:
        return f"{self._env}-shared-{'postgresql' if '/postgresql/' in path else 'mysql'}"

    def load_balancer(self, path: str, name: str) -> str:
        return f"app/{name}/{self.hex(path.rpartition('/')[0], 16)}"


LGTM = ("mimir", "loki", "tempo", "pyroscope", "grafana")

Rule = Callable[[Values, str], str]


def _fixed(text: str) -> Rule:
    return lambda values, path: text


#: What a parameter holds, by its path; the first pattern that fits.
RULES: list[tuple[str, Rule]] = [
    (r"^/shared/network/vpc-id$", lambda v, p: v.ids("vpc", p, 1)),
    (r"^/shared/network/vpc-cidr$", lambda v, p: str(v._catalog["network"]["vpc_cidr"])),
    (r"-subnet-ids$", lambda v, p: v.ids("subnet", p, len(v._subnet_zones))),
    (r"-subnet-cidrs$", lambda v, p: v.subnet_cidrs(p)),
    (r"/nat-gateway-ids$", lambda v, p: v.ids("nat", p, v.nat_gateways())),
    (r"/(route-table|[a-z]+-route-table)-ids$", lambda v, p: v.ids("rtb", p, len(v._subnet_zones))),
    (r"/namespace-id$", lambda v, p: f"ns-{v.hex(p, 16)}"),
    (r"/namespace-name$", lambda v, p: f"{v._env}.internal"),
    (r"/namespace-arn$", lambda v, p: v.arn("servicediscovery", f"namespace/ns-{v.hex(p, 16)}")),
    (r"/flow-log-group$", lambda v, p: f"/{v._env}/vpc/flow-logs"),
    (r"^/shared/kms/[a-z0-9-]+-key-arn$", lambda v, p: v.arn("kms", f"key/{v.uuid(p)}")),
    (r"^/shared/security-groups/.*-id$|/security-group-id$", lambda v, p: v.ids("sg", p, 1)),
    (r"-role-arn$", lambda v, p: v.arn("iam", f"role/{v.name(p, drop='-role-arn')}", region="")),
    (r"/node-names$", lambda v, p: ",".join(v.kafka_nodes())),
    (r"^/shared/lgtm/.*/service-names$", lambda v, p: ",".join(f"{v._env}-{server}" for server in LGTM)),
    (r"-names$", lambda v, p: f"{v._env}-{v.service(p)}-first,{v._env}-{v.service(p)}-second"),
    (r"-log-group-arn$", lambda v, p: v.arn("logs", f"log-group:/{v._env}/{v.name(p, drop='-log-group-arn')}")),
    (r"-instance-profile$", lambda v, p: v.name(p, drop="-instance-profile")),
    # databases and caches
    (r"^/shared/rds/.*/backup-bucket$", lambda v, p: f"{v._env}-database-backup-{v._account}"),
    (r"^/shared/rds/.*/identifier$", lambda v, p: v.database(p)),
    (
        r"^/shared/rds/.*/endpoint$",
        lambda v, p: f"{v.database(p)}.{v.hex('rds', 12)}.{v._region}.rds.amazonaws.com",
    ),
    (r"^/shared/rds/.*/postgresql/port$", _fixed("5432")),
    (r"^/shared/rds/.*/port$", _fixed("3306")),
    (r"^/shared/rds/.*/(arn|instance-arn)$", lambda v, p: v.arn("rds", f"db:{v.database(p)}")),
    (r"^/shared/rds/.*/resource-id$", lambda v, p: f"db-{v.hex(p, 26).upper()}"),
    (
        r"^/shared/rds/.*-secret-arn$",
        lambda v, p: v.arn("secretsmanager", f"secret:{v.database(p)}-master-{v.hex(p, 6)}"),
    ),
    (
        r"^/shared/cache/.*/endpoint$",
        lambda v, p: f"master.{v._env}-{v.service(p)}.{v.hex('cache', 6)}.{v._region}.cache.amazonaws.com",
    ),
    (r"^/shared/cache/.*/port$", _fixed("6379")),
    (
        r"^/shared/cache/.*/auth-secret-arn$",
        lambda v, p: v.arn("secretsmanager", f"secret:{v._env}-{v.service(p)}-cache-{v.hex(p, 6)}"),
    ),
    (r"^/shared/cache/.*/replication-group-id$", lambda v, p: f"{v._env}-{v.service(p)}"),
    # Kafka
    (r"/bootstrap-servers$", lambda v, p: ",".join(f"{n}.{v._env}.internal:9093" for n in v.kafka_nodes()[:3])),
    (r"/backup-bucket$", lambda v, p: f"{v._env}-kafka-backup-{v._account}"),
    (r"/instance-ids$", lambda v, p: v.ids("i", p, len(v.kafka_nodes()))),
    (r"/data-volume-ids$", lambda v, p: v.ids("vol", p, len(v.kafka_nodes()))),
    (r"^/shared/kafka/.*/cluster-id$", lambda v, p: v.hex(p, 22)),
    (r"^/shared/kafka/.*/initial-controllers$", lambda v, p: f"1@{v.kafka_nodes()[0]}:9094:{v.hex(p, 22)}"),
    # names and certificates
    (r"^/shared/dns/.*/zone-id$", lambda v, p: f"Z{v.hex(p, 20).upper()}"),
    (r"^/shared/dns/.*/domain$", lambda v, p: f"{v._env}.example.com"),
    (r"/certificate-arn$", lambda v, p: v.arn("acm", f"certificate/{v.uuid(p)}")),
    (
        r"-repository-url$",
        lambda v, p: f"{v._account}.dkr.ecr.{v._region}.amazonaws.com/{v.name(p, drop='-repository-url')}",
    ),
    (r"-repository-arn$", lambda v, p: v.arn("ecr", f"repository/{v.name(p, drop='-repository-arn')}")),
    # load balancers and containers
    (
        r"^/shared/alb/.*/arn$",
        lambda v, p: v.arn("elasticloadbalancing", f"loadbalancer/{v.load_balancer(p, f'{v._env}-public')}"),
    ),
    (
        r"-listener-arn$",
        lambda v, p: v.arn("elasticloadbalancing", f"listener/{v.load_balancer(p, f'{v._env}-public')}/{v.hex(p, 16)}"),
    ),
    (r"^/shared/alb/.*/dns-name$", lambda v, p: f"{v._env}-public-1.{v._region}.elb.amazonaws.com"),
    # The zone of load balancers, fixed by AWS for a region (general reference of Elastic Load Balancing).
    (r"^/shared/alb/.*/zone-id$", lambda v, p: {"ap-northeast-1": "Z14GRHDCWA56QT"}.get(v._region, "ZWKZPGTI48KDX")),
    (r"/target-group-arn-suffix$", lambda v, p: f"targetgroup/{v._env}-{v.service(p)}/{v.hex(p, 16)}"),
    (r"/(alb-)?arn-suffix$", lambda v, p: v.load_balancer(p, f"{v._env}-{p.split('/')[2]}")),
    (r"/cluster-name$", lambda v, p: f"{v._env}-services"),
    (r"/cluster-arn$", lambda v, p: v.arn("ecs", f"cluster/{v._env}-services")),
    (r"/service-name$", lambda v, p: f"{v._env}-{v.service(p)}"),
    (r"/log-group$", lambda v, p: f"/{v._env}/{v.service(p)}"),
    (r"/queue-url$", lambda v, p: f"https://sqs.{v._region}.amazonaws.com/{v._account}/{v._env}-{v.service(p)}"),
    (r"/queue-arn$", lambda v, p: v.arn("sqs", f"{v._env}-{v.service(p)}")),
    (r"/(config-)?bucket$", lambda v, p: f"{v._env}-{v.service(p)}-{v._account}"),
    # the rest
    (r"^/shared/lgtm/.*/endpoint$", lambda v, p: f"http://lgtm.{v._env}.internal"),
    (r"/tenant-id$", lambda v, p: v._env),
    (r"/http-endpoint$", lambda v, p: f"https://{v.hex(p, 10)}.execute-api.{v._region}.amazonaws.com"),
    (r"/websocket-endpoint$", lambda v, p: f"wss://{v.hex(p, 10)}.execute-api.{v._region}.amazonaws.com/live"),
    (r"/state-machine-arn$", lambda v, p: v.arn("states", f"stateMachine:{v._env}-{v.service(p)}")),
    (r"-topic-arn$", lambda v, p: v.arn("sns", v.name(p, drop="-topic-arn"))),
    (r"/vault-arn$", lambda v, p: v.arn("backup", f"backup-vault:{v._env}-backup")),
]
