output "name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "capacity_strategy" {
  description = "Weights of the capacity providers by default."
  value       = { for entry in aws_ecs_cluster_capacity_providers.this.default_capacity_provider_strategy : entry.capacity_provider => entry.weight }
}

output "exec_log_group" {
  description = "Log group of ECS Exec sessions."
  value       = { name = aws_cloudwatch_log_group.exec.name, arn = aws_cloudwatch_log_group.exec.arn }
}

output "insights_log_group" {
  description = "Log group of Container Insights."
  value       = { name = aws_cloudwatch_log_group.insights.name, arn = aws_cloudwatch_log_group.insights.arn }
}
