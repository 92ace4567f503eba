module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "shared-rds"
}

locals {
  mysql      = module.context.catalog.databases.mysql
  identifier = "${module.context.environment}-shared-mysql"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    data_subnet_ids = "/shared/network/data-subnet-ids"
    rds_group_id    = "/shared/security-groups/${module.context.environment}/rds-id"
    rds_key_arn     = "/shared/kms/rds-key-arn"
    secrets_key_arn = "/shared/kms/secrets-manager-key-arn"
    logs_key_arn    = "/shared/kms/cloudwatch-logs-key-arn"
  }

  name = each.value
}

locals {
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }
}

module "password" {
  source = "../../modules/generated-password"

  name             = "${local.identifier}-master-password"
  description      = "Origin of the master password of ${local.identifier}; clients read ${local.identifier}-master"
  kms_key_arn      = local.shared.secrets_key_arn
  recovery_days    = var.settings.secret_recovery_days
  password_version = var.settings.master_password_version
}

module "mysql" {
  source = "../../modules/rds"

  identifier     = local.identifier
  engine         = "mysql"
  engine_version = local.mysql.engine_version
  instance_class = local.mysql.instance_class

  storage = {
    allocated_gib     = local.mysql.allocated_gib
    max_allocated_gib = local.mysql.max_allocated_gib
  }

  parameters = {
    max_connections = { value = tostring(local.mysql.max_connections) }
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
  master_password             = module.password.password
  master_password_version     = module.password.password_version
}

module "secret" {
  source = "../../modules/connection-secret"

  name             = "${local.identifier}-master"
  description      = "Administrator of ${local.identifier}: engine, host, port, username, password"
  kms_key_arn      = local.shared.secrets_key_arn
  recovery_days    = var.settings.secret_recovery_days
  password         = module.password.password
  password_version = module.password.password_version

  connection = {
    engine   = module.mysql.engine
    host     = module.mysql.host
    port     = module.mysql.port
    username = module.mysql.master_username
  }
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/rds/${module.context.environment}/identifier"        = { description = "Shared MySQL: identifier", value = module.mysql.identifier }
    "/shared/rds/${module.context.environment}/endpoint"          = { description = "Shared MySQL: host name", value = module.mysql.host }
    "/shared/rds/${module.context.environment}/port"              = { description = "Shared MySQL: port", value = tostring(module.mysql.port) }
    "/shared/rds/${module.context.environment}/security-group-id" = { description = "Shared MySQL: security group", value = local.shared.rds_group_id }
    "/shared/rds/${module.context.environment}/master-secret-arn" = { description = "Shared MySQL: administrator's secret", value = module.secret.arn }
  }
}
