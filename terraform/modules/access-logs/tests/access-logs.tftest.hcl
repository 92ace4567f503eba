mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  load_balancer = "test-alb"
  account_id    = "111122223333"
  region        = "ap-northeast-2"
  days          = 90
}

run "only_the_own_load_balancer_delivers" {
  command = plan

  assert {
    condition     = module.bucket.name == "test-alb-logs-111122223333"
    error_message = "the bucket is named after the load balancer and the account"
  }

  assert {
    condition = (
      one(data.aws_iam_policy_document.log_delivery.statement[0].principals).identifiers == toset(["logdelivery.elasticloadbalancing.amazonaws.com"]) &&
      one(data.aws_iam_policy_document.log_delivery.statement[0].condition).values == tolist(["arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:loadbalancer/app/test-alb/*"])
    )
    error_message = "the service may write for this load balancer alone"
  }
}

run "a_negative_age_is_refused" {
  command = plan

  variables {
    days = -1
  }

  expect_failures = [var.days]
}
