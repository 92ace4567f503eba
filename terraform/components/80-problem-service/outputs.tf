output "tables" {
  description = "DynamoDB tables: problems and submissions."
  value       = module.table
}

output "output_bucket" {
  description = "Bucket of the runner's reports."
  value       = module.output
}

output "repository_urls" {
  description = "Image repositories by name."
  value       = module.repository.urls
}

output "roles" {
  description = "Roles of the programs."
  value       = module.role
}

output "tasks" {
  description = "Task definitions."
  value       = module.task
}

output "state_machine" {
  description = "The state machine."
  value       = module.states
}

output "functions" {
  description = "The functions; `streaming` is null until its image is pushed."
  value       = { grader = module.grader, streaming = one(module.streaming) }
}

output "apis" {
  description = "HTTP and WebSocket API."
  value       = { http = module.http_api, websocket = module.websocket_api }
}

output "api_account_role_arn" {
  description = "Role with which API Gateway writes logs in this account and region."
  value       = module.api_account.cloudwatch_role_arn
}

output "parameters" {
  description = "SSM parameters that hand the service over."
  value       = module.exports.names
}
