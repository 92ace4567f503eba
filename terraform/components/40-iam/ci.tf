# Rights of GitHub Actions. Both roles have ReadOnlyAccess: below is what they write, and the little that it cannot read.
# A resource's name begins with the environment's, so what another environment of the account has is out of reach; where AWS
# chooses the id, the account and region bound it; "*" stands only beside actions that know no resource.

locals {
  state_buckets = [for use in ["bootstrap", "state"] : "arn:aws:s3:::${local.env}-groundwork-${use}-${local.account}"]
  state_table   = "arn:aws:dynamodb:${local.region}:${local.account}:table/${local.env}-groundwork-state-lock"

  # A primary keeps copies in its peer's region.
  here     = "${local.region}:${local.account}"
  anywhere = var.settings.peer == null ? local.here : "*:${local.account}"

  # A standby's databases have their primary's passwords and are replicas of its instances.
  primary_passwords = local.is_standby ? ["${local.secret_arn}:${var.settings.peer.environment}-shared-*-master-password-*"] : []
  primary_databases = local.is_standby ? ["arn:aws:rds:*:${local.account}:db:${var.settings.peer.environment}-*"] : []
}

# ----------------------------------------------------------------------------------------------------------- both roles

data "aws_iam_policy_document" "ci_state" {
  statement {
    sid       = "ListStates"
    actions   = ["s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions"]
    resources = local.state_buckets
  }

  statement {
    sid       = "ReadAndWriteStates"
    actions   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
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
  # Planning what has a generated password opens its write-only values.
  statement {
    sid     = "OpenGeneratedPasswords"
    actions = ["secretsmanager:GetSecretValue"]
    resources = concat(
      [for name in ["shared-*-master-password", "*-cache-token", "lgtm-grafana-*"] : "${local.secret_arn}:${local.env}-${name}-*"],
      local.primary_passwords,
    )
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

# ---------------------------------------------------------------------------------------------------------------- apply

data "aws_iam_policy_document" "ci_apply_network" {
  statement {
    sid = "Ec2"
    actions = [
      "ec2:*Address*",
      "ec2:*FlowLogs",
      "ec2:*IamInstanceProfile*",
      "ec2:*InternetGateway*",
      "ec2:*NatGateway*",
      "ec2:*NetworkInterface*",
      "ec2:*Route*",
      "ec2:*SecurityGroup*",
      "ec2:*Subnet*",
      "ec2:*Tags",
      "ec2:*Volume*",
      "ec2:*Vpc*",
      "ec2:ModifyInstance*",
      "ec2:MonitorInstances",
      "ec2:RunInstances",
      "ec2:StartInstances",
      "ec2:StopInstances",
      "ec2:TerminateInstances",
      "ec2:UnmonitorInstances",
    ]
    resources = ["arn:aws:ec2:${local.here}:*", "arn:aws:ec2:${local.region}::image/*"]
  }

  # EC2's and KMS' ids do not say whose they are; their tags do.
  statement {
    sid       = "NotOtherEnvironments"
    effect    = "Deny"
    actions   = ["ec2:*", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource"]
    resources = ["*"]

    condition {
      test     = "StringNotEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [local.env]
    }

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/Environment"
      values   = ["false"]
    }
  }

  statement {
    sid = "LoadBalancers"
    actions = [
      "elasticloadbalancing:AddTags",
      "elasticloadbalancing:Create*",
      "elasticloadbalancing:Delete*",
      "elasticloadbalancing:Modify*",
      "elasticloadbalancing:RemoveTags",
      "elasticloadbalancing:Set*",
    ]
    resources = [
      "arn:aws:elasticloadbalancing:${local.here}:listener-rule/app/${local.env}-*",
      "arn:aws:elasticloadbalancing:${local.here}:listener/app/${local.env}-*",
      "arn:aws:elasticloadbalancing:${local.here}:loadbalancer/app/${local.env}-*",
      "arn:aws:elasticloadbalancing:${local.here}:targetgroup/${local.env}-*",
    ]
  }

  statement {
    sid = "Names"
    actions = [
      "acm:AddTagsToCertificate",
      "acm:DeleteCertificate",
      "acm:RemoveTagsFromCertificate",
      "acm:UpdateCertificateOptions",
      "route53:AssociateVPCWithHostedZone",
      "route53:ChangeResourceRecordSets",
      "route53:ChangeTagsForResource",
      "route53:DeleteHostedZone",
      "route53:UpdateHostedZoneComment",
      "servicediscovery:CreateService",
      "servicediscovery:DeleteNamespace",
      "servicediscovery:DeleteService",
      "servicediscovery:DeregisterInstance",
      "servicediscovery:RegisterInstance",
      "servicediscovery:TagResource",
      "servicediscovery:UntagResource",
      "servicediscovery:UpdatePrivateDnsNamespace",
      "servicediscovery:UpdateService",
    ]
    resources = [
      "arn:aws:acm:${local.here}:certificate/*",
      "arn:aws:route53:::hostedzone/*",
      "arn:aws:servicediscovery:${local.here}:namespace/*",
      "arn:aws:servicediscovery:${local.here}:service/*",
    ]
  }

  statement {
    sid = "NewNames"
    actions = [
      "acm:RequestCertificate",
      "route53:CreateHostedZone",
      "servicediscovery:CreatePrivateDnsNamespace",
    ]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "ci_apply_data" {
  statement {
    sid = "Keys"
    actions = [
      "kms:CreateAlias",
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:EnableKeyRotation",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:PutKeyPolicy",
      "kms:ReEncrypt*",
      "kms:RetireGrant",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    resources = ["arn:aws:kms:${local.anywhere}:alias/${local.env}-*", "arn:aws:kms:${local.anywhere}:key/*"]
  }

  statement {
    sid = "Secrets"
    actions = [
      "secretsmanager:CreateSecret",
      "secretsmanager:DeleteSecret",
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
      "secretsmanager:RestoreSecret",
      "secretsmanager:TagResource",
      "secretsmanager:UntagResource",
      "secretsmanager:UpdateSecret*",
    ]
    resources = ["arn:aws:secretsmanager:${local.anywhere}:secret:${local.env}-*"]
  }

  statement {
    sid       = "NewKeysAndPasswords"
    actions   = ["kms:CreateKey", "secretsmanager:BatchGetSecretValue"]
    resources = ["*"]
  }

  statement {
    sid = "HandOff"
    actions = [
      "ssm:AddTagsToResource",
      "ssm:DeleteParameter",
      "ssm:DeleteParameters",
      "ssm:PutParameter",
      "ssm:RemoveTagsFromResource",
    ]
    resources = ["arn:aws:ssm:${local.here}:parameter/shared/*"]
  }

  statement {
    sid = "Databases"
    actions = [
      "rds:AddTagsToResource",
      "rds:CreateDB*",
      "rds:DeleteDB*",
      "rds:ModifyDB*",
      "rds:PromoteReadReplica",
      "rds:RebootDBInstance",
      "rds:RemoveTagsFromResource",
      "rds:ResetDBParameterGroup",
    ]
    resources = concat(
      ["arn:aws:rds:${local.here}:*:${local.env}-*", "arn:aws:rds:${local.here}:og:default:*"],
      local.primary_databases,
    )
  }

  statement {
    sid = "Caches"
    actions = [
      "elasticache:AddTagsToResource",
      "elasticache:Create*",
      "elasticache:DecreaseReplicaCount",
      "elasticache:Delete*",
      "elasticache:IncreaseReplicaCount",
      "elasticache:Modify*",
      "elasticache:RemoveTagsFromResource",
      "elasticache:ResetCacheParameterGroup",
    ]
    resources = ["arn:aws:elasticache:${local.here}:*:${local.env}-*"]
  }

  statement {
    sid = "Tables"
    actions = [
      "dynamodb:CreateTable",
      "dynamodb:DeleteTable",
      "dynamodb:TagResource",
      "dynamodb:UntagResource",
      "dynamodb:UpdateContinuousBackups",
      "dynamodb:UpdateTable",
      "dynamodb:UpdateTimeToLive",
    ]
    resources = ["arn:aws:dynamodb:${local.here}:table/${local.env}-*"]
  }

  statement {
    sid = "Buckets"
    actions = [
      "s3:CreateBucket",
      "s3:DeleteBucket*",
      "s3:PutBucket*",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
      "s3:PutReplicationConfiguration",
    ]
    resources = ["arn:aws:s3:::${local.env}-*"]
  }

  # Configurations that Terraform writes, and buckets that are emptied before they go.
  statement {
    sid = "Objects"
    actions = [
      "s3:DeleteObject",
      "s3:DeleteObjectTagging",
      "s3:DeleteObjectVersion",
      "s3:PutObject",
      "s3:PutObjectTagging",
    ]
    resources = ["arn:aws:s3:::${local.env}-*/*"]
  }

  statement {
    sid       = "KeepStates"
    effect    = "Deny"
    actions   = ["s3:DeleteBucket", "s3:DeleteObjectVersion"]
    resources = concat(local.state_buckets, [for bucket in local.state_buckets : "${bucket}/*"])
  }

  statement {
    sid       = "KeepNewestStates"
    effect    = "Deny"
    actions   = ["s3:DeleteObject"]
    resources = [for bucket in local.state_buckets : "${bucket}/*.tfstate"]
  }

  statement {
    sid = "FileSystems"
    actions = [
      "elasticfilesystem:Create*",
      "elasticfilesystem:Delete*",
      "elasticfilesystem:ModifyMountTargetSecurityGroups",
      "elasticfilesystem:Put*",
      "elasticfilesystem:TagResource",
      "elasticfilesystem:UntagResource",
      "elasticfilesystem:UpdateFileSystem",
    ]
    resources = [
      "arn:aws:elasticfilesystem:${local.here}:access-point/*",
      "arn:aws:elasticfilesystem:${local.here}:file-system/*",
    ]
  }

  statement {
    sid = "Backups"
    actions = [
      "backup:CreateBackup*",
      "backup:DeleteBackupPlan",
      "backup:DeleteBackupSelection",
      "backup:DeleteBackupVault",
      "backup:TagResource",
      "backup:UntagResource",
      "backup:UpdateBackupPlan",
    ]
    resources = [
      "arn:aws:backup:${local.anywhere}:backup-plan:*",
      "arn:aws:backup:${local.anywhere}:backup-vault:${local.env}-*",
    ]
  }

  statement {
    sid       = "BackupStorage"
    actions   = ["backup-storage:MountCapsule"]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "ci_apply_compute" {
  statement {
    sid = "Images"
    actions = [
      "ecr:CreateRepository",
      "ecr:DeleteLifecyclePolicy",
      "ecr:DeleteRepository",
      "ecr:DeleteRepositoryPolicy",
      "ecr:PutImageScanningConfiguration",
      "ecr:PutImageTagMutability",
      "ecr:PutLifecyclePolicy",
      "ecr:SetRepositoryPolicy",
      "ecr:TagResource",
      "ecr:UntagResource",
    ]
    resources = ["arn:aws:ecr:${local.anywhere}:repository/${local.env}-*"]
  }

  statement {
    sid = "Containers"
    actions = [
      "ecs:CreateService",
      "ecs:DeleteCluster",
      "ecs:DeleteService",
      "ecs:PutClusterCapacityProviders",
      "ecs:TagResource",
      "ecs:UntagResource",
      "ecs:UpdateCluster*",
      "ecs:UpdateService",
    ]
    resources = [
      "arn:aws:ecs:${local.here}:cluster/${local.env}-*",
      "arn:aws:ecs:${local.here}:service/${local.env}-*",
      "arn:aws:ecs:${local.here}:task-definition/${local.env}-*",
    ]
  }

  statement {
    sid = "Scaling"
    actions = [
      "application-autoscaling:DeleteScalingPolicy",
      "application-autoscaling:DeregisterScalableTarget",
      "application-autoscaling:PutScalingPolicy",
      "application-autoscaling:RegisterScalableTarget",
      "application-autoscaling:TagResource",
      "application-autoscaling:UntagResource",
    ]
    resources = ["arn:aws:application-autoscaling:${local.here}:scalable-target/*"]
  }

  statement {
    sid = "Functions"
    actions = [
      "lambda:*EventInvokeConfig",
      "lambda:*FunctionConcurrency",
      "lambda:AddPermission",
      "lambda:CreateFunction",
      "lambda:DeleteFunction",
      "lambda:RemovePermission",
      "lambda:TagResource",
      "lambda:UntagResource",
      "lambda:UpdateFunction*",
    ]
    resources = ["arn:aws:lambda:${local.here}:function:${local.env}-*"]
  }

  statement {
    sid = "StateMachines"
    actions = [
      "states:CreateStateMachine",
      "states:DeleteStateMachine",
      "states:TagResource",
      "states:UntagResource",
      "states:UpdateStateMachine",
    ]
    resources = ["arn:aws:states:${local.here}:stateMachine:${local.env}-*"]
  }

  # API Gateway's paths have no account, and its ids are its own.
  statement {
    sid     = "Apis"
    actions = ["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"]
    resources = [
      for path in ["account", "apis", "apis/*", "tags/*"] : "arn:aws:apigateway:${local.region}::/${path}"
    ]
  }

  statement {
    sid = "Messages"
    actions = [
      "sns:CreateTopic",
      "sns:DeleteTopic",
      "sns:SetTopicAttributes",
      "sns:Subscribe",
      "sns:TagResource",
      "sns:UntagResource",
      "sqs:CreateQueue",
      "sqs:DeleteQueue",
      "sqs:SetQueueAttributes",
      "sqs:TagQueue",
      "sqs:UntagQueue",
    ]
    resources = ["arn:aws:sns:${local.here}:${local.env}-*", "arn:aws:sqs:${local.here}:${local.env}-*"]
  }

  statement {
    sid = "WithoutResource"
    actions = [
      "ecr:PutReplicationConfiguration",
      "ecs:CreateCluster",
      "ecs:DeregisterTaskDefinition",
      "ecs:RegisterTaskDefinition",
      "sns:SetSubscriptionAttributes",
      "sns:Unsubscribe",
      "states:ValidateStateMachineDefinition",
    ]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "ci_apply_operations" {
  statement {
    sid = "Logs"
    actions = [
      "logs:AssociateKmsKey",
      "logs:CreateLogGroup",
      "logs:DeleteLogGroup",
      "logs:DeleteMetricFilter",
      "logs:DeleteRetentionPolicy",
      "logs:DisassociateKmsKey",
      "logs:PutMetricFilter",
      "logs:PutRetentionPolicy",
      "logs:TagResource",
      "logs:UntagResource",
    ]
    resources = [
      "arn:aws:logs:${local.here}:log-group:/*/${local.env}-*",
      "arn:aws:logs:${local.here}:log-group:/vpc/${local.env}/*",
    ]
  }

  # Whoever switches on the log of a cache or an API sets its delivery up.
  statement {
    sid = "LogDelivery"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }

  statement {
    sid = "Alarms"
    actions = [
      "cloudwatch:DeleteAlarms",
      "cloudwatch:DeleteDashboards",
      "cloudwatch:PutCompositeAlarm",
      "cloudwatch:PutDashboard",
      "cloudwatch:PutMetricAlarm",
      "cloudwatch:TagResource",
      "cloudwatch:UntagResource",
    ]
    resources = [
      "arn:aws:cloudwatch:${local.here}:alarm:${local.env}-*",
      "arn:aws:cloudwatch:${local.here}:alarm:TargetTracking-service/${local.env}-*",
      "arn:aws:cloudwatch::${local.account}:dashboard/${local.env}-*",
    ]
  }

  statement {
    sid = "TracesGroupsAndBudgets"
    actions = [
      "budgets:ListTagsForResource",
      "budgets:ModifyBudget",
      "budgets:TagResource",
      "budgets:UntagResource",
      "budgets:ViewBudget",
      "resource-groups:DeleteGroup",
      "resource-groups:Tag",
      "resource-groups:Untag",
      "resource-groups:UpdateGroup",
      "resource-groups:UpdateGroupQuery",
      "xray:*Group",
      "xray:*SamplingRule",
      "xray:TagResource",
      "xray:UntagResource",
    ]
    resources = [
      "arn:aws:budgets::${local.account}:budget/${local.env}-*",
      "arn:aws:resource-groups:${local.here}:group/${local.env}-*",
      "arn:aws:xray:${local.here}:group/${local.env}-*",
      "arn:aws:xray:${local.here}:sampling-rule/${local.env}-*",
    ]
  }

  statement {
    sid = "WithoutResource"
    actions = [
      "applicationinsights:CreateApplication",
      "applicationinsights:DeleteApplication",
      "applicationinsights:TagResource",
      "applicationinsights:UntagResource",
      "applicationinsights:UpdateApplication",
      "ce:CreateAnomalyMonitor",
      "ce:CreateAnomalySubscription",
      "ce:DeleteAnomalyMonitor",
      "ce:DeleteAnomalySubscription",
      "ce:TagResource",
      "ce:UntagResource",
      "ce:UpdateAnomalyMonitor",
      "ce:UpdateAnomalySubscription",
      "resource-groups:CreateGroup",
      "xray:PutEncryptionConfig",
    ]
    resources = ["*"]
  }

  statement {
    sid = "Roles"
    actions = [
      "iam:*InstanceProfile*",
      "iam:*RolePolicy",
      "iam:CreatePolicy*",
      "iam:CreateRole",
      "iam:DeletePolicy*",
      "iam:DeleteRole",
      "iam:TagPolicy",
      "iam:TagRole",
      "iam:UntagPolicy",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole*",
    ]
    resources = [
      "arn:aws:iam::${local.account}:instance-profile/${local.env}-*",
      "arn:aws:iam::${local.account}:policy/${local.env}-*",
      "arn:aws:iam::${local.account}:role/${local.env}-*",
    ]
  }

  # AWS' services make their own roles when an account first uses them.
  statement {
    sid       = "ServiceLinkedRoles"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:aws:iam::${local.account}:role/aws-service-role/*"]
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = ["arn:aws:iam::${local.account}:role/${local.env}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values = [
        "apigateway.amazonaws.com",
        "backup.amazonaws.com",
        "ec2.amazonaws.com",
        "ecs-tasks.amazonaws.com",
        "lambda.amazonaws.com",
        "monitoring.rds.amazonaws.com",
        "s3.amazonaws.com",
        "states.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
      ]
    }
  }

  # CI must not widen its own rights: who changes its roles applies this component by hand.
  statement {
    sid    = "KeepOwnRights"
    effect = "Deny"
    actions = [
      "iam:*RolePolicy",
      "iam:CreatePolicyVersion",
      "iam:DeletePolicy*",
      "iam:DeleteRole",
      "iam:UpdateAssumeRolePolicy",
    ]
    resources = [
      "arn:aws:iam::${local.account}:policy/${local.env}-ci-*",
      "arn:aws:iam::${local.account}:role/${local.env}-ci-*",
    ]
  }
}

# site.yml reaches private hosts by SSH through Session Manager.
data "aws_iam_policy_document" "ci_site" {
  statement {
    sid       = "OpenSessionOnHosts"
    actions   = ["ssm:StartSession"]
    resources = ["arn:aws:ec2:${local.here}:instance/*"]

    condition {
      test     = "StringEquals"
      variable = "ssm:resourceTag/Environment"
      values   = [local.env]
    }

    # Without it a session of another document, a shell for example, would need no right to the document.
    condition {
      test     = "BoolIfExists"
      variable = "ssm:SessionDocumentAccessCheck"
      values   = ["true"]
    }
  }

  statement {
    sid       = "SshOnly"
    actions   = ["ssm:StartSession"]
    resources = ["arn:aws:ssm:${local.region}::document/AWS-StartSSHSession"]
  }

  statement {
    sid       = "EndOwnSessions"
    actions   = ["ssm:ResumeSession", "ssm:TerminateSession"]
    resources = ["arn:aws:ssm:${local.here}:session/$${aws:userid}-*"]
  }

  statement {
    sid       = "ReadLogins"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = concat(["${local.secret_arn}:${local.env}-*"], local.primary_passwords)
  }

  # A rotation of database logins ends by deleting the pointer to its open record.
  statement {
    sid       = "CloseOperations"
    actions   = ["s3:DeleteObject"]
    resources = [for bucket in local.state_buckets : "${bucket}/records/databases/open.json"]
  }

  statement {
    sid       = "ReadLoginsAtOnce"
    actions   = ["secretsmanager:BatchGetSecretValue"]
    resources = ["*"]
  }

  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = [local.shared.secrets_key_arn]
  }
}

# ---------------------------------------------------------------------------------------------------------------- roles

module "github" {
  source = "../../modules/github-oidc"

  # A standby stands in its primary's account, which has the provider already.
  create_provider = !local.is_standby
  repository      = module.context.catalog.tags.repository
  # Nightly jobs run on the branch itself, with the role that only plans.
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
    each.key == "apply" ? { site = data.aws_iam_policy_document.ci_site.json } : {},
  )
  # More than a role's own policies may hold.
  policies = each.key == "plan" ? {} : {
    compute    = data.aws_iam_policy_document.ci_apply_compute.json
    data       = data.aws_iam_policy_document.ci_apply_data.json
    network    = data.aws_iam_policy_document.ci_apply_network.json
    operations = data.aws_iam_policy_document.ci_apply_operations.json
  }
}

