output "ecs_execution" {
  description = "ECS execution role."
  value       = module.ecs_execution
}

output "ecs_task" {
  description = "ECS task role."
  value       = module.ecs_task
}

output "instances" {
  description = "Roles and instance profiles of the hosts."
  value       = module.instance
}

output "ci" {
  description = "Roles of GitHub Actions."
  value       = module.ci
}

output "github_provider_arn" {
  description = "Identity provider of GitHub Actions."
  value       = module.github.provider_arn
}

output "parameters" {
  description = "SSM parameters that hand the roles over."
  value       = module.exports.names
}
