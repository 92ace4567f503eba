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
    rds = { description = "RDS", via_services = ["backup", "rds"] }
    cloudwatch-logs = {
      description = "Logs"
      services = {
        "logs.ap-northeast-2.amazonaws.com" = {
          conditions = [{
            test     = "ArnLike"
            variable = "kms:EncryptionContext:aws:logs:arn"
            values   = ["arn:aws:logs:ap-northeast-2:111122223333:*"]
          }]
        }
      }
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
    error_message = "use of the key must be bound to its services"
  }

  assert {
    condition = anytrue([
      for statement in data.aws_iam_policy_document.this["cloudwatch-logs"].statement :
      statement.sid == "UseByLogsApNortheast2AmazonawsCom" && length(statement.condition) == 1 && !contains(statement.actions, "kms:CreateGrant")
    ])
    error_message = "a service's own use must carry its conditions"
  }
}

run "sessions_use_a_key_only_with_their_context" {
  command = plan

  variables {
    keys = {
      rds = { description = "RDS", via_services = ["rds"] }
      ssm = { description = "SSM", via_services = ["ssm"], sessions = true }
    }
  }

  assert {
    # The conditions are a set: sorted here.
    condition = jsonencode({
      for name, policy in data.aws_iam_policy_document.this : name => [
        for statement in policy.statement : sort([for condition in statement.condition : condition.variable]) if statement.sid == "UseBySessions"
      ]
    }) == jsonencode({ rds = [], ssm = [["kms:CallerAccount", "kms:EncryptionContext:aws:ssm:TargetId"]] })
    error_message = "only a key of sessions may be called without a service between, and only for a session"
  }
}

run "a_key_for_nobody_is_refused" {
  command = plan

  variables {
    keys = { idle = { description = "nobody" } }
  }

  expect_failures = [var.keys]
}

run "a_service_without_conditions_is_refused" {
  command = plan

  variables {
    keys = { logs = { description = "logs", services = { "logs.amazonaws.com" = { conditions = [] } } } }
  }

  expect_failures = [var.keys]
}
