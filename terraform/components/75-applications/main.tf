module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "applications"
}

locals {
  env      = module.context.environment
  region   = module.context.region
  account  = module.context.account_id
  services = { for service in module.context.catalog.services : service.name => service if try(service.task, null) != null }
  cached   = [for name, service in local.services : name if try(service.cache, null) != null]
}

data "aws_ssm_parameter" "this" {
  for_each = {
    vpc_id             = "/shared/network/vpc-id"
    private_subnet_ids = "/shared/network/private-subnet-ids"
    namespace_id       = "/shared/network/namespace-id"
    logs_key_arn       = "/shared/kms/cloudwatch-logs-key-arn"
    s3_key_arn         = "/shared/kms/s3-key-arn"
    secrets_key_arn    = "/shared/kms/secrets-manager-key-arn"
    sqs_key_arn        = "/shared/kms/sqs-key-arn"
    ssm_key_arn        = "/shared/kms/ssm-key-arn"
    ecs_group_id       = "/shared/security-groups/${local.env}/ecs-id"
    rds_group_id       = "/shared/security-groups/${local.env}/rds-id"
    cache_group_id     = "/shared/security-groups/${local.env}/cache-id"
    kafka_group_id     = "/shared/security-groups/${local.env}/kafka-id"
    zone_id            = "/shared/dns/${local.env}/zone-id"
    domain             = "/shared/dns/${local.env}/domain"
    listener_arn       = "/shared/alb/${local.env}/https-listener-arn"
    alb_dns_name       = "/shared/alb/${local.env}/dns-name"
    alb_zone_id        = "/shared/alb/${local.env}/zone-id"
    cluster_arn        = "/shared/ecs/${local.env}/cluster-arn"
    exec_log_group_arn = "/shared/ecs/${local.env}/exec-log-group-arn"
  }

  name = each.value
}

data "aws_ssm_parameter" "repository_url" {
  for_each = local.services

  name = "/shared/ecr/${each.key}-repository-url"

  lifecycle {
    precondition {
      condition     = try(each.value.image, null) != null
      error_message = "Service ${each.key} has a task and no image. Give it `image: {keep: 30}` in the catalog."
    }
  }
}

data "aws_ssm_parameter" "repository_arn" {
  for_each = local.services

  name = "/shared/ecr/${each.key}-repository-arn"
}

data "aws_ssm_parameter" "cache_secret_arn" {
  for_each = toset(local.cached)

  name = "/shared/cache/${local.env}/${each.key}/auth-secret-arn"
}

locals {
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }

  cache_secret_arns = { for name, parameter in data.aws_ssm_parameter.cache_secret_arn : name => nonsensitive(parameter.value) }

  # Logins of databases and Kafka are made by the roles shared_database and kafka: known by name here, not by ARN. ECS and
  # Secrets Manager take an ARN without its last six characters.
  secret_arn = "arn:aws:secretsmanager:${local.region}:${local.account}:secret"
  logins = {
    for name, service in local.services : name => merge(
      try(service.database, null) == null ? {} : {
        DATABASE = { arn = "${local.secret_arn}:${local.env}-${name}-database", suffix = "-??????", keys = { HOST = "host", PORT = "port", NAME = "dbname", USERNAME = "username", PASSWORD = "password" } }
      },
      try(service.kafka, null) == null ? {} : {
        KAFKA = { arn = "${local.secret_arn}:${local.env}-${name}-kafka", suffix = "-??????", keys = { BOOTSTRAP_SERVERS = "bootstrap_servers", MECHANISM = "mechanism", USERNAME = "username", PASSWORD = "password" } }
      },
      !contains(local.cached, name) ? {} : {
        CACHE = { arn = local.cache_secret_arns[name], suffix = "", keys = { HOST = "host", PORT = "port", PASSWORD = "password" } }
      },
    )
  }
}

module "application" {
  source   = "../../modules/application-stack"
  for_each = local.services

  environment = local.env
  service     = each.key
  account_id  = local.account
  region      = local.region

