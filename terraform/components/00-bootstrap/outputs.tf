output "state_bucket_name" {
  description = "Bucket of all other components' states."
  value       = module.state.bucket_name
}

output "state_bucket_arn" {
  description = "ARN of the state bucket."
  value       = module.state.bucket_arn
}

output "lock_table_name" {
  description = "DynamoDB lock table."
  value       = module.state.lock_table_name
}

output "lock_table_arn" {
  description = "ARN of the lock table."
  value       = module.state.lock_table_arn
}
