mock_provider "aws" {}

variables {
  name   = "test-monitoring"
  region = "ap-northeast-2"
  dashboards = {
    network = {
      alarm_arns = ["arn:aws:cloudwatch:ap-northeast-2:111122223333:alarm:test-nat-1"]
      graphs = [{
        title = "NAT gateways"
        lines = [{ label = "nat-1", namespace = "AWS/NATGateway", metric = "ErrorPortAllocation", dimensions = { NatGatewayId = "nat-0" }, statistic = "Sum" }]
      }]
    }
  }
}

run "a_graph_is_below_the_alarms" {
  command = plan

  assert {
    condition     = aws_cloudwatch_dashboard.this["network"].dashboard_name == "test-monitoring-network"
    error_message = "names are <name>-<dashboard>"
  }

  assert {
    condition = jsondecode(aws_cloudwatch_dashboard.this["network"].dashboard_body).widgets[1].properties.metrics == [
      ["AWS/NATGateway", "ErrorPortAllocation", "NatGatewayId", "nat-0", { stat = "Sum", label = "nat-1" }],
    ]
    error_message = "a line is namespace, metric, dimensions, statistic"
  }
}

run "an_empty_graph_is_refused" {
  command = plan

  variables {
    dashboards = { network = { graphs = [{ title = "none", lines = [] }] } }
  }

  expect_failures = [var.dashboards]
}
