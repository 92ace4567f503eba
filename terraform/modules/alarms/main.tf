locals {
  tiers = distinct([for alarm in values(var.alarms) : alarm.tier])

  # A composite alarm takes at most 100 alarms; a tier that has more gets further ones.
  chunks = merge([
    for tier in local.tiers : {
      for index, names in chunklist(sort([for name, alarm in var.alarms : name if alarm.tier == tier]), 80) :
      index == 0 ? tier : "${tier}-${index + 1}" => { tier = tier, alarms = names }
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = var.alarms

  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  treat_missing_data  = each.value.missing
  # No unit: each of these metrics has one only, and an alarm that asks for another stays silent for ever.

  alarm_actions = each.value.critical ? [var.topic_arn] : []
  ok_actions    = each.value.critical ? [var.topic_arn] : []

  tags = merge(each.value.tags, { Name = each.key })
}

# One state per tier: for the dashboards, and one message for all the warnings of a tier.
resource "aws_cloudwatch_composite_alarm" "tier" {
  for_each = local.chunks

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "At least one alarm of the tier ${each.value.tier}"
  alarm_rule        = join(" OR ", [for name in each.value.alarms : "ALARM(\"${aws_cloudwatch_metric_alarm.this[name].alarm_name}\")"])
  alarm_actions     = [var.topic_arn]
  ok_actions        = [var.topic_arn]

  tags = { Name = "${var.name}-${each.key}" }
}
