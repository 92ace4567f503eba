output "name" {
  description = "Name of the bucket, once its policy lets the load balancer write."
  value       = module.bucket.name
}

output "arn" {
  description = "ARN of the bucket."
  value       = module.bucket.arn
}

output "regional_domain_name" {
  description = "Regional host name of the bucket."
  value       = module.bucket.regional_domain_name
}
