output "vault_arn" {
  description = "ARN of the vault."
  value       = aws_backup_vault.this.arn
}

output "vault_name" {
  description = "Name of the vault."
  value       = aws_backup_vault.this.name
}

output "plan_arn" {
  description = "ARN of the plan; null without one."
  value       = one(aws_backup_plan.this[*].arn)
}

output "selection_id" {
  description = "Id of the plan's selection; null without a plan."
  value       = one(aws_backup_selection.this[*].id)
}

output "role_arn" {
  description = "Role of AWS Backup; null without a plan."
  value       = one(module.role[*].arn)
}
