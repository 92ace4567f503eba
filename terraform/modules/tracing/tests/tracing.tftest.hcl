mock_provider "aws" {}

variables {
  name        = "test"
  kms_key_arn = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
  groups      = { fileflow = "service(\"fileflow\")" }
  sampling = {
    health = { priority = 100, rate = 0, reservoir = 0, path = "/health*" }
    other  = { priority = 9000, rate = 0.05 }
  }
}

run "health_checks_are_not_traced" {
  command = plan

  assert {
    condition     = aws_xray_sampling_rule.this["health"].fixed_rate == 0 && aws_xray_sampling_rule.this["health"].priority < aws_xray_sampling_rule.this["other"].priority
    error_message = "the rule for health checks must be asked first"
  }

  assert {
    condition     = aws_xray_encryption_config.this.type == "KMS" && aws_xray_group.this["fileflow"].group_name == "test-fileflow"
    error_message = "traces are encrypted with the customer key"
  }
}

run "a_long_name_is_refused" {
  command = plan

  variables {
    groups = { a-name-that-is-longer-than-x-ray-takes = "x" }
  }

  expect_failures = [var.groups]
}
