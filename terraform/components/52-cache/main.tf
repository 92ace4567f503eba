module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "cache"
}

locals {
  env      = module.context.environment
  services = { for service in module.context.catalog.services : service.name => service if try(service.cache, null) != null }

  # A cache belongs to its service: its tags are the service's.
  tags = {
    for name, service in local.services : name => {
      Service    = name
      Owner      = service.owner
      CostCenter = service.cost_center
      Team       = service.team
      DataClass  = service.data_class
      Lifecycle  = service.lifecycle
      Repository = service.repository
    }
  }
}

data "aws_ssm_parameter" "this" {
  for_each = {
    data_subnet_ids     = "/shared/network/data-subnet-ids"
    cache_group_id      = "/shared/security-groups/${local.env}/cache-id"
    elasticache_key_arn = "/shared/kms/elasticache-key-arn"
    secrets_key_arn     = "/shared/kms/secrets-manager-key-arn"
    logs_key_arn        = "/shared/kms/cloudwatch-logs-key-arn"
  }

  name = each.value
}

locals {
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }
}

module "token" {
  source   = "../../modules/generated-password"
  for_each = local.services

  name             = "${local.env}-${each.key}-cache-token"
  description      = "Origin of the token of ${local.env}-${each.key}-cache; clients read ${local.env}-${each.key}-cache"
  kms_key_arn      = local.shared.secrets_key_arn
  recovery_days    = var.settings.secret_recovery_days
  password_version = var.settings.cache_token_version
  tags             = local.tags[each.key]
}

module "cache" {
  source   = "../../modules/cache"
  for_each = local.services

  name        = "${local.env}-${each.key}-cache"
  description = "Cache of ${each.key}"
  region      = module.context.region
  engine      = each.value.cache.engine
  node_type   = each.value.cache.node_type
  nodes       = each.value.cache.nodes

  subnet_ids         = split(",", local.shared.data_subnet_ids)
  security_group_ids = [local.shared.cache_group_id]
  kms_key_arn        = local.shared.elasticache_key_arn
  logs_kms_key_arn   = local.shared.logs_key_arn

  log_retention_days = var.settings.log_retention_days
  apply_immediately  = var.settings.apply_immediately
  # A single node is for what can be lost.
  snapshot_retention_days = each.value.cache.nodes > 1 ? var.settings.backup_retention_days : 0

  auth_token         = module.token[each.key].password
  auth_token_version = module.token[each.key].password_version
  tags               = local.tags[each.key]
}

module "secret" {
  source   = "../../modules/secret"
  for_each = local.services

  name          = "${local.env}-${each.key}-cache"
  description   = "Access to ${local.env}-${each.key}-cache: engine, host, port, password; TLS only"
  kms_key_arn   = local.shared.secrets_key_arn
  recovery_days = var.settings.secret_recovery_days
  value_version = module.token[each.key].password_version
  tags          = local.tags[each.key]

  value = jsonencode({
    engine   = module.cache[each.key].engine
    host     = module.cache[each.key].host
    port     = module.cache[each.key].port
    password = module.token[each.key].password
  })
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = merge([
    for name, cache in module.cache : {
      "/shared/cache/${local.env}/${name}/endpoint"             = { description = "Cache of ${name}: host name of the primary", value = cache.host }
      "/shared/cache/${local.env}/${name}/port"                 = { description = "Cache of ${name}: port", value = tostring(cache.port) }
      "/shared/cache/${local.env}/${name}/auth-secret-arn"      = { description = "Cache of ${name}: secret of its clients", value = module.secret[name].arn }
      "/shared/cache/${local.env}/${name}/replication-group-id" = { description = "Cache of ${name}: replication group", value = cache.replication_group_id }
    }
  ]...)
}
