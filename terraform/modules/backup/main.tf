resource "aws_backup_vault" "this" {
  name          = "${var.name}-backup-vault"
  kms_key_arn   = var.kms_key_arn
  force_destroy = !var.deletion_protection

  tags = { Name = "${var.name}-backup-vault" }
}

locals {
  rules = {
    daily  = { schedule = var.daily_schedule, days = var.daily_days }
    weekly = { schedule = var.weekly_schedule, days = var.weekly_days }
  }
}

resource "aws_backup_plan" "this" {
  count = var.plan ? 1 : 0

  name = "${var.name}-backup-plan"

  dynamic "rule" {
    for_each = local.rules

    content {
      rule_name         = rule.key
      target_vault_name = aws_backup_vault.this.name
      schedule          = rule.value.schedule
      start_window      = 60
      completion_window = 360

      lifecycle {
        delete_after = rule.value.days
      }

      dynamic "copy_action" {
        for_each = var.copy_vault_arn == "" ? [] : [var.copy_vault_arn]

        content {
          destination_vault_arn = copy_action.value

          lifecycle {
            delete_after = rule.value.days
          }
        }
      }
    }
  }

  tags = { Name = "${var.name}-backup-plan" }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["backup.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

module "role" {
  source = "../iam-role"
  count  = var.plan ? 1 : 0

  name         = "${var.name}-backup"
  description  = "AWS Backup: takes, copies and restores backups of ${var.name}"
  trust_policy = data.aws_iam_policy_document.trust.json
  managed_policy_arns = {
    backup  = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
    restore = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores"
  }
}

# What is chosen has one of the types and all of the tags: a condition narrows, another selection_tag would widen.
resource "aws_backup_selection" "this" {
  count = var.plan ? 1 : 0

  name         = "${var.name}-by-tag"
  plan_id      = aws_backup_plan.this[0].id
  iam_role_arn = module.role[0].arn
  resources    = var.resource_patterns

  condition {
    dynamic "string_equals" {
      for_each = var.tags

      content {
        key   = "aws:ResourceTag/${string_equals.key}"
        value = string_equals.value
      }
    }
  }
}
