module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "global"
}

locals {
  env = module.context.environment
  # An image repository belongs to its service: its tags are the service's.
  repositories = {
    for service in module.context.catalog.services : service.name => {
      keep = service.image.keep
      tags = {
        Service    = service.name
        Owner      = service.owner
        CostCenter = service.cost_center
        Team       = service.team
        DataClass  = service.data_class
        Lifecycle  = service.lifecycle
        Repository = service.repository
      }
    } if try(service.image, null) != null
  }
}

data "aws_ssm_parameter" "s3_key_arn" {
  name = "/shared/kms/s3-key-arn"
}

module "dns" {
  source = "../../modules/dns"

  environment         = local.env
  domain              = var.settings.domain
  other_domains       = var.settings.other_domains
  validation_minutes  = var.settings.certificate_validation_minutes
  deletion_protection = var.settings.deletion_protection
}

module "repositories" {
  source = "../../modules/ecr"

  environment         = local.env
  repositories        = local.repositories
  kms_key_arn         = nonsensitive(data.aws_ssm_parameter.s3_key_arn.value)
  deletion_protection = var.settings.deletion_protection
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = merge(
    {
      "/shared/dns/${local.env}/zone-id"         = { description = "Public zone of the environment", value = module.dns.zone_id }
      "/shared/dns/${local.env}/domain"          = { description = "Public domain of the environment", value = module.dns.domain }
      "/shared/dns/${local.env}/certificate-arn" = { description = "Wildcard certificate of the domain", value = module.dns.certificate_arn }
    },
    { for name, url in module.repositories.urls : "/shared/ecr/${name}-repository-url" => { description = "Images of ${name}: where to push and pull", value = url } },
    { for name, arn in module.repositories.arns : "/shared/ecr/${name}-repository-arn" => { description = "Images of ${name}: ARN of the repository", value = arn } },
  )
}
