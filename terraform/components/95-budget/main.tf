module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "budget"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    alerts_topic_arn = "/shared/monitoring/${module.context.environment}/alerts-topic-arn"
  }

  name = each.value
}

module "budget" {
  source = "../../modules/budget"

  environment = module.context.environment
  limit_usd   = var.settings.monthly_budget_usd
  anomaly_usd = var.settings.cost_anomaly_usd
  emails      = var.settings.alert_emails
  topic_arn   = nonsensitive(data.aws_ssm_parameter.this["alerts_topic_arn"].value)
}
