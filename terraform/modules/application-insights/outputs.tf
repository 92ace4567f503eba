output "application_arn" {
  description = "ARN of the application."
  value       = aws_applicationinsights_application.this.arn
}

output "resource_group_arn" {
  description = "ARN of the resource group."
  value       = aws_resourcegroups_group.this.arn
}
