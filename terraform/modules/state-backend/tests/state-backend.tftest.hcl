mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  bucket_name     = "test-groundwork-state-111122223333"
  lock_table_name = "test-groundwork-state-lock"
}

run "old_states_and_the_lock_table_are_kept" {
  command = plan

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.state[0].rule[0].noncurrent_version_expiration[0].noncurrent_days == 90
    error_message = "replaced states are kept for 90 days"
  }

  assert {
    condition     = aws_dynamodb_table.lock.hash_key == "LockID" && aws_dynamodb_table.lock.deletion_protection_enabled
    error_message = "Terraform's lock table has the key LockID"
  }
}

run "versions_can_be_kept_for_ever" {
  command = plan

  variables {
    noncurrent_days = 0
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.state) == 0
    error_message = "0 means that nothing expires"
  }
}

run "too_short_a_window_is_refused" {
  command = plan

  variables {
    noncurrent_days = 1
  }

  expect_failures = [var.noncurrent_days]
}
