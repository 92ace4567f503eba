output "bucket_names" {
  description = "Buckets by server, and the one with the servers' configurations (config)."
  value       = { for name, bucket in module.bucket : name => bucket.name }
}

output "config_keys" {
  description = "Objects of the config bucket: the configuration that runs, by server."
  value       = sort([for object in aws_s3_object.config : object.key])
}

output "service_names" {
  description = "ECS services by server."
  value       = { for name, service in aws_ecs_service.this : name => service.name }
}

output "task_definition_arns" {
  description = "Task definitions by server."
  value       = { for name, definition in aws_ecs_task_definition.this : name => definition.arn }
}

output "task_role_arns" {
  description = "Roles of the tasks by server."
  value       = { for name, role in module.task_role : name => role.arn }
}

output "execution_role_arn" {
  description = "Role that starts the tasks."
  value       = module.execution_role.arn
}

output "log_group_names" {
  description = "Log groups by server."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "discovery_service_arns" {
  description = "Cloud Map services by server."
  value       = { for name, service in aws_service_discovery_service.this : name => service.arn }
}

output "host_names" {
  description = "Names under which the tasks of a server find each other."
  value       = local.hosts
}

output "grafana_files" {
  description = "Grafana's file system: id, ARN, access point and mount targets by subnet."
  value = {
    id               = aws_efs_file_system.grafana.id
    arn              = aws_efs_file_system.grafana.arn
    access_point_arn = aws_efs_access_point.grafana.arn
    mount_target_ids = { for subnet, target in aws_efs_mount_target.grafana : subnet => target.id }
  }
}
