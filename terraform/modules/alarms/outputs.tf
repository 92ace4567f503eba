output "arns" {
  description = "ARNs of the alarms by name."
  value       = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.arn }
}

output "tier_arns" {
  description = "ARNs of the composite alarms by tier (a large tier has further ones, <tier>-2 and so on)."
  value       = { for name, alarm in aws_cloudwatch_composite_alarm.tier : name => alarm.arn }
}

output "arns_by_tier" {
  description = "ARNs of the alarms of each tier, sorted by name."
  value       = { for tier in local.tiers : tier => [for name in sort(keys(var.alarms)) : aws_cloudwatch_metric_alarm.this[name].arn if var.alarms[name].tier == tier] }
}
