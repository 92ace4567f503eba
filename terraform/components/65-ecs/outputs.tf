output "cluster" {
  description = "The ECS cluster and its log groups."
  value       = module.cluster
}

output "parameters" {
  description = "SSM parameters that hand the cluster over."
  value       = module.exports.names
}
