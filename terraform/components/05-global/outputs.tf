output "dns" {
  description = "Public zone (its name servers belong into the parent domain) and certificate."
  value       = module.dns
}

output "repositories" {
  description = "Image repositories of the services."
  value       = module.repositories
}

output "parameters" {
  description = "SSM parameters that hand zone, certificate and repositories over."
  value       = module.exports.names
}
