# What the network offers beyond subnets and routes needs a key and a security group, so it comes after them.

module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "network"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    vpc_id             = "/shared/network/vpc-id"
    private_subnet_ids = "/shared/network/private-subnet-ids"
    logs_key_arn       = "/shared/kms/cloudwatch-logs-key-arn"
    endpoints_group_id = "/shared/security-groups/${module.context.environment}/endpoints-id"
  }

  name = each.value
}

locals {
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }
}

module "services" {
  source = "../../modules/network-services"

  name                    = "${module.context.environment}-network"
  region                  = module.context.region
  account_id              = module.context.account_id
  vpc_id                  = local.shared.vpc_id
  subnet_ids              = split(",", local.shared.private_subnet_ids)
  security_group_id       = local.shared.endpoints_group_id
  logs_kms_key_arn        = local.shared.logs_key_arn
  flow_log_retention_days = var.settings.log_retention_days
  interface_endpoints     = var.settings.interface_endpoints
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/network/flow-log-group" = { description = "Log group of the VPC's flow log", value = module.services.flow_log_group_name }
  }
}
