output "password" {
  description = "The password, for write-only arguments."
  value       = ephemeral.aws_secretsmanager_secret_version.this.secret_string
  ephemeral   = true
  sensitive   = true
}

output "password_version" {
  description = "Version of the password, for the version argument beside a write-only one."
  value       = var.password_version
}

output "secret_arn" {
  description = "ARN of the origin secret."
  value       = module.secret.arn
}

output "secret_name" {
  description = "Name of the origin secret."
  value       = module.secret.name
}
