output "mysql" {
  description = "The shared MySQL instance."
  value       = module.mysql
}

output "parameters" {
  description = "SSM parameters that hand the database over."
  value       = module.exports.names
}
