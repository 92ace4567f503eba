output "role" {
  description = "Role with which API Gateway writes logs."
  value       = module.role
}

output "cloudwatch_role_arn" {
  description = "The role as the account's setting has it: known when stages with logs can be made."
  value       = aws_api_gateway_account.this.cloudwatch_role_arn
}
