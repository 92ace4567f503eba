output "keys" {
  description = "ARNs, ids and aliases of the keys."
  value       = module.keys
}

output "parameters" {
  description = "SSM parameters that hand the keys over."
  value       = module.exports.names
}
