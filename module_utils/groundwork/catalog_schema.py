"""The shape of a catalog as data: types, limits, units, meanings. Validation and docs/catalog.md come from it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Text:
    """Text; `pattern` is matched against all of it, `form` says the pattern in words."""

    pattern: str = r".+"
    form: str = "text"
    min_length: int = 1
    max_length: int = 256


@dataclass(frozen=True)
class Integer:
    minimum: int
    maximum: int
    unit: str = ""


@dataclass(frozen=True)
class Choice:
    values: tuple[str, ...]


@dataclass(frozen=True)
class Cidr:
    """IPv4 network. Private /19, public and data /20 of four zones fill a /16; AWS allows no larger VPC."""

    prefix: int = 16


@dataclass(frozen=True)
class TopicConfig:
    """Mapping of topic configurations, keys and values as Kafka names them."""


@dataclass(frozen=True)
class ListOf:
    item: Type
    minimum: int = 0
    maximum: int = 10_000
    unique: bool = True


@dataclass(frozen=True)
class Map:
    fields: dict[str, Field]


Type = Text | Integer | Choice | Cidr | TopicConfig | ListOf | Map


@dataclass(frozen=True)
class Field:
    type: Type
    doc: str
    required: bool = True
    default: str = ""
    example: str = ""


# AWS: letters, digits, blanks and _ . : / = + - @ in any script, 256 characters at most.
TAG = Text(r"[\w .:/=+\-@]+", "letters, digits, blanks and _ . : / = + - @ (what AWS allows in a tag)")
OWNER = Text(
    r"[A-Za-z0-9._+\-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+",
    "an e-mail address of a team, in characters that a tag may have",
    max_length=254,
)
COST_CENTER = Text(r"[A-Z]{2,6}-[0-9]{1,8}", "capital letters, a hyphen and digits, like CC-1000", max_length=16)
LIFECYCLE = Choice(("permanent", "temporary", "critical", "non-critical"))
DATA_CLASS = Choice(("public", "internal", "confidential", "restricted", "sensitive"))
REPOSITORY = Text(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}", "owner/name of the source repository", max_length=140
)
INSTANCE_TYPE = Text(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "an EC2 instance type like t3.medium", max_length=32)
DB_CLASS = Text(r"db\.[a-z][a-z0-9]*\.[a-z0-9]+", "an RDS instance class like db.t3.small", max_length=32)
CACHE_TYPE = Text(r"cache\.[a-z][a-z0-9]*\.[a-z0-9]+", "an ElastiCache node type like cache.t3.micro", max_length=32)
# Lower-case letters, digits and single hyphens: what S3, DNS, ECR and ElastiCache all take.
SERVICE_NAME = Text(
    r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*",
    "lower-case letters, digits and single hyphens, starting with a letter (S3, DNS and ElastiCache refuse others)",
    min_length=2,
    max_length=27,
)
TOPIC_NAME = Text(r"[a-zA-Z0-9._-]+", "letters, digits and . _ - (Kafka refuses others)", max_length=249)
GROUP_ID = Text(r"[a-zA-Z0-9._-]+", "letters, digits and . _ -", max_length=249)

_TAGS: dict[str, Field] = {
    "owner": Field(OWNER, "Whom to write to; tag `Owner`.", example="files@example.com"),
    "team": Field(TAG, "Team; tag `Team`.", example="files"),
    "cost_center": Field(COST_CENTER, "Who pays; tag `CostCenter`.", example="CC-1100"),
    "lifecycle": Field(LIFECYCLE, "How long it is meant to stay; tag `Lifecycle`."),
    "data_class": Field(DATA_CLASS, "Most sensitive data it holds; tag `DataClass`."),
    "repository": Field(REPOSITORY, "Where its source lives; tag `Repository`.", example="example/fileflow"),
}

_TOPIC = Map(
    {
        "name": Field(TOPIC_NAME, "Name of the topic, one in the whole catalog.", example="fileflow.uploaded.v1"),
        "partitions": Field(Integer(1, 1000), "Number of partitions; can be raised later, never lowered.", example="6"),
        "replication_factor": Field(
            Integer(1, 32, "brokers"),
            "Copies of each partition, at most one a broker.",
            required=False,
            default="`kafka.default_replication_factor`",
        ),
        "min_insync_replicas": Field(
            Integer(1, 32, "brokers"),
            "Copies that must have a record before `acks=all` is answered; less than the replication factor, "
            "or 1 where that is 1.",
            required=False,
            default="`kafka.default_min_insync_replicas`",
        ),
        "config": Field(
            TopicConfig(),
            "Topic configurations that differ from the brokers' defaults.",
            required=False,
            default="none",
        ),
    }
)


def _extra_login(what: str, connections: int) -> Field:
    """A login beside the service's own."""
    limit = Integer(1, 5000, "connections")
    fields = {"max_connections": Field(limit, "Most connections it may hold at once.", example=str(connections))}
    return Field(Map(fields), f"Login {what}", required=False, default="none")


