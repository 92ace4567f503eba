module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "terraform"
}

locals {
  # Bucket names are unique in the world, so the account is part of them. The engine derives the same names.
  bucket_name = "${module.context.environment}-groundwork-state-${module.context.account_id}"
  table_name  = "${module.context.environment}-groundwork-state-lock"
}

module "state" {
  source = "../../modules/state-backend"

  bucket_name         = local.bucket_name
  lock_table_name     = local.table_name
  deletion_protection = var.settings.deletion_protection
  noncurrent_days     = var.settings.state_version_days
}

import {
  for_each = var.adopt.bucket ? [local.bucket_name] : []
  to       = module.state.module.bucket.aws_s3_bucket.this
  id       = each.value
}

import {
  for_each = var.adopt.table ? [local.table_name] : []
  to       = module.state.aws_dynamodb_table.lock
  id       = each.value
}
