output "hosts" {
  description = "Kafka nodes and operations hosts."
  value       = module.hosts
}

output "backup" {
  description = "Bucket of the cluster's backups."
  value       = module.backup
}

output "parameters" {
  description = "SSM parameters that hand the cluster over."
  value       = module.exports.names
}
