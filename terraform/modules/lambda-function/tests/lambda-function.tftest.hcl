mock_provider "aws" {}

variables {
  name               = "test-problem-grader"
  description        = "Grader"
  role_arn           = "arn:aws:iam::111122223333:role/test-problem-grader"
  package            = { filename = "./main.tf", handler = "handler.handler" }
  timeout_seconds    = 25
  subnet_ids         = ["subnet-1"]
  security_group_ids = ["sg-1"]
  kms_key_arn        = "arn:aws:kms:ap-northeast-2:111122223333:key/ssm"
  logs_kms_key_arn   = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
  log_retention_days = 7
}

run "a_zip_function" {
  command = plan

  assert {
    condition     = aws_lambda_function.this.package_type == "Zip" && aws_lambda_function.this.source_code_hash == filebase64sha256("./main.tf")
    error_message = "the package's hash must be known when planning, so that new code is a change"
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["x86_64"]) && aws_cloudwatch_log_group.this.kms_key_id == var.logs_kms_key_arn
    error_message = "one architecture for code and images, logs under the customer key"
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 0
    error_message = "a failed event is not worked on again unless asked for"
  }
}

run "an_image_function" {
  command = plan

  variables {
    package   = null
    image_uri = "111122223333.dkr.ecr.ap-northeast-2.amazonaws.com/test@sha256:0000"
  }

  assert {
    condition     = aws_lambda_function.this.package_type == "Image" && aws_lambda_function.this.handler == null
    error_message = "an image brings its handler"
  }
}

run "a_tag_is_refused" {
  command = plan

  variables {
    package   = null
    image_uri = "111122223333.dkr.ecr.ap-northeast-2.amazonaws.com/test:1.0.0"
  }

  expect_failures = [var.image_uri]
}

run "package_and_image_are_refused" {
  command = plan

  variables {
    image_uri = "111122223333.dkr.ecr.ap-northeast-2.amazonaws.com/test@sha256:0000"
  }

  expect_failures = [var.image_uri]
}

run "the_region_as_a_variable_is_refused" {
  command = plan

  variables {
    environment = { AWS_REGION = "ap-northeast-2" }
  }

  expect_failures = [var.environment]
}

run "every_name_of_lambda_is_refused" {
  command = plan

  variables {
    environment = { AWS_LAMBDA_FUNCTION_NAME = "x" }
  }

  expect_failures = [var.environment]
}
