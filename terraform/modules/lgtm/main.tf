locals {
  prefix = "${var.environment}-lgtm"

  fargate_memory_mib = {
    "256"  = [512, 1024, 2048]
    "512"  = range(1024, 4097, 1024)
    "1024" = range(2048, 8193, 1024)
    "2048" = range(4096, 16385, 1024)
    "4096" = range(8192, 30721, 1024)
  }

  grpc_port = 9095
  # The images' own users. A task's volume belongs to root, so the first container hands it over.
  user = "10001:10001"

  # Data of the server in its bucket that only ages: deleted by the server itself, and by S3 when the server missed it.
  # The rest (rules, markers, delete requests) stays as long as the bucket.
  stores = {
    mimir     = { days = var.retention_days.metrics, prefixes = ["blocks/"] }
    loki      = { days = var.retention_days.logs, prefixes = concat([for tenant in local.tenants : "${tenant}/"], ["index/loki_index_"]) }
    tempo     = { days = var.retention_days.traces, prefixes = ["traces/"] }
    pyroscope = { days = var.retention_days.profiles, prefixes = ["profiles/"] }
  }
  # A block's data are up to a day older than its object, and the server deletes with a delay.
  expiry_margin_days = 7

  tenants = concat(var.former_tenant_ids, [var.tenant_id])
  hosts   = { for name in keys(var.servers) : name => "lgtm-${name}.${var.namespace.domain}" }

  # Alloy reads a target every 15 seconds; after an outage it sends what it kept, three times as fast as it came.
  samples_per_second = ceil(var.limits.series / 15) * 3

  configs = {
    for name, store in local.stores : name => templatefile("${path.module}/configs/${name}.yaml.tftpl", {
      bucket             = module.bucket[name].name
      cluster            = "${local.prefix}-${name}"
      endpoint           = var.endpoint
      grpc_port          = local.grpc_port
      host               = local.hosts[name]
      limits             = var.limits
      peers              = "dns+${local.hosts[name]}:7946"
      port               = var.ports[name]
      ports              = var.ports
      region             = var.region
      replicas           = min(var.servers[name].count, 3)
      retention_days     = store.days
      samples_per_second = local.samples_per_second
      tenants            = length(local.tenants)
    })
  }

  files = merge(
    {
      for name, config in local.configs : name => merge(
        { "config.yaml" = config },
        name == "mimir" ? {
          "alertmanager.yaml" = templatefile("${path.module}/configs/alertmanager.yaml.tftpl", {
            environment = var.environment
            region      = var.region
            topic_arn   = var.alerts.topic_arn
          })
        } : {},
      )
    },
    {
      grafana = {
        "grafana.ini" = templatefile("${path.module}/configs/grafana.ini.tftpl", { endpoint = var.endpoint, port = var.ports.grafana })
        "provisioning/datasources/groundwork.yaml" = templatefile("${path.module}/configs/datasources.yaml.tftpl", {
          current       = var.tenant_id
          endpoint      = var.endpoint
          region        = var.region
          tenant_header = var.tenant_header
          tenants       = local.tenants
        })
      }
    },
  )

  # Backends of the route table that a server answers.
  backends = { for name in keys(var.servers) : name => name == "tempo" ? ["tempo", "tempo_otlp"] : [name] }

  # The configuration travels in the task definition: a revision and its configuration are one thing, so the deployment
  # circuit breaker's way back restores both. The servers' images have no shell, hence a container of its own before them.
  setup = {
    for name, files in local.files : name => join("\n", concat(
      ["set -eu"],
      flatten([
        for index, path in keys(files) : [
          "mkdir -p \"$(dirname '/etc/lgtm/${path}')\"",
          "printf %s \"$FILE_${index}\" | base64 -d > '/etc/lgtm/${path}'",
        ]
      ]),
      ["chmod 1777 /tmp"],
      name == "grafana" ? [] : ["chown ${local.user} /data"],
    ))
  }
}

# ------------------------------------------------------------------------------------------------------------- buckets

module "bucket" {
  source   = "../bucket"
  for_each = toset(concat(keys(local.stores), ["config"]))

  name                = "${local.prefix}-${each.key}-${var.account_id}"
  kms_key_arn         = var.kms_key_arns.data
  deletion_protection = var.deletion_protection
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = { for name, bucket in module.bucket : name => bucket if var.expire_objects }

  bucket = each.value.name

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 7
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = toset(try(local.stores[each.key].prefixes, []))

    content {
      id     = "retention-${trim(rule.value, "/_")}"
      status = "Enabled"

      filter {
        prefix = rule.value
      }

      expiration {
        days = local.stores[each.key].days + local.expiry_margin_days
      }
    }
  }
}

# What runs, to be read and checked without a task definition.
resource "aws_s3_object" "config" {
  for_each = merge([for name, files in local.files : { for path, text in files : "${name}/${path}" => text }]...)

  bucket     = module.bucket["config"].name
  key        = each.key
  content    = each.value
  kms_key_id = var.kms_key_arns.data
}

# -------------------------------------------------------------------------------------------------------------- rights

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "SecretsOfGrafana"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = values(var.secret_arns)
  }

  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arns.secrets]
  }
}

