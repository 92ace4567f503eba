# Who may do what: one role a program, each with the resources that it works on and nothing else.

locals {
  repository_arns = { for name, _ in local.images : name => module.repository.arns["problem-${name}"] }
  cluster_name    = reverse(split("/", local.shared.cluster_arn))[0]

  # A geographic inference profile (apac.…) hands the call on to the model in any of its regions.
  profile_prefix = try(regex("^(apac|eu|us|us-gov|global)\\.", local.problem.model_id)[0], "")
  base_model     = local.profile_prefix == "" ? local.problem.model_id : trimprefix(local.problem.model_id, "${local.profile_prefix}.")
  model_arns = local.profile_prefix == "" ? ["arn:aws:bedrock:${local.region}::foundation-model/${local.base_model}"] : [
    "arn:aws:bedrock:*::foundation-model/${local.base_model}",
    "arn:aws:bedrock:${local.region}:${local.account}:inference-profile/${local.problem.model_id}",
  ]

  principals = {
    execution     = "ecs-tasks.amazonaws.com"
    generator     = "ecs-tasks.amazonaws.com"
    grader        = "lambda.amazonaws.com"
    runner-python = "ecs-tasks.amazonaws.com"
    states        = "states.amazonaws.com"
    streaming     = "lambda.amazonaws.com"
  }

  descriptions = {
    execution     = "ECS pulls the problem service's images and writes its logs"
    generator     = "Makes problems in the background"
    grader        = "HTTP API of the problem service"
    runner-python = "Grades submissions in Python"
    states        = "State machine of the problem service"
    streaming     = "WebSocket API of the problem service"
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.principals

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value]
    }

    # Lambda sends no source account when it takes a function's role.
    dynamic "condition" {
      for_each = each.value == "lambda.amazonaws.com" ? [] : [local.account]

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "RegistryLogin"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [local.repository_arns["generator"], local.repository_arns["runner-python"]]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for name in ["generator", "runner-python"] : "arn:aws:logs:${local.region}:${local.account}:log-group:/ecs/${local.name}-${name}:*"]
  }
}

# What both functions need to run in the VPC, write logs and traces.
data "aws_iam_policy_document" "function" {
  for_each = { grader = "grader", streaming = "generator-streaming" }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:aws:logs:${local.region}:${local.account}:log-group:/aws/lambda/${local.name}-${each.value}:*"]
  }

  # Lambda makes the interfaces with the function's role before the function runs: no resource is known yet.
  statement {
    sid = "NetworkInterfaces"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["*"]
  }

  # Only Lambda uses these, the function's code does not.
  statement {
    sid       = "NotByTheProgram"
    effect    = "Deny"
    actions   = ["ec2:*"]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = [local.function_arns[each.key]]
    }
  }

  statement {
    sid       = "WriteTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }

  statement {
    sid       = "ReadOwnVariables"
    actions   = ["kms:Decrypt"]
    resources = [local.shared.ssm_key_arn]
  }
}

data "aws_iam_policy_document" "grader" {
  statement {
    sid       = "ProblemsAndSubmissions"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [for table in module.table : table.arn]
  }

  statement {
    sid       = "TableKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [local.shared.rds_key_arn]
  }

  statement {
    sid       = "StartGrading"
    actions   = ["states:StartExecution"]
    resources = ["arn:aws:states:${local.region}:${local.account}:stateMachine:${local.name}-grader"]
  }

  statement {
    sid       = "ExecutionKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [local.shared.ssm_key_arn]
  }
}

# Makes problems: in the background (ECS) or before the client's eyes (Lambda).
data "aws_iam_policy_document" "generate" {
  statement {
    sid       = "AskTheModel"
    actions   = ["bedrock:InvokeModelWithResponseStream"]
    resources = local.model_arns
  }

  statement {
    sid       = "StoreProblems"
    actions   = ["dynamodb:PutItem"]
    resources = [module.table["problems"].arn]
  }

  statement {
    sid       = "TableKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [local.shared.rds_key_arn]
  }
}

