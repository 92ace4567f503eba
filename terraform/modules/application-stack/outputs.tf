output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "service_arn" {
  description = "ARN of the ECS service."
  value       = aws_ecs_service.this.id
}

output "task_definition_arn" {
  description = "Task definition with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "log_group" {
  description = "Name and ARN of the service's log group."
  value       = { name = aws_cloudwatch_log_group.this.name, arn = aws_cloudwatch_log_group.this.arn }
}

output "security_group" {
  description = "The service's own group, and the rules by what it reaches."
  value = {
    id  = aws_security_group.this.id
    arn = aws_security_group.this.arn
    rules = {
      for name in keys(var.network.reaches) : name => {
        ingress = aws_vpc_security_group_ingress_rule.reached[name].security_group_rule_id
        egress  = aws_vpc_security_group_egress_rule.reaches[name].security_group_rule_id
      }
    }
  }
}

output "target_group" {
  description = "ARN of the target group and its name in CloudWatch's dimension TargetGroup."
  value       = { arn = aws_lb_target_group.this.arn, arn_suffix = aws_lb_target_group.this.arn_suffix }
}

output "listener_rule" {
  description = "ARN and priority of the listener rule."
  value       = { arn = aws_lb_listener_rule.this.arn, priority = aws_lb_listener_rule.this.priority }
}

output "url" {
  description = "Public address of the service."
  value       = "https://${aws_route53_record.this.name}"
}

output "private_name" {
  description = "Cloud Map service that gives the tasks' private addresses."
  value       = { id = aws_service_discovery_service.this.id, arn = aws_service_discovery_service.this.arn, name = aws_service_discovery_service.this.name }
}

output "queue" {
  description = "URL, ARN and name of the queue and of its dead letter queue; null without."
  value = local.has_queue ? {
    url              = aws_sqs_queue.this[0].url
    arn              = aws_sqs_queue.this[0].arn
    name             = aws_sqs_queue.this[0].name
    dead_letter_url  = aws_sqs_queue.dead_letter[0].url
    dead_letter_arn  = aws_sqs_queue.dead_letter[0].arn
    dead_letter_name = aws_sqs_queue.dead_letter[0].name
  } : null
}

output "bucket" {
  description = "Name and ARN of the bucket; null without."
  value       = one(module.bucket)
}

output "roles" {
  description = "ARNs of the role that starts tasks and of the program's own."
  value       = { execution = module.execution_role.arn, task = module.task_role.arn }
}

output "autoscaling" {
  description = "Range of the service and the policies that move it."
  value = {
    resource_id = aws_appautoscaling_target.this.resource_id
    min         = aws_appautoscaling_target.this.min_capacity
    max         = aws_appautoscaling_target.this.max_capacity
    policies    = { for name, policy in aws_appautoscaling_policy.this : name => policy.arn }
  }
}
