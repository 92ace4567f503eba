output "replicas" {
  description = "The replica buckets by name."
  value       = module.replica
}

output "rules" {
  description = "Ids of the replication rules, which the replication metrics have as dimension, by bucket."
  value       = { for configuration in values(aws_s3_bucket_replication_configuration.this) : configuration.bucket => one(configuration.rule).id }
}

output "role_arn" {
  description = "Role that S3 replicates with."
  value       = module.role.arn
}
