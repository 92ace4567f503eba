output "id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "endpoint" {
  description = "Address of the API: https:// or wss:// with the stage."
  value       = local.websocket ? "${aws_apigatewayv2_api.this.api_endpoint}/${local.stage}" : aws_apigatewayv2_api.this.api_endpoint
}

output "connections_endpoint" {
  description = "Address for messages to open WebSockets, or null."
  value       = local.websocket ? "${replace(aws_apigatewayv2_api.this.api_endpoint, "wss://", "https://")}/${local.stage}" : null
}

output "execution_arn" {
  description = "First part of the ARNs that permissions name."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "stage" {
  description = "Name of the stage, also before it exists."
  value       = local.stage
}

output "stage_arn" {
  description = "ARN of the stage, or null."
  value       = one(aws_apigatewayv2_stage.this[*].arn)
}

output "route_ids" {
  description = "Ids of the routes by key."
  value       = { for key, route in aws_apigatewayv2_route.this : key => route.id }
}

output "integration_id" {
  description = "Id of the integration, or null."
  value       = one(aws_apigatewayv2_integration.this[*].id)
}

output "permission_id" {
  description = "Statement that lets the API call the function, or null."
  value       = one(aws_lambda_permission.this[*].statement_id)
}

output "log_group" {
  description = "Log group of the access logs."
  value       = aws_cloudwatch_log_group.this.name
}