data "aws_iam_policy_document" "streaming" {
  statement {
    sid       = "RegistryLogin"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  # Without it the function loses its image at the next cold start after a push.
  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [local.repository_arns["generator-streaming"]]
  }

  statement {
    sid       = "AnswerClients"
    actions   = ["execute-api:ManageConnections"]
    resources = ["${module.websocket_api.execution_arn}/${module.websocket_api.stage}/POST/@connections/*"]
  }

  statement {
    sid       = "WorkOnInTheBackground"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.function_arns.streaming]
  }
}

data "aws_iam_policy_document" "runner" {
  statement {
    sid       = "ReadProblemAndSubmission"
    actions   = ["dynamodb:GetItem"]
    resources = [for table in module.table : table.arn]
  }

  statement {
    sid       = "TableKey"
    actions   = ["kms:Decrypt"]
    resources = [local.shared.rds_key_arn]
  }

  statement {
    sid       = "WriteReport"
    actions   = ["s3:PutObject"]
    resources = ["${module.output.arn}/reports/*"]
  }

  statement {
    sid       = "ReportKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [local.shared.s3_key_arn]
  }
}

data "aws_iam_policy_document" "states" {
  statement {
    sid       = "RunTasks"
    actions   = ["ecs:RunTask"]
    resources = [for name in ["generator", "runner-python"] : "arn:aws:ecs:${local.region}:${local.account}:task-definition/${local.name}-${name}:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.shared.cluster_arn]
    }
  }

  statement {
    sid       = "WatchTasks"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:aws:ecs:${local.region}:${local.account}:task/${local.cluster_name}/*"]
  }

  # Step Functions hears of a task's end by a rule of its own.
  statement {
    sid       = "HearOfTheEnd"
    actions   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
    resources = ["arn:aws:events:${local.region}:${local.account}:rule/StepFunctionsGetEventsForECSTaskRule"]
  }

  statement {
    sid       = "GiveTasksTheirRoles"
    actions   = ["iam:PassRole"]
    resources = [for name in ["execution", "generator", "runner-python"] : "arn:aws:iam::${local.account}:role/${local.name}-${name}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "StoreOutcome"
    actions   = ["dynamodb:UpdateItem"]
    resources = [for table in module.table : table.arn]
  }

  statement {
    sid       = "ReadReports"
    actions   = ["s3:GetObject"]
    resources = ["${module.output.arn}/reports/*"]
  }

  statement {
    sid       = "Keys"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [local.shared.rds_key_arn, local.shared.s3_key_arn, local.shared.ssm_key_arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:aws:logs:${local.region}:${local.account}:log-group:/aws/vendedlogs/states/${local.name}-grader:*"]
  }

  # Log delivery is set up by account-wide calls that take no resource.
  statement {
    sid = "DeliverLogs"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "WriteTraces"
    actions   = ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}

locals {
  policies = {
    execution     = { own = data.aws_iam_policy_document.execution.json }
    generator     = { generate = data.aws_iam_policy_document.generate.json }
    grader        = { function = data.aws_iam_policy_document.function["grader"].json, own = data.aws_iam_policy_document.grader.json }
    runner-python = { own = data.aws_iam_policy_document.runner.json }
    states        = { own = data.aws_iam_policy_document.states.json }
    streaming = {
      function = data.aws_iam_policy_document.function["streaming"].json
      generate = data.aws_iam_policy_document.generate.json
      own      = data.aws_iam_policy_document.streaming.json
    }
  }
}

module "role" {
  source   = "../../modules/iam-role"
  for_each = local.principals

  name            = "${local.name}-${each.key}"
  description     = local.descriptions[each.key]
  trust_policy    = data.aws_iam_policy_document.trust[each.key].json
  inline_policies = local.policies[each.key]
}