module "execution_role" {
  source = "../iam-role"

  name                = "${local.prefix}-execution"
  description         = "Starts the observability servers: pulls images, writes logs, hands Grafana its secrets"
  trust_policy        = data.aws_iam_policy_document.trust.json
  managed_policy_arns = { execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy" }
  inline_policies     = { secrets = data.aws_iam_policy_document.execution.json }
}

data "aws_iam_policy_document" "store" {
  for_each = local.stores

  statement {
    sid       = "ListOwnBucket"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [module.bucket[each.key].arn]
  }

  statement {
    sid       = "OwnObjects"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${module.bucket[each.key].arn}/*"]
  }

  statement {
    sid       = "EncryptOwnObjects"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arns.data]
  }
}

data "aws_iam_policy_document" "alerts" {
  statement {
    sid       = "NotifyOwnTopic"
    actions   = ["sns:Publish"]
    resources = [var.alerts.topic_arn]
  }

  statement {
    sid       = "EncryptForTopic"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.alerts.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["sns.${var.region}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "grafana" {
  statement {
    sid       = "MountOwnFiles"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.grafana.arn]

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.grafana.arn]
    }
  }

  # Its data source CloudWatch.
  statement {
    sid = "ReadMetrics"
    actions = [
      "cloudwatch:GetMetricData",
      "cloudwatch:ListMetrics",
      "ec2:DescribeRegions",
      "tag:GetResources",
    ]
    resources = ["*"] # These actions know no resource.
  }
}

module "task_role" {
  source   = "../iam-role"
  for_each = var.servers

  name         = "${local.prefix}-${each.key}"
  description  = "What ${each.key} may do: its own ${each.key == "grafana" ? "files, and metrics" : "bucket"}${each.key == "mimir" ? ", and notify" : ""}"
  trust_policy = data.aws_iam_policy_document.trust.json
  inline_policies = merge(
    { own = each.key == "grafana" ? data.aws_iam_policy_document.grafana.json : data.aws_iam_policy_document.store[each.key].json },
    each.key == "mimir" ? { alerts = data.aws_iam_policy_document.alerts.json } : {},
  )
}

# ------------------------------------------------------------------------------------------------------ Grafana's files

# Users, sessions and what people saved by hand; dashboards and data sources come from code. A file system needs nothing
# of the shared databases, whose own alarms Grafana shows.
resource "aws_efs_file_system" "grafana" {
  creation_token   = "${local.prefix}-grafana"
  encrypted        = true
  kms_key_id       = var.kms_key_arns.data
  throughput_mode  = "elastic"
  performance_mode = "generalPurpose"

  tags = { Name = "${local.prefix}-grafana" }
}

resource "aws_efs_access_point" "grafana" {
  file_system_id = aws_efs_file_system.grafana.id

  posix_user {
    uid = 472
    gid = 472
  }

  root_directory {
    path = "/grafana"

    creation_info {
      owner_uid   = 472
      owner_gid   = 472
      permissions = "0750"
    }
  }

  tags = { Name = "${local.prefix}-grafana" }
}

resource "aws_efs_mount_target" "grafana" {
  for_each = toset(var.subnet_ids)

  file_system_id  = aws_efs_file_system.grafana.id
  subnet_id       = each.value
  security_groups = [var.security_group_id]
}

data "aws_iam_policy_document" "files" {
  statement {
    sid       = "RefuseWithoutTls"
    effect    = "Deny"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientRootAccess", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.grafana.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "OnlyGrafana"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.grafana.arn]

    principals {
      type        = "AWS"
      identifiers = [module.task_role["grafana"].arn]
    }

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.grafana.arn]
    }
  }
}

resource "aws_efs_file_system_policy" "grafana" {
  file_system_id = aws_efs_file_system.grafana.id
  policy         = data.aws_iam_policy_document.files.json
}

# ------------------------------------------------------------------------------------------------------------ services

resource "aws_cloudwatch_log_group" "this" {
  for_each = var.servers

  name              = "/ecs/${local.prefix}-${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arns.logs

  tags = { Name = "${local.prefix}-${each.key}" }
}

resource "aws_service_discovery_service" "this" {
  for_each = var.servers

  name          = "lgtm-${each.key}"
  description   = "Tasks of ${each.key}"
  force_destroy = true

  dns_config {
    namespace_id   = var.namespace.id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  tags = { Name = "${local.prefix}-${each.key}" }
}

resource "aws_ecs_task_definition" "this" {
  for_each = var.servers

  family                   = "${local.prefix}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory_mib
  execution_role_arn       = module.execution_role.arn
  task_role_arn            = module.task_role[each.key].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  dynamic "volume" {
    for_each = each.key == "grafana" ? ["config", "tmp"] : ["config", "data", "tmp"]

    content {
      name = volume.value
    }
  }

  dynamic "volume" {
    for_each = each.key == "grafana" ? ["data"] : []

    content {
      name = volume.value

      efs_volume_configuration {
        file_system_id     = aws_efs_file_system.grafana.id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = aws_efs_access_point.grafana.id
          iam             = "ENABLED"
        }
      }
    }
  }

  container_definitions = jsonencode([
    {
      name                   = "configure"
      image                  = var.images.configure
      essential              = false
      readonlyRootFilesystem = true
      user                   = "0"
      command                = ["sh", "-c", local.setup[each.key]]
      environment            = [for index, text in values(local.files[each.key]) : { name = "FILE_${index}", value = base64encode(text) }]
      mountPoints = concat(
        [{ sourceVolume = "config", containerPath = "/etc/lgtm", readOnly = false }],
        [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }],
        each.key == "grafana" ? [] : [{ sourceVolume = "data", containerPath = "/data", readOnly = false }],
      )
      logConfiguration = local.logging[each.key]
    },
    merge(local.health_checks[each.key], {
      name                   = each.key
      image                  = var.images[each.key]
      essential              = true
      readonlyRootFilesystem = true
      user                   = each.key == "grafana" ? "472" : local.user
      command                = each.key == "grafana" ? [] : ["-config.file=/etc/lgtm/config.yaml"]
      environment            = each.key == "grafana" ? [for name, value in local.grafana_environment : { name = name, value = value }] : []
      secrets = each.key == "grafana" ? [
        { name = "GF_SECURITY_ADMIN_PASSWORD", valueFrom = var.secret_arns.admin_password },
        { name = "GF_SECURITY_SECRET_KEY", valueFrom = var.secret_arns.secret_key },
      ] : []
      dependsOn    = [{ containerName = "configure", condition = "SUCCESS" }]
      portMappings = [for backend in local.backends[each.key] : { containerPort = var.ports[backend], hostPort = var.ports[backend], protocol = "tcp" }]
      mountPoints = [
        { sourceVolume = "config", containerPath = "/etc/lgtm", readOnly = true },
        { sourceVolume = "data", containerPath = "/data", readOnly = false },
        { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
      ]
      linuxParameters = { capabilities = { add = [], drop = ["ALL"] } }
      # The longest that Fargate gives: in it the server ships what it holds.
      stopTimeout      = 120
      logConfiguration = local.logging[each.key]
    }),
  ])

  tags = { Name = "${local.prefix}-${each.key}" }
}

locals {
  # Asked inside of the container, by a program of its image. Mimir's and Tempo's images have nothing but the server,
  # which cannot ask itself: for them the load balancer's check, which all have, is the only one.
  health_urls = { for name, health in var.health : name => "http://127.0.0.1:${health.port}${health.path}" }
  health_commands = {
    loki      = ["CMD", "/usr/bin/loki", "-health", "-health.url=${local.health_urls.loki}"]
    pyroscope = ["CMD", "/usr/bin/profilecli", "ready", "--url=http://127.0.0.1:${var.health.pyroscope.port}"]
    grafana   = ["CMD", "wget", "-q", "-O", "/dev/null", local.health_urls.grafana]
  }
  health_checks = {
    for server in keys(var.servers) : server => {
      for name, command in local.health_commands : "healthCheck" => {
        command = command
        # As the load balancer asks, and with the time that the members of a ring take.
        interval    = 15
        timeout     = 5
        retries     = 4
        startPeriod = 180
      } if name == server
    }
  }

  grafana_environment = {
    GF_PATHS_CONFIG       = "/etc/lgtm/grafana.ini"
    GF_PATHS_DATA         = "/data"
    GF_PATHS_PLUGINS      = "/data/plugins"
    GF_PATHS_PROVISIONING = "/etc/lgtm/provisioning"
  }

  logging = {
    for name in keys(var.servers) : name => {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this[name].name
        awslogs-region        = var.region
        awslogs-stream-prefix = name
      }
    }
  }
}

resource "aws_ecs_service" "this" {
  for_each = var.servers

  name            = "${local.prefix}-${each.key}"
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this[each.key].arn
  desired_count   = each.value.count
  propagate_tags  = "SERVICE"

  # Two Grafanas must never write one database file: the old one stops first.
  deployment_minimum_healthy_percent = each.key == "grafana" ? 0 : 100
  deployment_maximum_percent         = each.key == "grafana" ? 100 : 200
  # The members of a ring wait for it to settle before they call themselves ready.
  health_check_grace_period_seconds = 180
  availability_zone_rebalancing     = each.key == "grafana" ? "DISABLED" : "ENABLED"

  capacity_provider_strategy {
    capacity_provider = var.spot ? "FARGATE_SPOT" : "FARGATE"
    weight            = 1
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  service_registries {
    registry_arn = aws_service_discovery_service.this[each.key].arn
  }

  dynamic "load_balancer" {
    for_each = toset(local.backends[each.key])

    content {
      target_group_arn = var.target_group_arns[load_balancer.value]
      container_name   = each.key
      container_port   = var.ports[load_balancer.value]
    }
  }

  tags = { Name = "${local.prefix}-${each.key}" }

  # Grafana cannot start before its files can be reached, nor any server before its rights.
  depends_on = [aws_efs_mount_target.grafana, aws_efs_file_system_policy.grafana, module.task_role, module.execution_role]
}
