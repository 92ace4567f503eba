resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = var.description
  role          = var.role_arn
  architectures = ["x86_64"]
  memory_size   = var.memory_mib
  timeout       = var.timeout_seconds
  kms_key_arn   = var.kms_key_arn

  package_type     = var.image_uri == "" ? "Zip" : "Image"
  image_uri        = var.image_uri == "" ? null : var.image_uri
  filename         = try(var.package.filename, null)
  source_code_hash = try(filebase64sha256(var.package.filename), null)
  handler          = try(var.package.handler, null)
  runtime          = try(var.package.runtime, null)

  environment {
    variables = var.environment
  }

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = "Active"
  }

  tags = { Name = var.name }
}

# An event that failed is not worked on again unless that is harmless.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = var.asynchronous_retries
  maximum_event_age_in_seconds = 3600
}