_SERVICE = Map(
    {
        "name": Field(
            SERVICE_NAME, "Name of the service; names of its resources begin with `{env}-{name}-`.", example="fileflow"
        ),
        **_TAGS,
        "database": Field(
            Map(
                {
                    "engine": Field(Choice(("mysql", "postgresql")), "Shared database server that holds it."),
                    "max_connections": Field(
                        Integer(1, 5000, "connections"), "Most connections its user may hold at once.", example="20"
                    ),
                    "readonly": _extra_login(
                        "`{name}_readonly`, which reads everything in the database and changes nothing.", 5
                    ),
                    "migration": _extra_login(
                        "`{name}_migration`, with which a deployment changes the schema; see [databases.md](databases.md).",
                        2,
                    ),
                }
            ),
            "Database `{name}` and login `{name}_user` on the shared server.",
            required=False,
            default="none",
        ),
        "kafka": Field(
            Map(
                {
                    "topics": Field(ListOf(_TOPIC), "Topics the service owns.", required=False, default="none"),
                    "produces": Field(
                        ListOf(TOPIC_NAME), "Topics it may write, its own or others'.", required=False, default="none"
                    ),
                    "consumes": Field(
                        ListOf(TOPIC_NAME), "Topics it may read, its own or others'.", required=False, default="none"
                    ),
                    "consumer_groups": Field(
                        ListOf(GROUP_ID),
                        "Group ids it may use, literally; no two services share one.",
                        required=False,
                        default="none",
                    ),
                    "quota": Field(
                        Map(
                            {
                                "producer_byte_rate": Field(
                                    Integer(1, 10**12, "bytes/s"),
                                    "What its user may write to one broker; more is slowed down.",
                                    required=False,
                                    default="no limit",
                                ),
                                "consumer_byte_rate": Field(
                                    Integer(1, 10**12, "bytes/s"),
                                    "What its user may read from one broker.",
                                    required=False,
                                    default="no limit",
                                ),
                                "request_percentage": Field(
                                    Integer(1, 100_000, "% of one thread"),
                                    "Time that one broker's threads may spend on its requests.",
                                    required=False,
                                    default="no limit",
                                ),
                                "controller_mutation_rate": Field(
                                    Integer(1, 100_000, "partitions/s"),
                                    "Partitions that it may create or delete.",
                                    required=False,
                                    default="no limit",
                                ),
                            }
                        ),
                        "Client quota of its user.",
                        required=False,
                        default="none",
                    ),
                }
            ),
            "What it owns, writes and reads in Kafka.",
            required=False,
            default="none",
        ),
        "queue": Field(
            Map(
                {
                    "visibility_timeout_seconds": Field(
                        Integer(0, 43_200, "seconds"),
                        "How long a received message is hidden from other receivers.",
                        example="60",
                    ),
                    "max_receive_count": Field(
                        Integer(1, 1000, "receives"),
                        "Receives after which a message goes to the dead letter queue.",
                        example="5",
                    ),
                }
            ),
            "SQS queue and its dead letter queue.",
            required=False,
            default="none",
        ),
        "bucket": Field(
            Map(
                {
                    "ia_days": Field(
                        Integer(30, 36_500, "days"), "Age at which objects go to Infrequent Access.", example="90"
                    ),
                    "glacier_days": Field(
                        Integer(60, 36_500, "days"), "Age at which they go to Glacier.", example="365"
                    ),
                    "expire_days": Field(Integer(61, 36_500, "days"), "Age at which they are deleted.", example="2555"),
                }
            ),
            "S3 bucket with a lifecycle.",
            required=False,
            default="none",
        ),
        "cache": Field(
            Map(
                {
                    "engine": Field(Choice(("valkey", "redis")), "Engine of the cache."),
                    "node_type": Field(CACHE_TYPE, "ElastiCache node type.", example="cache.t3.micro"),
                    "nodes": Field(
                        Integer(1, 6, "nodes"), "Primary and replicas together.", required=False, default="1"
                    ),
                }
            ),
            "ElastiCache cluster.",
            required=False,
            default="none",
        ),
        "image": Field(
            Map({"keep": Field(Integer(1, 1000, "images"), "Newest images that the repository keeps.", example="30")}),
            "ECR repository.",
            required=False,
            default="none",
        ),
        "task": Field(
            Map(
                {
                    "cpu": Field(
                        Integer(256, 16_384, "CPU units, 1024 = 1 vCPU"), "CPU of a Fargate task.", example="256"
                    ),
                    "memory_mib": Field(
                        Integer(512, 122_880, "MiB"),
                        "Memory of a Fargate task; see the table of pairs below.",
                        example="512",
                    ),
                    "count": Field(Integer(0, 100, "tasks"), "Tasks that run.", example="1"),
                }
            ),
            "ECS service on Fargate.",
            required=False,
            default="none",
        ),
    }
)


