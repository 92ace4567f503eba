output "databases" {
  description = "The shared instances by engine."
  value       = module.database
}

output "master_secrets" {
  description = "ARN, name and version of each administrator's secret by engine."
  value       = module.secret
}

output "backup" {
  description = "Bucket of the services' dumps."
  value       = module.backup
}

output "parameters" {
  description = "SSM parameters that hand the databases over."
  value       = module.exports.names
}
