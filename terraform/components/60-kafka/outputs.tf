output "hosts" {
  description = "Kafka nodes and operations hosts."
  value       = module.hosts
}

output "parameters" {
  description = "SSM parameters that hand the cluster over."
  value       = module.exports.names
}