def _database_server(product: str, version: Text, example: str) -> Map:
    """What is said about a shared database server, the same for every engine."""
    return Map(
        {
            "engine_version": Field(
                version,
                f"{product} version; where it names no patch, RDS takes the newest.",
                example=f'"{example}"',
            ),
            "instance_class": Field(DB_CLASS, "RDS instance class.", example="db.t3.small"),
            "allocated_gib": Field(Integer(20, 65_536, "GiB"), "Storage (gp3) at the start.", example="20"),
            "max_allocated_gib": Field(Integer(22, 65_536, "GiB"), "How far storage grows by itself.", example="100"),
            "max_connections": Field(
                Integer(20, 16_000, "connections"), "Connections the server accepts.", example="100"
            ),
        }
    )


SCHEMA = Map(
    {
        "environment": Field(
            Text(r"[a-z][a-z0-9]{1,9}", "2 to 10 lower-case letters and digits, starting with a letter", max_length=10),
            "Name of the environment; must be the name of the folder. It begins the name of every resource.",
            example="prod",
        ),
        "region": Field(Text(r"[a-z]{2}(?:-[a-z]+)+-[0-9]", "an AWS region like ap-northeast-2"), "AWS region."),
        "account_id": Field(
            Text(r"[0-9]{12}", "12 digits", min_length=12, max_length=12),
            "AWS account of the environment; other accounts are refused. In quotes: it is no number.",
            example='"123456789012"',
        ),
        "tags": Field(Map(_TAGS), "Tags of what is shared. `Environment`, `Service` and `ManagedBy` are added."),
        "network": Field(
            Map(
                {
                    "vpc_cidr": Field(
                        Cidr(), "Range of the VPC; may not overlap another environment's.", example="10.20.0.0/16"
                    ),
                    "availability_zones": Field(
                        ListOf(Text(r"[a-f]", "a letter from a to f", max_length=1), 1, 4),
                        "Zones by their letter. The position decides the subnets' ranges: only append.",
                        example="[a, b, c]",
                    ),
                    "nat_gateways": Field(Choice(("one", "per_zone")), "One for all (cheap) or one in each zone."),
                }
            ),
            "The VPC.",
        ),
        "kafka": Field(
            Map(
                {
                    "version": Field(
                        Text(r"4\.[0-9]{1,2}\.[0-9]{1,2}", "a version like 4.3.1, of Kafka 4 (dynamic quorum)"),
                        "Apache Kafka version.",
                    ),
                    "topology": Field(
                        Choice(("combined", "isolated")),
                        "Brokers that are controllers too, or controllers on hosts of their own.",
                    ),
                    "brokers": Field(Integer(1, 90, "hosts"), "Number of brokers; node ids 1, 2, …", example="3"),
                    "controllers": Field(
                        Integer(0, 9, "hosts"),
                        "Number of controllers with topology `isolated`, node ids 101, 102, …; 0 with `combined`.",
                        example="0",
                    ),
                    "instance_type": Field(INSTANCE_TYPE, "EC2 instance type of each Kafka host.", example="t3.medium"),
                    "volume_gib": Field(
                        Integer(8, 16_384, "GiB"), "Data volume (gp3) of each Kafka host.", example="20"
                    ),
                    "default_replication_factor": Field(
                        Integer(1, 32, "brokers"), "For topics that do not say.", example="3"
                    ),
                    "default_min_insync_replicas": Field(
                        Integer(1, 32, "brokers"), "For topics that do not say.", example="2"
                    ),
                }
            ),
            "The Kafka cluster.",
        ),
        "ops": Field(
            Map(
                {
                    "count": Field(Integer(1, 3, "hosts"), "Number of hosts.", example="1"),
                    "instance_type": Field(INSTANCE_TYPE, "EC2 instance type.", example="t3.small"),
                }
            ),
            "Hosts from which databases are administered and watched.",
        ),
        "databases": Field(
            Map(
                {
                    "mysql": Field(
                        _database_server(
                            "MySQL",
                            Text(r"[0-9]{1,2}\.[0-9]{1,2}(?:\.[0-9]{1,3})?", 'a version in quotes, like "8.4"'),
                            "8.4",
                        ),
                        "The shared MySQL server `{env}-shared-mysql`.",
                    ),
                    "postgresql": Field(
                        _database_server(
                            "PostgreSQL",
                            Text(r"[0-9]{2}(?:\.[0-9]{1,2})?", 'a version in quotes, like "17"'),
                            "17",
                        ),
                        "The shared PostgreSQL server `{env}-shared-postgresql`.",
                        required=False,
                        default="none",
                    ),
                }
            ),
            "Shared database servers.",
        ),
        "services": Field(ListOf(_SERVICE, unique=False), "The services of the environment; may be empty (`[]`)."),
    }
)


