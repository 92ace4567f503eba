locals {
  websocket = var.protocol == "WEBSOCKET"
  stage     = local.websocket ? "live" : "$default"

  # Request time, caller and outcome; no headers and no bodies.
  access_log = merge(
    {
      requestId = "$context.requestId"
      ip        = "$context.identity.sourceIp"
      caller    = "$context.identity.userArn"
      routeKey  = "$context.routeKey"
      status    = "$context.status"
      error     = "$context.error.message"
      time      = "$context.requestTimeEpoch"
    },
    local.websocket ? { connectionId = "$context.connectionId", eventType = "$context.eventType" } : {
      integrationError               = "$context.integrationErrorMessage"
      latencyMs                      = "$context.responseLatency"
    },
  )
}

resource "aws_apigatewayv2_api" "this" {
  name                       = var.name
  description                = var.description
  protocol_type              = var.protocol
  route_selection_expression = local.websocket ? "$request.body.action" : null

  tags = { Name = var.name }
}

resource "aws_apigatewayv2_integration" "this" {
  count = length(var.routes) == 0 ? 0 : 1

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = var.function.invoke_arn
  payload_format_version = local.websocket ? "1.0" : "2.0"
  timeout_milliseconds   = 29000
}

resource "aws_apigatewayv2_route" "this" {
  for_each = var.routes

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.value
  target    = "integrations/${aws_apigatewayv2_integration.this[0].id}"
  # A WebSocket is authorized once, when it is opened.
  authorization_type = !local.websocket || each.value == "$connect" ? var.authorization : "NONE"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

# A stage without routes cannot be deployed: it comes with the first of them.
resource "aws_apigatewayv2_stage" "this" {
  count = length(var.routes) == 0 ? 0 : 1

  api_id      = aws_apigatewayv2_api.this.id
  name        = local.stage
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.this.arn
    format          = jsonencode(local.access_log)
  }

  default_route_settings {
    detailed_metrics_enabled = true
    throttling_burst_limit   = var.throttling.burst
    throttling_rate_limit    = var.throttling.rate
  }

  tags = { Name = "${var.name}-${local.websocket ? local.stage : "default"}" }

  depends_on = [aws_apigatewayv2_route.this]
}

resource "aws_lambda_permission" "this" {
  count = length(var.routes) == 0 ? 0 : 1

  statement_id  = var.name
  action        = "lambda:InvokeFunction"
  function_name = var.function.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*"
}
