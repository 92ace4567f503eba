output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name

  # Nobody calls the function before its retries are set.
  depends_on = [aws_lambda_function_event_invoke_config.this]
}

output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "invoke_arn" {
  description = "ARN under which API Gateway calls the function."
  value       = aws_lambda_function.this.invoke_arn
}

output "log_group" {
  description = "Log group of the function."
  value       = aws_cloudwatch_log_group.this.name
}
