output "name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}

output "arn" {
  description = "ARN of the role."
  value       = aws_iam_role.this.arn
}

output "unique_id" {
  description = "Stable id of the role."
  value       = aws_iam_role.this.unique_id
}

output "instance_profile_name" {
  description = "Name of the instance profile, or null."
  value       = one(aws_iam_instance_profile.this[*].name)
}

output "instance_profile_arn" {
  description = "ARN of the instance profile, or null."
  value       = one(aws_iam_instance_profile.this[*].arn)
}

output "policy_arns" {
  description = "ARNs of the managed policies that were made for the role, by name."
  value       = { for name, policy in aws_iam_policy.this : name => policy.arn }
}
