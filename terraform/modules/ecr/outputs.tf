output "urls" {
  description = "Where images are pushed and pulled, by service."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "arns" {
  description = "ARNs of the repositories by service."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}

output "names" {
  description = "Full names of the repositories by service."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.name }
}

output "lifecycle_policies" {
  description = "Lifecycle policies (JSON) by service."
  value       = { for name, policy in aws_ecr_lifecycle_policy.this : name => policy.policy }
}
