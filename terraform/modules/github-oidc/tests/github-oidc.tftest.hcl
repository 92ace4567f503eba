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
