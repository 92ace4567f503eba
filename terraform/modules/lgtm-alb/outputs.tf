output "arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "arn_suffix" {
  description = "The load balancer's dimension in CloudWatch."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "Host name of the load balancer."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of that name."
  value       = aws_lb.this.zone_id
}

output "endpoint" {
  description = "URL by the name in the namespace."
  value       = "http://${aws_service_discovery_service.this.name}.${var.namespace.domain}"
}

output "log_bucket" {
  description = "Bucket of the access logs."
  value       = module.logs
}

output "listener_arn" {
  description = "ARN of the listener."
  value       = aws_lb_listener.this.arn
}

output "target_group_arns" {
  description = "Target groups by backend."
  value       = { for name, group in aws_lb_target_group.this : name => group.arn }

  # A service cannot register with a group that no listener uses.
  depends_on = [aws_lb_listener_rule.forward]
}

output "target_group_arn_suffixes" {
  description = "The target groups' dimension in CloudWatch by backend."
  value       = { for name, group in aws_lb_target_group.this : name => group.arn_suffix }
}

output "rule_arns" {
  description = "Rules by priority."
  value = {
    for rule in concat(values(aws_lb_listener_rule.forward), values(aws_lb_listener_rule.refuse)) : rule.priority => rule.arn
  }
}
