mock_provider "aws" {}

variables {
  name          = "test-shared-mysql-master"
  description   = "Administrator"
  kms_key_arn   = "arn:aws:kms:ap-northeast-2:111122223333:key/secrets"
  value         = "not-a-real-one"
  value_version = 3
}

run "the_value_goes_to_a_write_only_argument" {
  command = apply

  assert {
    condition     = aws_secretsmanager_secret_version.this.secret_string_wo_version == 3 && aws_secretsmanager_secret_version.this.secret_string_wo == null
    error_message = "the value must not come back from the state"
  }

  assert {
    condition     = aws_secretsmanager_secret.this.kms_key_id == var.kms_key_arn && aws_secretsmanager_secret.this.recovery_window_in_days == 30
    error_message = "encrypted with the customer key, and restorable"
  }
}

run "too_short_a_recovery_is_refused" {
  command = plan

  variables {
    recovery_days = 3
  }

  expect_failures = [var.recovery_days]
}
