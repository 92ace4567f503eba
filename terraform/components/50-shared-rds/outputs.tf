output "mysql" {
  description = "The shared MySQL instance."
  value       = module.mysql
}

output "master_secret" {
  description = "ARN and name of the administrator's secret."
  value       = module.secret
}

output "parameters" {
  description = "SSM parameters that hand the database over."
  value       = module.exports.names
}
