output "groups" {
  description = "Ids, ARNs, names and rules of the groups."
  value       = module.groups
}

output "parameters" {
  description = "SSM parameters that hand the groups over."
  value       = module.exports.names
}
