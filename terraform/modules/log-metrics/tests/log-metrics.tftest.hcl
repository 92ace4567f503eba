mock_provider "aws" {}

variables {
  filters = {
    test-flow-log-rejected-flows = {
      log_group = "/vpc/test-network/flow-log"
      pattern   = "[version, account, interface, source, destination, source_port, destination_port, protocol, packets, bytes, start, end, action=\"REJECT\", status]"
      namespace = "Groundwork/test"
      metric    = "RejectedFlows"
    }
  }
}

run "quiet_is_zero" {
  command = plan

  assert {
    condition     = output.metrics == { test-flow-log-rejected-flows = { namespace = "Groundwork/test", metric = "RejectedFlows" } }
    error_message = "the metric is named after the filter's table"
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.this["test-flow-log-rejected-flows"].metric_transformation[0].default_value == "0"
    error_message = "no line must count as zero"
  }
}

run "a_namespace_of_aws_is_refused" {
  command = plan

  variables {
    filters = { x = { log_group = "/x", pattern = "x", namespace = "AWS/Logs", metric = "X" } }
  }

  expect_failures = [var.filters]
}
