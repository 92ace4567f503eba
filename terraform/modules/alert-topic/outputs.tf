output "arn" {
  description = "ARN of the topic; of its policy too, so that who publishes waits for the permission."
  value       = aws_sns_topic_policy.this.arn
}

output "name" {
  description = "Name of the topic."
  value       = aws_sns_topic.this.name
}

output "subscription_arns" {
  description = "ARNs of the subscriptions by address."
  value       = { for address, subscription in aws_sns_topic_subscription.email : address => subscription.arn }
}
