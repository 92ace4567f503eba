module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "shared-rds"
}

locals {
  env       = module.context.environment
  databases = { for engine, database in module.context.catalog.databases : engine => database if database != null }
  engines   = { mysql = "mysql", postgresql = "postgres" }
  titles    = { mysql = "MySQL", postgresql = "PostgreSQL" }

  # RDS for PostgreSQL takes a new max_connections only by a restart.
  apply_methods = { mysql = "immediate", postgresql = "pending-reboot" }

  # The standby environment: its databases replicate those of the primary until they are promoted (settings.promoted), and
  # their administrators are the primary's. Replication is asynchronous, by seconds: the recovery point objective of 15
  # minutes is watched by the alarm on the replica's lag, the recovery time objective of 2 hours by the fail-over drill.
  standby     = try(var.settings.peer.role == "primary", false)
  replicates  = local.standby && !var.settings.promoted
  source_arns = { for engine in keys(local.databases) : engine => local.replicates ? "arn:aws:rds:${var.settings.peer.region}:${module.context.account_id}:db:${var.settings.peer.environment}-shared-${engine}" : "" }
}

data "aws_ssm_parameter" "this" {
  for_each = {
    data_subnet_ids = "/shared/network/data-subnet-ids"
    rds_group_id    = "/shared/security-groups/${local.env}/rds-id"
    rds_key_arn     = "/shared/kms/rds-key-arn"
    secrets_key_arn = "/shared/kms/secrets-manager-key-arn"
    logs_key_arn    = "/shared/kms/cloudwatch-logs-key-arn"
    s3_key_arn      = "/shared/kms/s3-key-arn"
  }

  name = each.value
}

locals {
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }
}

# ------------------------------------------------------------------------------------------------------- administrators

module "password" {
  source   = "../../modules/generated-password"
  for_each = local.standby ? {} : local.databases

  name             = "${local.env}-shared-${each.key}-master-password"
  description      = "Origin of the master password of ${local.env}-shared-${each.key}; clients read ${local.env}-shared-${each.key}-master"
  kms_key_arn      = local.shared.secrets_key_arn
  recovery_days    = var.settings.secret_recovery_days
  password_version = var.settings.master_password_version
}

# The primary keeps a copy of its passwords in this region (its component 90-backup-dr): they are there without its region.
ephemeral "aws_secretsmanager_secret_version" "primary" {
  for_each = local.standby ? local.databases : {}

  secret_id = "${var.settings.peer.environment}-shared-${each.key}-master-password"
}

locals {
  passwords = merge(
    { for engine, password in module.password : engine => password.password },
    { for engine, secret in ephemeral.aws_secretsmanager_secret_version.primary : engine => secret.secret_string },
  )
}

module "secret" {
  source   = "../../modules/secret"
  for_each = local.databases

  name          = "${local.env}-shared-${each.key}-master"
  description   = "Administrator of ${local.env}-shared-${each.key}: engine, host, port, username, password"
  kms_key_arn   = local.shared.secrets_key_arn
  recovery_days = var.settings.secret_recovery_days
  value_version = var.settings.master_password_version

  value = jsonencode({
    engine   = module.database[each.key].engine
    host     = module.database[each.key].host
    port     = module.database[each.key].port
    username = module.database[each.key].master_username
    password = local.passwords[each.key]
  })
}

# ------------------------------------------------------------------------------------------------------------ instances

module "database" {
  source   = "../../modules/rds"
  for_each = local.databases

  identifier           = "${local.env}-shared-${each.key}"
  engine               = local.engines[each.key]
  engine_version       = each.value.engine_version
  instance_class       = each.value.instance_class
  replicate_source_arn = local.source_arns[each.key]

  storage = {
    allocated_gib     = each.value.allocated_gib
    max_allocated_gib = each.value.max_allocated_gib
  }

  parameters = {
    max_connections = { value = tostring(each.value.max_connections), apply_method = local.apply_methods[each.key] }
  }

  subnet_ids         = split(",", local.shared.data_subnet_ids)
  security_group_ids = [local.shared.rds_group_id]
  kms_key_arn        = local.shared.rds_key_arn
  logs_kms_key_arn   = local.shared.logs_key_arn

  multi_az                    = var.settings.multi_az
  backup_retention_days       = var.settings.backup_retention_days
  deletion_protection         = var.settings.deletion_protection
  log_retention_days          = var.settings.log_retention_days
  monitoring_interval_seconds = var.settings.monitoring_interval_seconds
  performance_insights        = var.settings.performance_insights
  apply_immediately           = var.settings.apply_immediately
  master_password             = local.passwords[each.key]
  master_password_version     = var.settings.master_password_version
}

# ---------------------------------------------------------------------------------------------------------------- dumps

# Logical dumps of the services' databases, the last one of a service that left among them; ops hosts read and write below dumps/
# (component 40-iam).
module "backup" {
  source = "../../modules/bucket"

  name                = "${local.env}-database-backup-${module.context.account_id}"
  kms_key_arn         = local.shared.s3_key_arn
  deletion_protection = var.settings.deletion_protection

  lifecycle_rule = !var.settings.expire_objects ? null : {
    transitions = { STANDARD_IA = 30 }
    expire_days = var.settings.database_dump_days
  }
}

# --------------------------------------------------------------------------------------------------------------- export

locals {
  # MySQL was the first and has no engine in its paths.
  paths = { mysql = "/shared/rds/${local.env}", postgresql = "/shared/rds/${local.env}/postgresql" }
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = merge(
    {
      "/shared/rds/${local.env}/security-group-id" = { description = "Shared databases: security group", value = local.shared.rds_group_id }
      "/shared/rds/${local.env}/backup-bucket"     = { description = "Shared databases: bucket of the services' dumps", value = module.backup.name }
    },
    [
      for engine, database in module.database : {
        "${local.paths[engine]}/identifier"        = { description = "Shared ${local.titles[engine]}: identifier", value = database.identifier }
        "${local.paths[engine]}/endpoint"          = { description = "Shared ${local.titles[engine]}: host name", value = database.host }
        "${local.paths[engine]}/port"              = { description = "Shared ${local.titles[engine]}: port", value = tostring(database.port) }
        "${local.paths[engine]}/master-secret-arn" = { description = "Shared ${local.titles[engine]}: administrator's secret", value = module.secret[engine].arn }
      }
    ]...
  )
}
