module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "kms"
}

locals {
  account_id = module.context.account_id
  region     = module.context.region

  own_account = { test = "StringEquals", variable = "aws:SourceAccount", values = [local.account_id] }
  # Sources that may use a key by their service's principal: ARN patterns of this account.
  own_source = {
    for service, pattern in {
      alarms      = "arn:aws:cloudwatch:${local.region}:${local.account_id}:alarm:*"
      budgets     = "arn:aws:budgets::${local.account_id}:*"
      log_service = "arn:aws:logs:${local.region}:${local.account_id}:*"
      topics      = "arn:aws:sns:${local.region}:${local.account_id}:*"
      vaults      = "arn:aws:backup:${local.region}:${local.account_id}:backup-vault:*"
    } : service => { test = "ArnLike", variable = "aws:SourceArn", values = [pattern] }
  }

  use = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
}

module "keys" {
  source = "../../modules/kms"

  name                 = module.context.environment
  account_id           = local.account_id
  region               = local.region
  deletion_window_days = var.settings.deletion_window_days

  keys = {
    cloudwatch-logs = {
      description  = "CloudWatch log groups and X-Ray traces"
      via_services = ["xray"]
      services = {
        "logs.${local.region}.amazonaws.com" = {
          actions = local.use
          conditions = [{
            test     = "ArnLike"
            variable = "kms:EncryptionContext:aws:logs:arn"
            values   = ["arn:aws:logs:${local.region}:${local.account_id}:*"]
          }]
        }
      }
    }

    elasticache = { description = "ElastiCache data at rest", via_services = ["elasticache"] }

    rds = {
      description  = "RDS storage, snapshots and Performance Insights, DynamoDB tables, backup vaults"
      via_services = ["backup", "dynamodb", "rds"]
    }

    s3 = {
      description  = "S3 objects, container images, EBS volumes, EFS files"
      via_services = ["ec2", "ecr", "elasticfilesystem", "s3"]
      services = {
        # Logs that AWS writes into a bucket.
        "delivery.logs.amazonaws.com" = { actions = local.use, conditions = [local.own_account, local.own_source.log_service] }
      }
    }

    secrets-manager = { description = "Secrets Manager secrets", via_services = ["secretsmanager"] }

    sqs = {
      description  = "SQS messages and SNS topics"
      via_services = ["sns", "sqs"]
      # Publishing to an encrypted topic or queue needs the publisher's own use of its key; without it nothing arrives.
      services = {
        "backup.amazonaws.com"     = { conditions = [local.own_account, local.own_source.vaults] }
        "budgets.amazonaws.com"    = { conditions = [local.own_account, local.own_source.budgets] }
        "cloudwatch.amazonaws.com" = { conditions = [local.own_account, local.own_source.alarms] }
        "costalerts.amazonaws.com" = { conditions = [local.own_account] }
        # EventBridge sends neither account nor source to KMS; the topic is in the encryption context.
        "events.amazonaws.com" = {
          conditions = [{
            test     = "ArnLike"
            variable = "kms:EncryptionContext:aws:sns:topicArn"
            values   = ["arn:aws:sns:${local.region}:${local.account_id}:*"]
          }]
        }
        "sns.amazonaws.com" = { conditions = [local.own_account, local.own_source.topics] }
      }
    }

    ssm = {
      description  = "SSM SecureString parameters and sessions, Lambda environments, state machines"
      via_services = ["lambda", "ssm", "states"]
      sessions     = true
      services = {
        # Logs of a state machine that is encrypted with the key.
        "delivery.logs.amazonaws.com" = {
          actions = ["kms:Decrypt"]
          conditions = [{
            test     = "ArnLike"
            variable = "kms:EncryptionContext:SourceArn"
            values   = ["arn:aws:logs:${local.region}:${local.account_id}:*"]
          }]
        }
      }
    }
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
