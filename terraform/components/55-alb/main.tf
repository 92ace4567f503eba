module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "alb"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    public_subnet_ids = "/shared/network/public-subnet-ids"
    alb_group_id      = "/shared/security-groups/${module.context.environment}/alb-id"
    certificate_arn   = "/shared/dns/${module.context.environment}/certificate-arn"
  }

  name = each.value
}

locals {
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }
}

module "alb" {
  source = "../../modules/alb"

  name                = "${module.context.environment}-shared-alb"
  account_id          = module.context.account_id
  region              = module.context.region
  subnet_ids          = split(",", local.shared.public_subnet_ids)
  security_group_ids  = [local.shared.alb_group_id]
  certificate_arn     = local.shared.certificate_arn
  access_log_days     = var.settings.access_log_days
  deletion_protection = var.settings.deletion_protection
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    for name, handed in {
      arn                = { description = "ARN", value = module.alb.arn }
      arn-suffix         = { description = "name in CloudWatch", value = module.alb.arn_suffix }
      https-listener-arn = { description = "listener for the services' rules", value = module.alb.https_listener_arn }
      dns-name           = { description = "host name", value = module.alb.dns_name }
      zone-id            = { description = "zone of the host name", value = module.alb.zone_id }
    } : "/shared/alb/${module.context.environment}/${name}" => { description = "Public load balancer: ${handed.description}", value = handed.value }
  }
}
