mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/test-api-gateway-logs" }
  }
}

run "the_account_gets_the_role" {
  command = apply

  variables {
    name = "test-api-gateway-logs"
  }

  assert {
    condition     = output.cloudwatch_role_arn == "arn:aws:iam::111122223333:role/test-api-gateway-logs"
    error_message = "the account's setting must name the role"
  }
}
