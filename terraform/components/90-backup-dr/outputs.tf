output "backup" {
  description = "Vault, plan and role of the backups."
  value       = module.backup
}

output "replicas" {
  description = "What stands in the peer's region: vault, keys, buckets, repositories and copies of the passwords."
  value = {
    vault        = one(module.copies[*])
    keys         = one(module.keys[*])
    buckets      = one(module.buckets[*])
    repositories = one(module.images[*])
    passwords    = module.passwords
  }
}

output "secondary_records" {
  description = "Names of the primary that fail over to this environment."
  value       = [for record in aws_route53_record.secondary : record.fqdn]
}

output "ecr_replication_registry_id" {
  description = "Registry whose images are replicated; null without replication."
  value       = one(aws_ecr_replication_configuration.this[*].registry_id)
}

output "parameters" {
  description = "SSM parameters that hand the vault over."
  value       = module.exports.names
}
