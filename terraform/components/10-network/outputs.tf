output "vpc" {
  description = "Everything that the network module says of the VPC."
  value       = module.vpc
}

output "parameters" {
  description = "SSM parameters that hand the network over."
  value       = module.exports.names
}
