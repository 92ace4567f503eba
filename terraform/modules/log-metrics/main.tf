resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = var.filters

  name           = each.key
  log_group_name = each.value.log_group
  pattern        = each.value.pattern

  metric_transformation {
    namespace = each.value.namespace
    name      = each.value.metric
    value     = "1"
    unit      = each.value.unit
    # Quiet is zero, not missing: alarms can go back to OK.
    default_value = "0"
  }
}
