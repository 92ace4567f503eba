module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "kms"
}

module "keys" {
  source = "../../modules/kms"

  name                 = module.context.environment
  account_id           = module.context.account_id
  region               = module.context.region
  deletion_window_days = var.settings.deletion_window_days

  keys = {
    cloudwatch-logs = {
      description       = "CloudWatch log groups"
      service_principal = "logs.${module.context.region}.amazonaws.com"
      encryption_context = {
        key     = "aws:logs:arn"
        pattern = "arn:aws:logs:${module.context.region}:${module.context.account_id}:*"
      }
    }
    elasticache     = { description = "ElastiCache data at rest", via_service = "elasticache" }
    rds             = { description = "RDS storage, snapshots and Performance Insights", via_service = "rds" }
    s3              = { description = "S3 objects", via_service = "s3" }
    secrets-manager = { description = "Secrets Manager secrets", via_service = "secretsmanager" }
    sqs             = { description = "SQS messages", via_service = "sqs" }
    ssm             = { description = "SSM SecureString parameters and sessions", via_service = "ssm" }
  }
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    for name, arn in module.keys.key_arns : "/shared/kms/${name}-key-arn" => {
      description = "ARN of the ${name} key"
      value       = arn
    }
  }
}
