output "names" {
  description = "Paths of the parameters."
  value       = sort([for parameter in aws_ssm_parameter.this : parameter.name])
}

output "arns" {
  description = "ARNs of the parameters by path."
  value       = { for path, parameter in aws_ssm_parameter.this : path => parameter.arn }
}

output "values" {
  description = "Values of the parameters by path."
  value       = { for path, parameter in aws_ssm_parameter.this : path => parameter.insecure_value }
}
