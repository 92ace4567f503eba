module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "lgtm"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    cluster_arn        = "/shared/ecs/${module.context.environment}/cluster-arn"
    vpc_id             = "/shared/network/vpc-id"
    private_subnet_ids = "/shared/network/private-subnet-ids"
    namespace_id       = "/shared/network/namespace-id"
    lgtm_group_id      = "/shared/security-groups/${module.context.environment}/lgtm-id"
    alb_group_id       = "/shared/security-groups/${module.context.environment}/lgtm-alb-id"
    s3_key_arn         = "/shared/kms/s3-key-arn"
    logs_key_arn       = "/shared/kms/cloudwatch-logs-key-arn"
    secrets_key_arn    = "/shared/kms/secrets-manager-key-arn"
    alerts_key_arn     = "/shared/kms/sqs-key-arn"
  }

  name = each.value
}

locals {
  env        = module.context.environment
  shared     = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }
  subnet_ids = split(",", local.shared.private_subnet_ids)
  namespace  = { id = local.shared.namespace_id, domain = "${local.env}.internal" }
  lgtm       = var.settings.lgtm

  # The one route table: Alloy, Grafana, the checks and the local estate read the same file.
  table = yamldecode(file("${path.module}/../../routes.yml"))
}

module "alb" {
  source = "../../modules/lgtm-alb"

  name                = "${local.env}-lgtm"
  account_id          = module.context.account_id
  region              = module.context.region
  vpc_id              = local.shared.vpc_id
  subnet_ids          = local.subnet_ids
  security_group_ids  = [local.shared.alb_group_id]
  namespace           = local.namespace
  table               = local.table
  tenants             = concat(local.lgtm.former_tenant_ids, [var.settings.tenant_id])
  access_log_days     = var.settings.access_log_days
  deletion_protection = var.settings.deletion_protection
}

module "grafana_secret" {
  source = "../../modules/generated-password"
  for_each = {
    admin-password = "Administrator's password of Grafana; it counts when Grafana's database is made"
    secret-key     = "Key of what Grafana's database encrypts"
  }

  name             = "${local.env}-lgtm-grafana-${each.key}"
  description      = each.value
  kms_key_arn      = local.shared.secrets_key_arn
  recovery_days    = var.settings.secret_recovery_days
  password_version = local.lgtm.secret_version
}

module "servers" {
  source = "../../modules/lgtm"

  environment       = local.env
  region            = module.context.region
  account_id        = module.context.account_id
  cluster_arn       = local.shared.cluster_arn
  subnet_ids        = local.subnet_ids
  security_group_id = local.shared.lgtm_group_id
  namespace         = local.namespace

  kms_key_arns = {
    data    = local.shared.s3_key_arn
    logs    = local.shared.logs_key_arn
    secrets = local.shared.secrets_key_arn
  }
  secret_arns = {
    admin_password = module.grafana_secret["admin-password"].secret_arn
    secret_key     = module.grafana_secret["secret-key"].secret_arn
  }

  endpoint          = module.alb.endpoint
  target_group_arns = module.alb.target_group_arns
  tenant_header     = local.table.tenant_header
  ports             = { for name, backend in local.table.backends : name => backend.port }
  health            = { for name, backend in local.table.backends : name => { port = try(backend.health_port, backend.port), path = backend.health_path } }
  tenant_id         = var.settings.tenant_id
  former_tenant_ids = local.lgtm.former_tenant_ids

  servers = local.lgtm.servers
  images = merge(
    { for name in ["mimir", "loki", "tempo", "pyroscope", "grafana"] : name => "${local.lgtm.registry}/grafana/${name}:${local.lgtm.versions[name]}" },
    { configure = "${local.lgtm.registry}/library/busybox:${local.lgtm.versions.busybox}" },
  )
  # The topic is made after this component, whose services it watches: its name is known before.
  alerts = {
    topic_arn   = "arn:aws:sns:${module.context.region}:${module.context.account_id}:${local.env}-monitoring-alerts"
    kms_key_arn = local.shared.alerts_key_arn
  }

  spot                = local.lgtm.spot
  limits              = local.lgtm.limits
  retention_days      = local.lgtm.retention_days
  expire_objects      = var.settings.expire_objects
  log_retention_days  = var.settings.log_retention_days
  deletion_protection = var.settings.deletion_protection
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/lgtm/${local.env}/endpoint"       = { description = "URL of the load balancer before Mimir, Loki, Tempo, Pyroscope and Grafana", value = module.alb.endpoint }
    "/shared/lgtm/${local.env}/alb-arn-suffix" = { description = "That load balancer's dimension in CloudWatch", value = module.alb.arn_suffix }
    "/shared/lgtm/${local.env}/tenant-id"      = { description = "Tenant that the estate writes and reads", value = var.settings.tenant_id }
    "/shared/lgtm/${local.env}/config-bucket"  = { description = "Bucket of the servers' configurations", value = module.servers.bucket_names["config"] }
    "/shared/lgtm/${local.env}/service-names"  = { description = "ECS services of the servers", values = sort(values(module.servers.service_names)) }
  }
}
