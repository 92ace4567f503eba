mock_provider "aws" {}

variables {
  name               = "test-problem-grader"
  definition         = "{\"StartAt\":\"A\",\"TimeoutSeconds\":60,\"States\":{\"A\":{\"Type\":\"Succeed\"}}}"
  role_arn           = "arn:aws:iam::111122223333:role/test-problem-states"
  kms_key_arn        = "arn:aws:kms:ap-northeast-2:111122223333:key/ssm"
  logs_kms_key_arn   = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
  log_retention_days = 7
}

run "encrypted_logged_and_traced" {
  command = plan

  assert {
    condition     = aws_sfn_state_machine.this.encryption_configuration[0].type == "CUSTOMER_MANAGED_KMS_KEY" && !aws_sfn_state_machine.this.logging_configuration[0].include_execution_data
    error_message = "executions are encrypted with the customer key, and logs do not repeat their data"
  }
}

run "an_endless_execution_is_refused" {
  command = plan

  variables {
    definition = "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Succeed\"}}}"
  }

  expect_failures = [var.definition]
}
