output "identifier" {
  description = "Identifier of the instance."
  value       = aws_db_instance.this.identifier
}

output "arn" {
  description = "ARN of the instance."
  value       = aws_db_instance.this.arn
}

output "resource_id" {
  description = "Stable id of the instance (in IAM database policies and metrics)."
  value       = aws_db_instance.this.resource_id
}

output "host" {
  description = "Host name of the instance, without the port."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port of the instance."
  value       = local.port
}

output "engine" {
  description = "Engine of the instance, as connection secrets name it."
  value       = var.engine
}

output "master_username" {
  description = "Name of the administrator."
  value       = local.master_username
}

output "parameter_group_name" {
  description = "Name of the parameter group."
  value       = aws_db_parameter_group.this.name
}

output "subnet_group_name" {
  description = "Name of the subnet group."
  value       = aws_db_subnet_group.this.name
}

output "replicates" {
  description = "ARN of the instance that this one replicates; empty when it is its own."
  value       = var.replicate_source_arn
}

output "log_group_names" {
  description = "Log groups of the exported logs by log."
  value       = { for log, group in aws_cloudwatch_log_group.this : log => group.name }
}

output "performance_insights" {
  description = "Whether Performance Insights is on; small MySQL classes do not have it."
  value       = local.performance_insights
}
