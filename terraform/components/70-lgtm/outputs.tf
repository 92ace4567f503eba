output "load_balancer" {
  description = "The internal load balancer: names, target groups and rules."
  value       = module.alb
}

output "servers" {
  description = "Services, roles, buckets and logs of the servers."
  value       = module.servers
}

output "grafana_secrets" {
  description = "Grafana's secrets by purpose: ARN."
  value       = { for name, secret in module.grafana_secret : name => secret.secret_arn }
}

output "parameters" {
  description = "SSM parameters that hand the stack over."
  value       = module.exports.names
}
