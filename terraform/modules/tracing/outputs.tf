output "group_arns" {
  description = "ARNs of the groups by name."
  value       = { for name, group in aws_xray_group.this : name => group.arn }
}

output "sampling_rule_arns" {
  description = "ARNs of the sampling rules by name."
  value       = { for name, rule in aws_xray_sampling_rule.this : name => rule.arn }
}

output "key_arn" {
  description = "Key of the traces."
  value       = aws_xray_encryption_config.this.key_id
}
