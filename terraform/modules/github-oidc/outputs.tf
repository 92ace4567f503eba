output "provider_arn" {
  description = "ARN of the identity provider."
  value       = local.provider_arn
}

output "creates_provider" {
  description = "Whether the provider is made here or looked up."
  value       = length(aws_iam_openid_connect_provider.this) > 0
}

output "trust_policies" {
  description = "Trust policies (JSON) by role."
  value       = { for role, document in data.aws_iam_policy_document.trust : role => document.json }
}
