output "caches" {
  description = "The caches by service."
  value       = module.cache
}

output "secrets" {
  description = "ARN, name and version of each client secret by service."
  value       = module.secret
}

output "parameters" {
  description = "SSM parameters that hand the caches over."
  value       = module.exports.names
}
