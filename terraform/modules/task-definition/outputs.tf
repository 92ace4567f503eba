output "arn" {
  description = "ARN of the task definition with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "arn_without_revision" {
  description = "ARN of the family."
  value       = aws_ecs_task_definition.this.arn_without_revision
}

output "family" {
  description = "Family of the task definition."
  value       = aws_ecs_task_definition.this.family
}

output "container" {
  description = "Name of the container."
  value       = var.container
}

output "log_group" {
  description = "Log group of the tasks."
  value       = aws_cloudwatch_log_group.this.name
}
