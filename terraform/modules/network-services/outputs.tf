output "flow_log_id" {
  description = "ID of the flow log."
  value       = aws_flow_log.this.id
}

output "flow_log_group_name" {
  description = "Log group of the flow log."
  value       = aws_cloudwatch_log_group.flow.name
}

output "flow_log_group_arn" {
  description = "ARN of the flow log's log group."
  value       = aws_cloudwatch_log_group.flow.arn
}

output "flow_log_role_arn" {
  description = "ARN of the role that delivers the flow log."
  value       = aws_iam_role.flow.arn
}

output "interface_endpoint_ids" {
  description = "IDs of the interface endpoints by service."
  value       = { for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id }
}
