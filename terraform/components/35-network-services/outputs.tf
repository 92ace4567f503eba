output "services" {
  description = "Flow log and interface endpoints."
  value       = module.services
}

output "parameters" {
  description = "SSM parameters that hand the network's services over."
  value       = module.exports.names
}
