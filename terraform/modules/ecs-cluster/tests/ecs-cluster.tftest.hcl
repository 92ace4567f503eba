mock_provider "aws" {}

variables {
  name                = "test-ecs-cluster"
  log_retention_days  = 7
  logs_kms_key_arn    = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
  session_kms_key_arn = "arn:aws:kms:ap-northeast-2:111122223333:key/ssm"
}

run "insights_and_sessions_are_logged_with_keys" {
  command = plan

  assert {
    condition     = one(aws_ecs_cluster.this.setting).value == "enhanced"
    error_message = "Container Insights with task and container metrics"
  }

  assert {
    condition = (
      aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].logging == "OVERRIDE"
      && aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].kms_key_id == var.session_kms_key_arn
      && aws_cloudwatch_log_group.exec.kms_key_id == var.logs_kms_key_arn
      && aws_cloudwatch_log_group.insights.retention_in_days == 7
    )
    error_message = "sessions are encrypted and logged, logs have a key and an end"
  }

  assert {
    condition     = output.capacity_strategy == { FARGATE = 100 }
    error_message = "nothing runs on Spot unless asked for"
  }
}

run "development_runs_on_spot" {
  command = plan

  variables {
    spot_percent = 100
  }

  assert {
    condition     = output.capacity_strategy == { FARGATE_SPOT = 100 }
    error_message = "all tasks on Spot"
  }
}

run "more_than_all_is_refused" {
  command = plan

  variables {
    spot_percent = 101
  }

  expect_failures = [var.spot_percent]
}
