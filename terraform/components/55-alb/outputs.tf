output "alb" {
  description = "The public load balancer, its listeners and its log bucket."
  value       = module.alb
}

output "parameters" {
  description = "SSM parameters that hand the load balancer over."
  value       = module.exports.names
}
