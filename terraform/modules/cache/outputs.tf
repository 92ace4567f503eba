output "replication_group_id" {
  description = "Id of the replication group; complete when its token is set."
  value       = terraform_data.auth_token.output.replication_group_id
}

output "arn" {
  description = "ARN of the replication group."
  value       = aws_elasticache_replication_group.this.arn
}

output "host" {
  description = "Host name of the primary, without the port."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "reader_host" {
  description = "Host name that reads are spread over, without the port."
  value       = aws_elasticache_replication_group.this.reader_endpoint_address
}

output "port" {
  description = "Port of the cache."
  value       = aws_elasticache_replication_group.this.port
}

output "engine" {
  description = "Engine of the cache, as connection secrets name it."
  value       = var.engine
}

output "member_clusters" {
  description = "Ids of the nodes, which their metrics have as dimension."
  value       = aws_elasticache_replication_group.this.member_clusters
}

output "parameter_group_name" {
  description = "Name of the parameter group."
  value       = aws_elasticache_parameter_group.this.name
}

output "subnet_group_name" {
  description = "Name of the subnet group."
  value       = aws_elasticache_subnet_group.this.name
}

output "log_group_names" {
  description = "Log groups of the engine by log."
  value       = { for log, group in aws_cloudwatch_log_group.this : log => group.name }
}
