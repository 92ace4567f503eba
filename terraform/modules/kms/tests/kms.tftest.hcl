mock_provider "aws" {
  # The mock would answer with a random string where a JSON document is wanted.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name       = "test"
  account_id = "111122223333"
  region     = "ap-northeast-2"
  keys = {
    rds = { description = "RDS", via_service = "rds" }
    cloudwatch-logs = {
      description        = "Logs"
      service_principal  = "logs.ap-northeast-2.amazonaws.com"
      encryption_context = { key = "aws:logs:arn", pattern = "arn:aws:logs:ap-northeast-2:111122223333:*" }
    }
  }
}

run "keys_rotate_and_have_aliases" {
  command = plan

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation])
    error_message = "every key must rotate"
  }

  assert {
    condition     = output.alias_names == { cloudwatch-logs = "alias/test-cloudwatch-logs", rds = "alias/test-rds" }
    error_message = "aliases must be alias/<name>-<key>"
  }

  assert {
    condition = alltrue(flatten([
      for statement in data.aws_iam_policy_document.this["rds"].statement : [
        for action in statement.actions : action != "kms:*"
      ]
    ]))
    error_message = "no statement may allow everything"
  }

  assert {
    condition = anytrue(flatten([
      for statement in data.aws_iam_policy_document.this["rds"].statement : [
        for condition in statement.condition : condition.variable == "kms:ViaService" && contains(condition.values, "rds.ap-northeast-2.amazonaws.com")
      ]
    ]))
    error_message = "use of the key must be bound to its service"
  }
}

run "a_key_for_nobody_is_refused" {
  command = plan

  variables {
    keys = { idle = { description = "nobody" } }
  }

  expect_failures = [var.keys]
}

run "a_service_without_context_is_refused" {
  command = plan

  variables {
    keys = { logs = { description = "logs", service_principal = "logs.amazonaws.com" } }
  }

  expect_failures = [var.keys]
}