  image = {
    repository_url = nonsensitive(data.aws_ssm_parameter.repository_url[each.key].value)
    repository_arn = nonsensitive(data.aws_ssm_parameter.repository_arn[each.key].value)
    tag            = lookup(var.settings.image_tags, each.key, var.settings.default_image_tag)
  }

  task         = each.value.task
  port         = var.settings.application_port
  health_check = { path = var.settings.health_path }
  autoscaling  = { max_count = var.settings.application_max_count }
  queue        = try(each.value.queue, null)
  bucket       = try(each.value.bucket, null)

  secrets = merge([
    for prefix, login in local.logins[each.key] : {
      for name, key in login.keys : "${prefix}_${name}" => { value_from = "${login.arn}:${key}::", policy_arn = "${login.arn}${login.suffix}" }
    }
  ]...)

  network = {
    vpc_id             = local.shared.vpc_id
    subnet_ids         = split(",", local.shared.private_subnet_ids)
    security_group_ids = [local.shared.ecs_group_id]
    namespace_id       = local.shared.namespace_id
    reaches = merge(
      try(each.value.database, null) == null ? {} : {
        database = { security_group_id = local.shared.rds_group_id, port = each.value.database.engine == "mysql" ? 3306 : 5432 }
      },
      try(each.value.kafka, null) == null ? {} : { kafka = { security_group_id = local.shared.kafka_group_id, port = 9094 } },
      try(each.value.cache, null) == null ? {} : { cache = { security_group_id = local.shared.cache_group_id, port = 6379 } },
    )
  }

  load_balancer = {
    listener_arn = local.shared.listener_arn
    dns_name     = local.shared.alb_dns_name
    zone_id      = local.shared.alb_zone_id
  }

  dns = {
    zone_id       = local.shared.zone_id
    domain        = local.shared.domain
    other_domains = var.settings.other_domains
    # An environment that another stands by for has the first records of each pair.
    failover = try(var.settings.peer.role, "") == "standby" ? "PRIMARY" : ""
  }

  keys = {
    logs    = local.shared.logs_key_arn
    s3      = local.shared.s3_key_arn
    secrets = local.shared.secrets_key_arn
    sqs     = local.shared.sqs_key_arn
  }

  cluster_arn = local.shared.cluster_arn
  capacity_strategy = {
    for provider, weight in { FARGATE = 100 - var.settings.fargate_spot_percent, FARGATE_SPOT = var.settings.fargate_spot_percent } : provider => weight
    if weight > 0
  }
  exec = var.settings.execute_command ? { log_group_arn = local.shared.exec_log_group_arn, kms_key_arn = local.shared.ssm_key_arn } : null

  expire_objects      = var.settings.expire_objects
  log_retention_days  = var.settings.log_retention_days
  deletion_protection = var.settings.deletion_protection

  tags = {
    Service    = each.key
    Owner      = each.value.owner
    CostCenter = each.value.cost_center
    Team       = each.value.team
    DataClass  = each.value.data_class
    Lifecycle  = each.value.lifecycle
    Repository = each.value.repository
  }
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = merge([
    for name, application in module.application : merge(
      {
        "/shared/applications/${local.env}/${name}/service-name"            = { description = "${name}: ECS service", value = application.service_name }
        "/shared/applications/${local.env}/${name}/log-group"               = { description = "${name}: log group", value = application.log_group.name }
        "/shared/applications/${local.env}/${name}/target-group-arn-suffix" = { description = "${name}: target group's name in CloudWatch", value = application.target_group.arn_suffix }
      },
      # Whether there is one is the catalog's word: it decides at plan time.
      try(local.services[name].queue, null) == null ? {} : {
        "/shared/applications/${local.env}/${name}/queue-url" = { description = "${name}: queue", value = application.queue.url }
      },
      try(local.services[name].bucket, null) == null ? {} : {
        "/shared/applications/${local.env}/${name}/bucket" = { description = "${name}: bucket", value = application.bucket.name }
      },
    )
  ]...)
}
