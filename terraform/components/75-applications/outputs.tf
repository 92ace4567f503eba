output "applications" {
  description = "The stacks by service."
  value       = module.application
}

output "parameters" {
  description = "SSM parameters that hand the stacks over."
  value       = module.exports.names
}
