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

  instance_profiles = ["kafka", "ops"]
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

# ------------------------------------------------------------------------------------------------------------------- CI

locals {
  state_buckets = [for use in ["bootstrap", "state"] : "arn:aws:s3:::${local.env}-groundwork-${use}-${local.account}"]
  state_table   = "arn:aws:dynamodb:${local.region}:${local.account}:table/${local.env}-groundwork-state-lock"
}

data "aws_iam_policy_document" "ci_state" {
  statement {
    sid       = "ListStates"
    actions   = ["s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucket"]
    resources = local.state_buckets
  }

  statement {
    sid       = "ReadAndWriteStates"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for bucket in local.state_buckets : "${bucket}/*"]
  }

  # A run ends by deleting its lock file; states themselves cannot be deleted by CI.
  statement {
    sid       = "ReleaseLocks"
    actions   = ["s3:DeleteObject"]
    resources = [for bucket in local.state_buckets : "${bucket}/*.tflock"]
  }

  statement {
    sid       = "LockTable"
    actions   = ["dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem"]
    resources = [local.state_table]
  }
}

data "aws_iam_policy_document" "ci_plan" {
  # Planning the shared database opens its write-only values.
  statement {
    sid       = "OpenMasterPassword"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["${local.secret_arn}:${local.env}-shared-mysql-master-password-*"]
  }

  statement {
    sid       = "MakePassword"
    actions   = ["secretsmanager:GetRandomPassword"]
    resources = ["*"]
  }

  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = [local.shared.secrets_key_arn]
  }
}

# The lists of the documents, and what the components of this repository need beside them.
data "aws_iam_policy_document" "ci_apply" {
  statement {
    sid = "Network"
    actions = [
      "ec2:*Address*",
      "ec2:*FlowLog*",
      "ec2:*InternetGateway*",
      "ec2:*NatGateway*",
      "ec2:*Route*",
      "ec2:*SecurityGroup*",
      "ec2:*Subnet*",
      "ec2:*Tags",
      "ec2:*Volume*",
      "ec2:*Vpc*",
      "ec2:Describe*",
      "ec2:ModifyInstance*",
      "ec2:RunInstances",
      "ec2:StartInstances",
      "ec2:StopInstances",
      "ec2:TerminateInstances",
      "elasticloadbalancing:*",
      "route53:*HostedZone*",
      "route53:ChangeResourceRecordSets",
      "servicediscovery:*",
    ]
    resources = ["*"]
  }

  statement {
    sid = "KeysAndSecrets"
    actions = [
      "kms:CreateAlias",
      "kms:CreateGrant",
      "kms:CreateKey",
      "kms:Decrypt",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:EnableKeyRotation",
      "kms:GenerateDataKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListAliases",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "secretsmanager:*Secret*",
      "secretsmanager:GetRandomPassword",
      "secretsmanager:GetResourcePolicy",
      "secretsmanager:TagResource",
      "secretsmanager:UntagResource",
      "ssm:*Parameter*",
      "ssm:*TagsToResource",
      "ssm:ListTagsForResource",
      "ssm:RemoveTagsFromResource",
    ]
    resources = ["*"]
  }

  statement {
    sid = "DataAndCompute"
    actions = [
      "application-autoscaling:*",
      "cloudwatch:*",
      "dynamodb:CreateTable",
      "dynamodb:DeleteTable",
      "dynamodb:Describe*",
      "dynamodb:ListTagsOfResource",
      "dynamodb:TagResource",
      "dynamodb:UntagResource",
      "dynamodb:UpdateContinuousBackups",
      "dynamodb:UpdateTable",
      "ecr:*Repository*",
      "ecr:*Lifecycle*",
      "ecr:*Tag*",
      "ecs:*",
      "elasticache:*",
      "logs:*",
      "rds:*",
      "s3:*Bucket*",
      "s3:*Configuration",
      "sns:*",
      "sqs:*",
    ]
    resources = ["*"]
  }

  statement {
    sid = "Roles"
    actions = [
      "iam:*InstanceProfile*",
      "iam:*OpenIDConnectProvider*",
      "iam:*RolePolic*",
      "iam:CreatePolicy",
      "iam:CreateRole",
      "iam:CreateServiceLinkedRole",
      "iam:DeleteRole",
      "iam:GetPolicy*",
      "iam:GetRole",
      "iam:List*",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole*",
    ]
    resources = [
      "arn:aws:iam::${local.account}:instance-profile/${local.env}-*",
      "arn:aws:iam::${local.account}:oidc-provider/*",
      "arn:aws:iam::${local.account}:policy/${local.env}-*",
      "arn:aws:iam::${local.account}:role/${local.env}-*",
      "arn:aws:iam::${local.account}:role/aws-service-role/*",
    ]
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = ["arn:aws:iam::${local.account}:role/${local.env}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values = [
        "ec2.amazonaws.com",
        "ecs-tasks.amazonaws.com",
        "monitoring.rds.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
      ]
    }
  }

  # CI must not widen its own rights.
  statement {
    sid    = "KeepOwnRights"
    effect = "Deny"
    actions = [
      "iam:AttachRolePolicy",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePolicy",
      "iam:UpdateAssumeRolePolicy",
    ]
    resources = ["arn:aws:iam::${local.account}:role/${local.env}-ci-*"]
  }
}

module "github" {
  source = "../../modules/github-oidc"

  repository = module.context.catalog.tags.repository
  subjects = {
    plan  = concat(["pull_request"], [for branch in var.settings.ci_branches : "ref:refs/heads/${branch}"])
    apply = ["environment:${local.env}"]
  }
}

module "ci" {
  source   = "../../modules/iam-role"
  for_each = module.github.trust_policies

  name         = "${local.env}-ci-${each.key}"
  description  = "GitHub Actions: terraform ${each.key} of ${local.env}"
  trust_policy = each.value
  managed_policy_arns = {
    read = "arn:aws:iam::aws:policy/ReadOnlyAccess"
  }
  inline_policies = merge(
    { state = data.aws_iam_policy_document.ci_state.json, plan = data.aws_iam_policy_document.ci_plan.json },
    each.key == "apply" ? { apply = data.aws_iam_policy_document.ci_apply.json } : {},
  )
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
