mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  repository = "example/groundwork"
  subjects   = { apply = ["environment:prod"], plan = ["pull_request"] }
}

run "tokens_are_bound_to_the_repository" {
  command = plan

  assert {
    condition = anytrue([
      for condition in data.aws_iam_policy_document.trust["apply"].statement[0].condition :
      condition.values == tolist(["repo:example/groundwork:environment:prod"])
    ])
    error_message = "apply must be bound to the environment of this repository"
  }

  assert {
    condition = anytrue([
      for condition in data.aws_iam_policy_document.trust["plan"].statement[0].condition :
      condition.variable == "token.actions.githubusercontent.com:aud"
    ])
    error_message = "the audience must be checked"
  }
}

run "every_branch_is_refused" {
  command = plan

  variables {
    subjects = { apply = ["*"] }
  }

  expect_failures = [var.subjects]
}

run "the_second_environment_of_an_account_looks_the_provider_up" {
  command = plan

  variables {
    create_provider = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0 && data.aws_iam_openid_connect_provider.this[0].url == "https://token.actions.githubusercontent.com"
    error_message = "IAM refuses a second provider for the same issuer"
  }
}
