module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "kafka"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    private_subnet_ids   = "/shared/network/private-subnet-ids"
    private_subnet_cidrs = "/shared/network/private-subnet-cidrs"
    namespace_id         = "/shared/network/namespace-id"
    s3_key_arn           = "/shared/kms/s3-key-arn"
    kafka_group_id       = "/shared/security-groups/${module.context.environment}/kafka-id"
    ops_group_id         = "/shared/security-groups/${module.context.environment}/ops-id"
    kafka_profile        = "/shared/iam/${module.context.environment}/kafka-instance-profile"
    ops_profile          = "/shared/iam/${module.context.environment}/ops-instance-profile"
  }

  name = each.value
}

locals {
  env    = module.context.environment
  kafka  = module.context.catalog.kafka
  ops    = module.context.catalog.ops
  zones  = [for suffix in module.context.catalog.network.availability_zones : "${module.context.region}${suffix}"]
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }

  subnet_ids   = split(",", local.shared.private_subnet_ids)
  subnet_cidrs = split(",", local.shared.private_subnet_cidrs)

  isolated = local.kafka.topology == "isolated"
  nodes = merge(
    {
      for index in range(local.kafka.brokers) : "kafka-${index + 1}" => {
        id    = index + 1
        zone  = index % length(local.zones)
        roles = local.isolated ? "broker" : "broker,controller"
      }
    },
    local.isolated ? {
      for index in range(local.kafka.controllers) : "kafka-controller-${index + 101}" => {
        id    = index + 101
        zone  = index % length(local.zones)
        roles = "controller"
      }
    } : {},
  )

  kafka_hosts = {
    for name, node in local.nodes : name => {
      role              = "kafka"
      instance_type     = local.kafka.instance_type
      subnet_id         = local.subnet_ids[node.zone]
      availability_zone = local.zones[node.zone]
      private_ip        = cidrhost(local.subnet_cidrs[node.zone], 10 + node.id)
      security_group_id = local.shared.kafka_group_id
      instance_profile  = local.shared.kafka_profile
      data_volume_gib   = local.kafka.volume_gib
      termination_guard = var.settings.deletion_protection
      tags              = { KafkaNodeId = tostring(node.id), KafkaRoles = node.roles }
    }
  }

  ops_hosts = {
    for index in range(local.ops.count) : "ops-${index + 1}" => {
      role              = "ops"
      instance_type     = local.ops.instance_type
      subnet_id         = local.subnet_ids[index % length(local.zones)]
      availability_zone = local.zones[index % length(local.zones)]
      private_ip        = cidrhost(local.subnet_cidrs[index % length(local.zones)], 201 + index)
      security_group_id = local.shared.ops_group_id
      instance_profile  = local.shared.ops_profile
      termination_guard = var.settings.deletion_protection
      tags              = { Service = "ops" }
    }
  }

  brokers = [for index in range(local.kafka.brokers) : "kafka-${index + 1}"]
}

module "hosts" {
  source = "../../modules/ec2-hosts"

  environment  = local.env
  region       = module.context.region
  hosts        = merge(local.kafka_hosts, local.ops_hosts)
  ami_id       = var.settings.host_ami_id
  ami_name     = var.settings.host_ami_name
  ami_owner    = var.settings.host_ami_owner
  dns_domain   = "${local.env}.internal"
  namespace_id = local.shared.namespace_id
}

# Snapshots of the metadata and exported configuration; brokers may write below kafka/ (component 40-iam).
module "backup" {
  source = "../../modules/bucket"

  name                = "${local.env}-kafka-backup-${module.context.account_id}"
  kms_key_arn         = local.shared.s3_key_arn
  deletion_protection = var.settings.deletion_protection
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/kafka/${local.env}/bootstrap-servers" = {
      description = "Kafka brokers for SASL_SSL clients"
      value       = join(",", [for name in local.brokers : "${module.hosts.dns_names[name]}:9094"])
    }
    "/shared/kafka/${local.env}/backup-bucket"     = { description = "Bucket of the cluster's backups", value = module.backup.name }
    "/shared/kafka/${local.env}/security-group-id" = { description = "Kafka security group", value = local.shared.kafka_group_id }
    "/shared/kafka/${local.env}/node-names" = {
      description = "Kafka nodes, as the inventory names them"
      values      = [for name in sort(keys(local.nodes)) : "${local.env}-${name}"]
    }
    "/shared/kafka/${local.env}/instance-ids" = {
      description = "EC2 instances of the nodes, in the order of node-names"
      values      = [for name in sort(keys(local.nodes)) : module.hosts.instance_ids[name]]
    }
    "/shared/kafka/${local.env}/data-volume-ids" = {
      description = "EBS volumes with the nodes' log directories, in the order of node-names"
      values      = [for name in sort(keys(local.nodes)) : module.hosts.data_volume_ids[name]]
    }
  }
}
