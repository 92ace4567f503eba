output "topic" {
  description = "Topic of the alerts and its subscriptions."
  value       = module.topic
}

output "alarms" {
  description = "ARNs of the alarms by name, and of the tiers' composite alarms."
  value       = module.alarms
}

output "dashboards" {
  description = "ARNs and names of the dashboards."
  value       = module.dashboards
}

output "log_metrics" {
  description = "Metrics that are made from log lines."
  value       = module.log_metrics
}

output "tracing" {
  description = "X-Ray groups, sampling rules and key."
  value       = module.tracing
}

output "applications" {
  description = "Application Insights by service."
  value       = module.application
}

output "parameters" {
  description = "SSM parameters that hand the topic over."
  value       = module.exports.names
}
