module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "ecs"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    logs_key_arn = "/shared/kms/cloudwatch-logs-key-arn"
    ssm_key_arn  = "/shared/kms/ssm-key-arn"
  }

  name = each.value
}

locals {
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }
}

module "cluster" {
  source = "../../modules/ecs-cluster"

  name                = "${module.context.environment}-shared-cluster"
  spot_percent        = var.settings.fargate_spot_percent
  log_retention_days  = var.settings.log_retention_days
  logs_kms_key_arn    = local.shared.logs_key_arn
  session_kms_key_arn = local.shared.ssm_key_arn
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/ecs/${module.context.environment}/cluster-name"       = { description = "ECS cluster: name", value = module.cluster.name }
    "/shared/ecs/${module.context.environment}/cluster-arn"        = { description = "ECS cluster: ARN", value = module.cluster.arn }
    "/shared/ecs/${module.context.environment}/exec-log-group-arn" = { description = "ECS cluster: log group of ECS Exec", value = module.cluster.exec_log_group.arn }
  }
}
