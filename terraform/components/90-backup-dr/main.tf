# Backups of every environment. Of an environment whose peer is its standby also what the peer's region needs to take over:
# copies of the backups, replicas of the buckets, images and passwords. The standby adds its DNS records to those of the
# primary. Objectives: recovery point 15 minutes (databases replicate in 50-shared-rds, buckets here), recovery time 2 hours.
# DNS fails over by itself: in a disaster this component needs no run.

module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "backup-dr"
}

locals {
  env        = module.context.environment
  account    = module.context.account_id
  is_primary = try(var.settings.peer.role == "standby", false)
  is_standby = try(var.settings.peer.role == "primary", false)

  services   = module.context.catalog.services
  with_image = { for service in local.services : service.name => service if local.is_primary && try(service.image, null) != null }
  with_tasks = toset([for service in local.services : service.name if local.is_standby && try(service.task, null) != null])
  buckets    = toset([for service in local.services : service.name if local.is_primary && try(service.task, null) != null && try(service.bucket, null) != null])
  databases  = toset([for engine, database in module.context.catalog.databases : engine if local.is_primary && database != null])
}

data "aws_ssm_parameter" "this" {
  for_each = merge(
    { rds_key_arn = "/shared/kms/rds-key-arn" },
    local.is_primary ? {
      s3_key_arn           = "/shared/kms/s3-key-arn"
      kafka_bucket         = "/shared/kafka/${local.env}/backup-bucket"
      database_bucket      = "/shared/rds/${local.env}/backup-bucket"
      problem_repositories = "/shared/problem-service/${local.env}/repository-names"
    } : {},
    local.is_standby ? {
      alb_name    = "/shared/alb/${local.env}/dns-name"
      alb_zone_id = "/shared/alb/${local.env}/zone-id"
    } : {},
  )

  name = each.value
}

data "aws_ssm_parameter" "bucket" {
  for_each = local.buckets

  name = "/shared/applications/${local.env}/${each.key}/bucket"
}

data "aws_ssm_parameter" "peer" {
  for_each = local.is_standby ? {
    zone_id = "/shared/dns/${var.settings.peer.environment}/zone-id"
    domain  = "/shared/dns/${var.settings.peer.environment}/domain"
  } : {}
  provider = aws.peer

  name = each.value
}

locals {
  shared = { for name, parameter in merge(data.aws_ssm_parameter.this, data.aws_ssm_parameter.peer) : name => nonsensitive(parameter.value) }
}

# -------------------------------------------------------------------------------------------------------------- backups

module "backup" {
  source = "../../modules/backup"

  name                = local.env
  account_id          = local.account
  kms_key_arn         = local.shared.rds_key_arn
  deletion_protection = var.settings.deletion_protection
  daily_days          = var.settings.backup_daily_days
  weekly_days         = var.settings.backup_weekly_days
  copy_vault_arn      = local.is_primary ? module.copies[0].vault_arn : ""
  tags                = { Environment = local.env, Lifecycle = "permanent" }
}

# ---------------------------------------------------------------------------------------------------- the peer's region

module "keys" {
  source    = "../../modules/kms"
  count     = local.is_primary ? 1 : 0
  providers = { aws = aws.peer }

  name                 = "${local.env}-replica"
  account_id           = local.account
  region               = var.settings.peer.region
  deletion_window_days = var.settings.deletion_window_days

  keys = {
    backups = { description = "Copies of ${local.env}'s backups", via_services = ["backup", "dynamodb", "rds"] }
    objects = { description = "Replicas of ${local.env}'s buckets and images", via_services = ["ecr", "s3"] }
    secrets = { description = "Copies of ${local.env}'s database passwords", via_services = ["secretsmanager"] }
  }
}

module "copies" {
  source    = "../../modules/backup"
  count     = local.is_primary ? 1 : 0
  providers = { aws = aws.peer }

  name                = "${local.env}-replica"
  account_id          = local.account
  kms_key_arn         = module.keys[0].key_arns.backups
  deletion_protection = var.settings.deletion_protection
  plan                = false
}

module "buckets" {
  source    = "../../modules/bucket-replication"
  count     = local.is_primary ? 1 : 0
  providers = { aws = aws, aws.peer = aws.peer }

  name                = local.env
  account_id          = local.account
  region              = module.context.region
  peer_region         = var.settings.peer.region
  source_kms_key_arn  = local.shared.s3_key_arn
  replica_kms_key_arn = module.keys[0].key_arns.objects
  deletion_protection = var.settings.deletion_protection

  buckets = merge(
    { kafka-backup = local.shared.kafka_bucket, database-backup = local.shared.database_bucket },
    { for service, parameter in data.aws_ssm_parameter.bucket : service => nonsensitive(parameter.value) },
  )
}

# Made before ECR would make them without key, scan and lifecycle.
module "images" {
  source    = "../../modules/ecr"
  count     = local.is_primary ? 1 : 0
  providers = { aws = aws.peer }

  environment         = local.env
  kms_key_arn         = module.keys[0].key_arns.objects
  deletion_protection = var.settings.deletion_protection

  repositories = merge(
    { for name, service in local.with_image : name => { keep = service.image.keep } },
    { for name in split(",", local.shared.problem_repositories) : trimprefix(name, "${local.env}-") => { keep = 20 } },
  )
}

# One for the account in a region: the standby shares the account and has none.
resource "aws_ecr_replication_configuration" "this" {
  count = local.is_primary ? 1 : 0

  replication_configuration {
    rule {
      destination {
        region      = var.settings.peer.region
        registry_id = local.account
      }

      repository_filter {
        filter      = "${local.env}-"
        filter_type = "PREFIX_MATCH"
      }
    }
  }

  depends_on = [module.images]
}

# The standby's databases have this environment's administrators; their passwords must be there without this region.
ephemeral "aws_secretsmanager_secret_version" "password" {
  for_each = local.databases

  secret_id = "${local.env}-shared-${each.key}-master-password"
}

module "passwords" {
  source    = "../../modules/secret"
  for_each  = local.databases
  providers = { aws = aws.peer }

  name          = "${local.env}-shared-${each.key}-master-password"
  description   = "Copy of the master password of ${local.env}-shared-${each.key} for ${var.settings.peer.environment}"
  kms_key_arn   = module.keys[0].key_arns.secrets
  recovery_days = var.settings.secret_recovery_days
  value         = ephemeral.aws_secretsmanager_secret_version.password[each.key].secret_string
  value_version = var.settings.master_password_version
}

# ------------------------------------------------------------------------------------------------------------ fail-over

# The second half of each pair: the primary's record is made with its service (75-applications). Route 53 takes this one when
# the primary's load balancer has no healthy task left or does not answer.
resource "aws_route53_record" "secondary" {
  for_each = local.with_tasks

  zone_id        = local.shared.zone_id
  name           = "${each.key}.${local.shared.domain}"
  type           = "A"
  set_identifier = local.env

  failover_routing_policy {
    type = "SECONDARY"
  }

  alias {
    name                   = local.shared.alb_name
    zone_id                = local.shared.alb_zone_id
    evaluate_target_health = true
  }
}

# --------------------------------------------------------------------------------------------------------------- export

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/backup/${local.env}/vault-arn" = { description = "AWS Backup vault", value = module.backup.vault_arn }
  }
}
