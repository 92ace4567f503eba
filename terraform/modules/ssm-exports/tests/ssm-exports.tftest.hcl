mock_provider "aws" {}

run "lists_are_string_lists" {
  command = plan

  variables {
    parameters = {
      "/shared/network/vpc-id"     = { description = "VPC", value = "vpc-1" }
      "/shared/network/subnet-ids" = { description = "Subnets", values = ["subnet-1", "subnet-2"] }
    }
  }

  assert {
    condition     = aws_ssm_parameter.this["/shared/network/subnet-ids"].type == "StringList" && output.values["/shared/network/subnet-ids"] == "subnet-1,subnet-2"
    error_message = "a list is joined by commas into a StringList"
  }

  assert {
    condition     = aws_ssm_parameter.this["/shared/network/vpc-id"].type == "String"
    error_message = "a value is a String"
  }
}

run "a_path_elsewhere_is_refused" {
  command = plan

  variables {
    parameters = { "/network/vpc-id" = { description = "VPC", value = "vpc-1" } }
  }

  expect_failures = [var.parameters]
}

run "value_and_values_are_refused" {
  command = plan

  variables {
    parameters = { "/shared/network/vpc-id" = { description = "VPC", value = "vpc-1", values = ["vpc-1"] } }
  }

  expect_failures = [var.parameters]
}
