output "key_arns" {
  description = "ARNs of the keys by name."
  value       = { for name, key in aws_kms_key.this : name => key.arn }
}

output "key_ids" {
  description = "IDs of the keys by name."
  value       = { for name, key in aws_kms_key.this : name => key.key_id }
}

output "alias_names" {
  description = "Aliases by key name."
  value       = { for name, alias in aws_kms_alias.this : name => alias.name }
}

output "alias_arns" {
  description = "ARNs of the aliases by key name."
  value       = { for name, alias in aws_kms_alias.this : name => alias.arn }
}
