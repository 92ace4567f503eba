mock_provider "aws" {
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:ap-northeast-2:111122223333:log-group:test" }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      api_endpoint  = "wss://abc.execute-api.ap-northeast-2.amazonaws.com"
      execution_arn = "arn:aws:execute-api:ap-northeast-2:111122223333:abc"
    }
  }
}

variables {
  name               = "test-problem-api"
  description        = "API"
  protocol           = "HTTP"
  routes             = ["POST /submissions", "GET /submissions/{submission_id}"]
  function           = { name = "test-problem-grader", invoke_arn = "arn:aws:apigateway:ap-northeast-2:lambda:path/x" }
  logs_kms_key_arn   = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
  log_retention_days = 7
}

run "http_routes_are_authorized_logged_and_throttled" {
  command = apply

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "AWS_IAM"]) && length(output.route_ids) == 2
    error_message = "nobody calls unsigned unless that is asked for"
  }

  assert {
    condition     = aws_apigatewayv2_stage.this[0].access_log_settings[0].destination_arn == aws_cloudwatch_log_group.this.arn
    error_message = "every request must leave a line"
  }

  assert {
    condition     = aws_apigatewayv2_stage.this[0].default_route_settings[0].throttling_rate_limit == 50
    error_message = "a caller in a loop must be slowed down"
  }

  assert {
    condition     = endswith(aws_lambda_permission.this[0].source_arn, ":abc/*")
    error_message = "only this API may call the function"
  }
}

run "a_websocket_is_authorized_when_it_is_opened" {
  command = apply

  variables {
    protocol = "WEBSOCKET"
    routes   = ["$connect", "$disconnect", "$default", "generate"]
  }

  assert {
    condition     = { for key, route in aws_apigatewayv2_route.this : key => route.authorization_type } == { "$connect" = "AWS_IAM", "$disconnect" = "NONE", "$default" = "NONE", generate = "NONE" }
    error_message = "AWS allows an authorizer on $connect only"
  }

  assert {
    condition     = output.endpoint == "wss://abc.execute-api.ap-northeast-2.amazonaws.com/live" && output.connections_endpoint == "https://abc.execute-api.ap-northeast-2.amazonaws.com/live"
    error_message = "clients and the function need the stage in their address"
  }
}

run "an_api_that_waits_for_its_function" {
  command = apply

  variables {
    protocol = "WEBSOCKET"
    routes   = []
    function = null
  }

  assert {
    condition     = length(aws_apigatewayv2_stage.this) == 0 && endswith(output.endpoint, "/live")
    error_message = "without routes there is no stage, but the address is known"
  }
}

run "routes_without_a_function_are_refused" {
  command = plan

  variables {
    function = null
  }

  expect_failures = [var.function]
}

run "a_websocket_without_connect_is_refused" {
  command = plan

  variables {
    protocol = "WEBSOCKET"
    routes   = ["generate"]
  }

  expect_failures = [var.routes]
}
