mock_provider "aws" {}

variables {
  name           = "test-fileflow"
  match          = { Service = "fileflow", Environment = "test" }
  resource_types = ["AWS::SQS::Queue", "AWS::ECS::Service"]
  topic_arn      = "arn:aws:sns:ap-northeast-2:111122223333:test-monitoring-alerts"
}

run "the_group_follows_the_tags" {
  command = plan

  assert {
    condition = jsondecode(aws_resourcegroups_group.this.resource_query[0].query) == {
      ResourceTypeFilters = ["AWS::ECS::Service", "AWS::SQS::Queue"]
      TagFilters          = [{ Key = "Environment", Values = ["test"] }, { Key = "Service", Values = ["fileflow"] }]
    }
    error_message = "resources are found by their tags"
  }

  assert {
    condition     = aws_applicationinsights_application.this.resource_group_name == "test-fileflow"
    error_message = "the application is the group's"
  }
}

run "a_group_of_everything_is_refused" {
  command = plan

  variables {
    match = {}
  }

  expect_failures = [var.match]
}