@dataclass(frozen=True)
class ConfigKey:
    """One topic configuration. `kind`: int, float, bool, list, choice or replicas."""

    kind: str
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = field(default=())


_LONG = float(2**63 - 1)
_INT = float(2**31 - 1)

# Apache Kafka 4.3: org.apache.kafka.storage.internals.log.LogConfig.configKeys(), without the internal ones.
TOPIC_CONFIGS: dict[str, ConfigKey] = {
    "cleanup.policy": ConfigKey("list", values=("compact", "delete")),
    "compression.gzip.level": ConfigKey("int", -1, 9),
    "compression.lz4.level": ConfigKey("int", 1, 17),
    "compression.type": ConfigKey("choice", values=("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")),
    "compression.zstd.level": ConfigKey("int", -131_072, 22),
    "delete.retention.ms": ConfigKey("int", 0, _LONG),
    "file.delete.delay.ms": ConfigKey("int", 0, _LONG),
    "flush.messages": ConfigKey("int", 1, _LONG),
    "flush.ms": ConfigKey("int", 0, _LONG),
    "follower.replication.throttled.replicas": ConfigKey("replicas"),
    "index.interval.bytes": ConfigKey("int", 0, _INT),
    "leader.replication.throttled.replicas": ConfigKey("replicas"),
    "local.retention.bytes": ConfigKey("int", -2, _LONG),
    "local.retention.ms": ConfigKey("int", -2, _LONG),
    "max.compaction.lag.ms": ConfigKey("int", 1, _LONG),
    "max.message.bytes": ConfigKey("int", 0, _INT),
    "message.timestamp.after.max.ms": ConfigKey("int", 0, _LONG),
    "message.timestamp.before.max.ms": ConfigKey("int", 0, _LONG),
    "message.timestamp.type": ConfigKey("choice", values=("CreateTime", "LogAppendTime")),
    "min.cleanable.dirty.ratio": ConfigKey("float", 0, 1),
    "min.compaction.lag.ms": ConfigKey("int", 0, _LONG),
    "min.insync.replicas": ConfigKey("int", 1, _INT),
    "preallocate": ConfigKey("bool"),
    "remote.log.copy.disable": ConfigKey("bool"),
    "remote.log.delete.on.disable": ConfigKey("bool"),
    "remote.storage.enable": ConfigKey("bool"),
    "retention.bytes": ConfigKey("int", -(2.0**63), _LONG),
    "retention.ms": ConfigKey("int", -1, _LONG),
    "segment.bytes": ConfigKey("int", 1_048_576, _INT),
    "segment.index.bytes": ConfigKey("int", 4, _INT),
    "segment.jitter.ms": ConfigKey("int", 0, _LONG),
    "segment.ms": ConfigKey("int", 1, _LONG),
    "unclean.leader.election.enable": ConfigKey("bool"),
}

