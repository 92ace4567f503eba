mock_provider "aws" {}

variables {
  name        = "test-problem-submissions"
  hash_key    = "submission_id"
  kms_key_arn = "arn:aws:kms:ap-northeast-2:111122223333:key/rds"
}

run "protected_by_default" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled && aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "a table must not be deletable and must be restorable to any second"
  }

  assert {
    condition     = aws_dynamodb_table.this.server_side_encryption[0].kms_key_arn == var.kms_key_arn
    error_message = "the customer key must encrypt the table"
  }

  assert {
    condition     = length(aws_dynamodb_table.this.ttl) == 0
    error_message = "items stay unless an expiry attribute is named"
  }
}

run "items_expire_when_asked_for" {
  command = plan

  variables {
    ttl_attribute = "expires_at"
  }

  assert {
    condition     = aws_dynamodb_table.this.ttl[0].enabled && aws_dynamodb_table.this.ttl[0].attribute_name == "expires_at"
    error_message = "the attribute must be the expiry time"
  }
}

run "the_key_cannot_expire" {
  command = plan

  variables {
    ttl_attribute = "submission_id"
  }

  expect_failures = [var.ttl_attribute]
}
