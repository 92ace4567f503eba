# Costs are told apart by the tag Environment, which the paying account must have activated as a cost allocation tag.

resource "aws_budgets_budget" "this" {
  name         = "${var.environment}-monthly-cost"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.limit_usd)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Environment$%s", var.environment)]
  }

  dynamic "notification" {
    for_each = var.notifications

    content {
      notification_type          = notification.value.type
      threshold                  = notification.value.percent
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = var.emails
      subscriber_sns_topic_arns  = [var.topic_arn]
    }
  }

  tags = { Name = "${var.environment}-monthly-cost" }
}

resource "aws_ce_anomaly_monitor" "this" {
  name         = "${var.environment}-cost-anomalies"
  monitor_type = "CUSTOM"

  # Cost Explorer answers with every key; one that is left out here would be a difference on each plan.
  monitor_specification = jsonencode({
    And            = null
    CostCategories = null
    Dimensions     = null
    Not            = null
    Or             = null
    Tags           = { Key = "Environment", MatchOptions = null, Values = [var.environment] }
  })

  tags = { Name = "${var.environment}-cost-anomalies" }
}

resource "aws_ce_anomaly_subscription" "this" {
  name             = "${var.environment}-cost-anomalies"
  frequency        = "IMMEDIATE"
  monitor_arn_list = [aws_ce_anomaly_monitor.this.arn]

  # The topic sends the e-mails: Cost Explorer itself has no immediate ones.
  subscriber {
    type    = "SNS"
    address = var.topic_arn
  }

  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [tostring(var.anomaly_usd)]
    }
  }

  tags = { Name = "${var.environment}-cost-anomalies" }
}
