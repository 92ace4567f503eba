module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "shared-rds"
}

locals {
  mysql = module.context.catalog.databases.mysql
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

module "mysql" {
  source = "../../modules/rds"

  identifier     = "${module.context.environment}-shared-mysql"
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

  subnet_ids          = split(",", local.shared.data_subnet_ids)
  security_group_ids  = [local.shared.rds_group_id]
  kms_key_arn         = local.shared.rds_key_arn
  secrets_kms_key_arn = local.shared.secrets_key_arn
  logs_kms_key_arn    = local.shared.logs_key_arn

  multi_az                    = var.settings.multi_az
  backup_retention_days       = var.settings.backup_retention_days
  deletion_protection         = var.settings.deletion_protection
  secret_recovery_days        = var.settings.secret_recovery_days
  log_retention_days          = var.settings.log_retention_days
  monitoring_interval_seconds = var.settings.monitoring_interval_seconds
  performance_insights        = var.settings.performance_insights
  apply_immediately           = var.settings.apply_immediately
  master_password_version     = var.settings.master_password_version
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/rds/${module.context.environment}/identifier"        = { description = "Shared MySQL: identifier", value = module.mysql.identifier }
    "/shared/rds/${module.context.environment}/endpoint"          = { description = "Shared MySQL: host name", value = module.mysql.host }
    "/shared/rds/${module.context.environment}/port"              = { description = "Shared MySQL: port", value = tostring(module.mysql.port) }
    "/shared/rds/${module.context.environment}/security-group-id" = { description = "Shared MySQL: security group", value = local.shared.rds_group_id }
    "/shared/rds/${module.context.environment}/master-secret-arn" = { description = "Shared MySQL: administrator's secret", value = module.mysql.master_secret_arn }
  }
}
