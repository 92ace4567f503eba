mock_provider "aws" {
  # The mock would answer with a random string where a JSON document is wanted.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name         = "test-monitoring-alerts"
  display_name = "test alerts"
  account_id   = "111122223333"
  kms_key_arn  = "arn:aws:kms:ap-northeast-2:111122223333:key/sqs"
  publishers = {
    "cloudwatch.amazonaws.com" = "arn:aws:cloudwatch:ap-northeast-2:111122223333:alarm:*"
    "costalerts.amazonaws.com" = null
  }
  emails = ["ops@example.com"]
}

run "only_the_accounts_own_services_publish" {
  command = plan

  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == var.kms_key_arn
    error_message = "messages must be encrypted with the customer key"
  }

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.this.statement : statement.effect == "Deny" || anytrue([
        for condition in statement.condition : condition.variable == "aws:SourceAccount" && contains(condition.values, "111122223333")
      ])
    ])
    error_message = "another account's service could publish"
  }

  assert {
    condition     = keys(aws_sns_topic_subscription.email) == ["ops@example.com"]
    error_message = "every address must be subscribed"
  }
}

run "an_address_that_is_none_is_refused" {
  command = plan

  variables {
    emails = ["ops"]
  }

  expect_failures = [var.emails]
}
