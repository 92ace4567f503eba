output "provider_arn" {
  description = "ARN of the identity provider."
  value       = aws_iam_openid_connect_provider.this.arn
}

output "trust_policies" {
  description = "Trust policies (JSON) by role."
  value       = { for role, document in data.aws_iam_policy_document.trust : role => document.json }
}
