mock_provider "aws" {
  mock_resource "aws_ce_anomaly_monitor" {
    defaults = { arn = "arn:aws:ce::111122223333:anomalymonitor/00000000-0000-0000-0000-000000000000" }
  }
}

variables {
  environment = "test"
  limit_usd   = 150
  emails      = ["platform@example.com"]
  topic_arn   = "arn:aws:sns:ap-northeast-2:111122223333:test-alerts"
}

run "forecast_and_actual_costs_are_told" {
  command = plan

  assert {
    condition     = toset([for notification in aws_budgets_budget.this.notification : "${notification.notification_type} ${notification.threshold}"]) == toset(["ACTUAL 80", "ACTUAL 100", "FORECASTED 100"])
    error_message = "somebody must know before the limit is passed, when it is and when it will be"
  }

  assert {
    condition     = alltrue([for notification in aws_budgets_budget.this.notification : notification.subscriber_sns_topic_arns == toset([var.topic_arn]) && notification.subscriber_email_addresses == toset(var.emails)])
    error_message = "the addresses and the topic are told"
  }
}

run "only_the_environment_s_costs" {
  command = plan

  assert {
    condition     = one(aws_budgets_budget.this.cost_filter).values == tolist(["user:Environment$test"])
    error_message = "an account may have several environments"
  }

  assert {
    condition     = jsondecode(aws_ce_anomaly_monitor.this.monitor_specification).Tags.Values == ["test"]
    error_message = "an account may have several environments"
  }
}

run "no_limit_is_refused" {
  command = plan

  variables {
    limit_usd = 0
  }

  expect_failures = [var.limit_usd]
}

run "an_unknown_type_is_refused" {
  command = plan

  variables {
    notifications = { guess = { type = "GUESSED", percent = 100 } }
  }

  expect_failures = [var.notifications]
}
