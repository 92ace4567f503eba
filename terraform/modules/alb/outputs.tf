output "arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "arn_suffix" {
  description = "Its name in CloudWatch's dimension LoadBalancer."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "Host name of the load balancer, the target of alias records."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Zone of the host name, for alias records."
  value       = aws_lb.this.zone_id
}

output "https_listener_arn" {
  description = "Listener to which services add their rules."
  value       = aws_lb_listener.https.arn
}

output "http_listener_arn" {
  description = "Listener that redirects to HTTPS."
  value       = aws_lb_listener.http.arn
}

output "log_bucket" {
  description = "Bucket of the access logs."
  value       = module.logs
}
