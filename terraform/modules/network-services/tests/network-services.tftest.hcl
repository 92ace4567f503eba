mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name              = "test-network"
  region            = "ap-northeast-2"
  account_id        = "111122223333"
  vpc_id            = "vpc-1"
  subnet_ids        = ["subnet-1"]
  security_group_id = "sg-1"
  logs_kms_key_arn  = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
}

run "all_traffic_is_logged_and_encrypted" {
  command = plan

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow.kms_key_id == var.logs_kms_key_arn
    error_message = "accepted and refused traffic must be logged, under the customer key"
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0
    error_message = "interface endpoints cost money: none unless asked for"
  }
}

run "endpoints_answer_under_the_service_names" {
  command = plan

  variables {
    interface_endpoints = ["ssm", "ecr.api"]
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "hosts must reach the endpoint under the service's own name"
  }
}

run "a_retention_that_cloudwatch_refuses" {
  command = plan

  variables {
    flow_log_retention_days = 10
  }

  expect_failures = [var.flow_log_retention_days]
}
