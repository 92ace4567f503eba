module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "iam"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    secrets_key_arn = "/shared/kms/secrets-manager-key-arn"
    s3_key_arn      = "/shared/kms/s3-key-arn"
  }

  name = each.value
}

locals {
  env     = module.context.environment
  region  = module.context.region
  account = module.context.account_id
  shared  = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }

  secret_arn   = "arn:aws:secretsmanager:${local.region}:${local.account}:secret"
  kafka_bucket = "${local.env}-kafka-backup-${local.account}"
  dump_bucket  = "${local.env}-database-backup-${local.account}"

  instance_profiles = ["kafka", "ops"]

  is_standby = try(var.settings.peer.role == "primary", false)
}

# ---------------------------------------------------------------------------------------------------------------- trust

data "aws_iam_policy_document" "trust" {
  for_each = {
    ec2 = "ec2.amazonaws.com"
    ecs = "ecs-tasks.amazonaws.com"
  }

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value]
    }

    # EC2 itself takes the role for the instance and sends no source account.
    dynamic "condition" {
      for_each = each.key == "ecs" ? [local.account] : []

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

# ------------------------------------------------------------------------------------------------------------------ ECS

data "aws_iam_policy_document" "ecs_execution" {
  statement {
    sid       = "SecretsOfServices"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [for service in module.context.catalog.services : "${local.secret_arn}:${local.env}-${service.name}-*"]
  }

  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = [local.shared.secrets_key_arn]
  }
}

module "ecs_execution" {
  source = "../../modules/iam-role"

  name                = "${local.env}-ecs-execution"
  description         = "Starts ECS tasks: pulls images, writes logs, hands secrets over"
  trust_policy        = data.aws_iam_policy_document.trust["ecs"].json
  managed_policy_arns = { execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy" }
  inline_policies     = { secrets = data.aws_iam_policy_document.ecs_execution.json }
}

data "aws_iam_policy_document" "ecs_task" {
  statement {
    sid = "EcsExec"
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    # These actions know no resource.
    resources = ["*"]
  }
}

module "ecs_task" {
  source = "../../modules/iam-role"

  name            = "${local.env}-ecs-task"
  description     = "What any running task may do; a service's own rights are in its own role"
  trust_policy    = data.aws_iam_policy_document.trust["ecs"].json
  inline_policies = { exec = data.aws_iam_policy_document.ecs_task.json }
}

# ---------------------------------------------------------------------------------------------------------------- hosts

data "aws_iam_policy_document" "kafka" {
  statement {
    sid       = "OwnSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["${local.secret_arn}:${local.env}-kafka-*"]
  }

  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = [local.shared.secrets_key_arn]
  }

  statement {
    sid       = "ListOwnPrefix"
    actions   = ["s3:ListBucket"]
    resources = ["arn:aws:s3:::${local.kafka_bucket}"]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["kafka/*"]
    }
  }

  statement {
    sid       = "OwnPrefix"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["arn:aws:s3:::${local.kafka_bucket}/kafka/*"]
  }

  statement {
    sid       = "EncryptOwnPrefix"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [local.shared.s3_key_arn]
  }
}

data "aws_iam_policy_document" "ops" {
  statement {
    sid       = "ReadHandOff"
    actions   = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    resources = ["arn:aws:ssm:${local.region}:${local.account}:parameter/shared/*"]
  }

  # Dumps of the services' databases. None is deleted: they end by their age.
  statement {
    sid       = "ListDumps"
    actions   = ["s3:ListBucket"]
    resources = ["arn:aws:s3:::${local.dump_bucket}"]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["dumps/*"]
    }
  }

  statement {
    sid       = "ReadAndWriteDumps"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["arn:aws:s3:::${local.dump_bucket}/dumps/*"]
  }

  statement {
    sid       = "EncryptDumps"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [local.shared.s3_key_arn]
  }
}

module "instance" {
  source   = "../../modules/iam-role"
  for_each = toset(local.instance_profiles)

  name                = "${local.env}-${each.key}-instance"
  description         = "EC2 hosts of ${each.key}"
  trust_policy        = data.aws_iam_policy_document.trust["ec2"].json
  managed_policy_arns = { ssm = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore" }
  inline_policies = {
    own = each.key == "kafka" ? data.aws_iam_policy_document.kafka.json : data.aws_iam_policy_document.ops.json
  }
  instance_profile = true
}

# --------------------------------------------------------------------------------------------------------------- export

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = merge(
    {
      for profile in local.instance_profiles : "/shared/iam/${local.env}/${profile}-instance-profile" => {
        description = "Instance profile of ${profile} hosts"
        value       = module.instance[profile].instance_profile_name
      }
    },
    {
      "/shared/iam/${local.env}/ecs-execution-role-arn" = { description = "ECS execution role", value = module.ecs_execution.arn }
      "/shared/iam/${local.env}/ecs-task-role-arn"      = { description = "ECS task role", value = module.ecs_task.arn }
    },
    {
      for role in ["apply", "plan"] : "/shared/iam/${local.env}/ci-${role}-role-arn" => {
        description = "Role of GitHub Actions for terraform ${role}"
        value       = module.ci[role].arn
      }
    },
  )
}
