mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name        = "test"
  account_id  = "111122223333"
  kms_key_arn = "arn:aws:kms:ap-northeast-2:111122223333:key/rds"
  tags        = { Environment = "test", Lifecycle = "permanent" }
}

run "protected_by_default" {
  command = plan

  assert {
    condition     = !aws_backup_vault.this.force_destroy && aws_backup_vault.this.kms_key_arn == var.kms_key_arn
    error_message = "recovery points are encrypted with the customer key and do not go with the vault"
  }
}

run "daily_and_weekly" {
  command = plan

  assert {
    condition     = { for rule in aws_backup_plan.this[0].rule : rule.rule_name => one(rule.lifecycle).delete_after } == { daily = 7, weekly = 35 }
    error_message = "each rule keeps its backups for its own time"
  }

  assert {
    condition     = alltrue([for rule in aws_backup_plan.this[0].rule : length(rule.copy_action) == 0])
    error_message = "nothing is copied without a vault to copy to"
  }
}

run "all_tags_are_demanded" {
  command = plan

  assert {
    condition     = { for entry in one(aws_backup_selection.this[0].condition).string_equals : entry.key => entry.value } == { "aws:ResourceTag/Environment" = "test", "aws:ResourceTag/Lifecycle" = "permanent" }
    error_message = "only what has all the tags is backed up"
  }
}

run "copied_to_the_other_region" {
  command = plan

  variables {
    copy_vault_arn = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:test-copy-backup-vault"
  }

  assert {
    condition     = alltrue([for rule in aws_backup_plan.this[0].rule : one(rule.copy_action).destination_vault_arn == var.copy_vault_arn])
    error_message = "each backup is copied"
  }
}

run "a_vault_alone" {
  command = plan

  variables {
    plan = false
    tags = {}
  }

  assert {
    condition     = length(aws_backup_plan.this) == 0 && length(aws_backup_selection.this) == 0 && output.role_arn == null
    error_message = "a vault for copies has no plan"
  }
}

run "a_selection_of_everything_is_refused" {
  command = plan

  variables {
    tags = {}
  }

  expect_failures = [var.tags]
}
