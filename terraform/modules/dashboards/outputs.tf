output "arns" {
  description = "ARNs of the dashboards by name."
  value       = { for name, dashboard in aws_cloudwatch_dashboard.this : name => dashboard.dashboard_arn }
}

output "names" {
  description = "Full names of the dashboards."
  value       = sort([for dashboard in aws_cloudwatch_dashboard.this : dashboard.dashboard_name])
}
