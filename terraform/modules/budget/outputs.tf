output "budget_arn" {
  description = "ARN of the budget."
  value       = aws_budgets_budget.this.arn
}

output "budget_name" {
  description = "Name of the budget."
  value       = aws_budgets_budget.this.name
}

output "anomaly_monitor_arn" {
  description = "ARN of the monitor of cost anomalies."
  value       = aws_ce_anomaly_monitor.this.arn
}

output "anomaly_subscription_arn" {
  description = "ARN of the subscription to cost anomalies."
  value       = aws_ce_anomaly_subscription.this.arn
}
