module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "network"
}

locals {
  network = module.context.catalog.network
}

module "vpc" {
  source = "../../modules/vpc"

  name                      = "${module.context.environment}-network"
  region                    = module.context.region
  cidr                      = var.vpc_cidr != "" ? var.vpc_cidr : local.network.vpc_cidr
  availability_zones        = [for suffix in local.network.availability_zones : "${module.context.region}${suffix}"]
  subnet_availability_zones = [for suffix in var.settings.subnet_availability_zones : "${module.context.region}${suffix}"]
  nat_gateways              = local.network.nat_gateways
  dns_domain                = "${module.context.environment}.internal"
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/network/vpc-id"             = { description = "VPC of the environment", value = module.vpc.vpc_id }
    "/shared/network/vpc-cidr"           = { description = "IPv4 range of the VPC", value = module.vpc.vpc_cidr }
    "/shared/network/public-subnet-ids"  = { description = "Public subnets, in the order of the zones", values = module.vpc.public_subnet_ids }
    "/shared/network/private-subnet-ids" = { description = "Private subnets, in the order of the zones", values = module.vpc.private_subnet_ids }
    "/shared/network/data-subnet-ids"    = { description = "Data subnets (databases, caches), in the order of the zones", values = module.vpc.data_subnet_ids }
    "/shared/network/private-subnet-cidrs" = {
      description = "Ranges of the private subnets, in the order of the zones"
      values      = module.vpc.private_subnet_cidrs
    }
    "/shared/network/nat-gateway-ids" = {
      description = "NAT gateways, in the order of the zones that have one"
      values      = [for zone in sort(keys(module.vpc.nat_gateway_ids)) : module.vpc.nat_gateway_ids[zone]]
    }
    "/shared/network/namespace-id" = { description = "Private Cloud Map namespace", value = module.vpc.namespace_id }
  }
}