# Configurations that the catalog or an operation owns.
TOPIC_CONFIG_ELSEWHERE: dict[str, str] = {
    "min.insync.replicas": "use the key min_insync_replicas of the topic",
    "follower.replication.throttled.replicas": "remove it; a reassignment sets and clears it",
    "leader.replication.throttled.replicas": "remove it; a reassignment sets and clears it",
}

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
FARGATE_MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16_384 + 1, 1024)),
    4096: tuple(range(8192, 30_720 + 1, 1024)),
    8192: tuple(range(16_384, 61_440 + 1, 4096)),
    16_384: tuple(range(32_768, 122_880 + 1, 8192)),
}

# Logins that a service may ask for beside its own; each is a key of its `database`.
EXTRA_LOGINS = ("readonly", "migration")

# Databases and accounts that MySQL, PostgreSQL or RDS own (roles that begin with pg_ are PostgreSQL's), and names that
# Groundwork's own resources have.
RESERVED_DATABASES = (
    *("mysql", "sys", "information_schema", "performance_schema", "innodb", "rdsadmin", "test", "tmp"),
    *("pg", "template0", "template1"),
)
RESERVED_SERVICES = ("shared", "kafka", "ops", "network", "lgtm", "root", "admin", "default", "postgres")

# Connections of the shared server that stay free for administration, the exporter and rotation.
RESERVED_CONNECTIONS = 10

# Longest name that AWS and MySQL take, and the pattern of ours. PostgreSQL's users may be longer, but a service can change engines.
RESOURCE_NAMES: tuple[tuple[str, str, str, int], ...] = (
    ("database", "database user", "{name}_user", 32),
    ("database.readonly", "database user", "{name}_readonly", 32),
    ("database.migration", "database user", "{name}_migration", 32),
    ("bucket", "S3 bucket", "{env}-{name}-bucket-{account}", 63),
    ("queue", "SQS dead letter queue", "{env}-{name}-queue-dlq", 80),
    ("cache", "ElastiCache cluster", "{env}-{name}-cache", 40),
    ("image", "ECR repository", "{env}-{name}", 256),
    ("task", "load balancer", "{env}-{name}-alb", 32),
    ("task", "ECS service", "{env}-{name}-service", 255),
)
