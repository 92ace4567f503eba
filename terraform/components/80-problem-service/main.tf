module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "problem"
}

data "aws_ssm_parameter" "this" {
  for_each = {
    private_subnet_ids = "/shared/network/private-subnet-ids"
    problem_group_id   = "/shared/security-groups/${module.context.environment}/problem-id"
    cluster_arn        = "/shared/ecs/${module.context.environment}/cluster-arn"
    logs_key_arn       = "/shared/kms/cloudwatch-logs-key-arn"
    rds_key_arn        = "/shared/kms/rds-key-arn"
    s3_key_arn         = "/shared/kms/s3-key-arn"
    ssm_key_arn        = "/shared/kms/ssm-key-arn"
  }

  name = each.value
}

locals {
  env     = module.context.environment
  region  = module.context.region
  account = module.context.account_id
  shared  = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }

  problem    = var.settings.problem_service
  name       = "${local.env}-problem"
  subnet_ids = split(",", local.shared.private_subnet_ids)

  # Repository and build context (services/problem/<folder>) of each image.
  images = {
    generator           = "generator"
    generator-streaming = "generator_streaming"
    runner-python       = "runner_python"
  }
}

# ----------------------------------------------------------------------------------------------------------------- data

module "table" {
  source   = "../../modules/dynamodb-table"
  for_each = { problems = "problem_id", submissions = "submission_id" }

  name                = "${local.name}-${each.key}"
  hash_key            = each.value
  ttl_attribute       = each.key == "submissions" ? "expires_at" : ""
  kms_key_arn         = local.shared.rds_key_arn
  deletion_protection = var.settings.deletion_protection
}

# Reports of the runner, one object a submission.
module "output" {
  source = "../../modules/bucket"

  name                = "${local.name}-grader-output-${local.account}"
  kms_key_arn         = local.shared.s3_key_arn
  deletion_protection = var.settings.deletion_protection
  lifecycle_rule      = local.problem.report_days == 0 ? null : { expire_days = local.problem.report_days, noncurrent_days = 7 }
}

# --------------------------------------------------------------------------------------------------------------- images

module "repository" {
  source = "../../modules/ecr"

  environment         = local.env
  repositories        = { for name, _ in local.images : "problem-${name}" => { keep = 20 } }
  kms_key_arn         = local.shared.s3_key_arn
  deletion_protection = var.settings.deletion_protection
}

# Lambda itself pulls the image, also long after the function was made.
data "aws_iam_policy_document" "lambda_pull" {
  statement {
    sid       = "LambdaPullsImage"
    actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.function_arns.streaming]
    }
  }
}

resource "aws_ecr_repository_policy" "lambda_pull" {
  repository = module.repository.names["problem-generator-streaming"]
  policy     = data.aws_iam_policy_document.lambda_pull.json
}

# The tag that the settings name must have been pushed: the plan fails here, not an apply half-way.
data "aws_ecr_image" "this" {
  for_each = local.problem.image_tag == "" ? {} : local.images

  repository_name = "${local.name}-${each.key}"
  image_tag       = local.problem.image_tag
}

locals {
  image_uris = {
    for name, _ in local.images : name => (
      local.problem.image_tag == "" ? "${module.repository.urls["problem-${name}"]}:not-pushed" : "${module.repository.urls["problem-${name}"]}@${data.aws_ecr_image.this[name].image_digest}"
    )
  }
}

# ---------------------------------------------------------------------------------------------------------------- tasks

module "task" {
  source = "../../modules/task-definition"

  for_each = {
    generator = {
      container   = "generator"
      cpu         = 256
      memory_mib  = 512
      environment = { MODEL_ID = local.problem.model_id }
    }
    runner-python = {
      container   = "runner"
      cpu         = local.problem.runner.cpu
      memory_mib  = local.problem.runner.memory_mib
      environment = { OUTPUT_BUCKET = module.output.name, SUBMISSIONS_TABLE = module.table["submissions"].name }
    }
  }

  name               = "${local.name}-${each.key}"
  container          = each.value.container
  image              = local.image_uris[each.key]
  region             = local.region
  cpu                = each.value.cpu
  memory_mib         = each.value.memory_mib
  environment        = merge(each.value.environment, { AWS_REGION = local.region, PROBLEMS_TABLE = module.table["problems"].name })
  execution_role_arn = module.role["execution"].arn
  task_role_arn      = module.role[each.key].arn
  logs_kms_key_arn   = local.shared.logs_key_arn
  log_retention_days = var.settings.log_retention_days
}

# -------------------------------------------------------------------------------------------------------- state machine

module "states" {
  source = "../../modules/state-machine"

  name     = "${local.name}-grader"
  role_arn = module.role["states"].arn
  definition = templatefile("${path.module}/grader.asl.json", {
    cluster             = local.shared.cluster_arn
    generator_container = module.task["generator"].container
    generator_task      = module.task["generator"].arn
    output_bucket       = module.output.name
    problems_table      = module.table["problems"].name
    runner_container    = module.task["runner-python"].container
    runner_task         = module.task["runner-python"].arn
    security_group      = local.shared.problem_group_id
    submissions_table   = module.table["submissions"].name
    # The file stays JSON by itself: the list's quotes are its own.
    subnets = join("\", \"", local.subnet_ids)
  })

  kms_key_arn        = local.shared.ssm_key_arn
  logs_kms_key_arn   = local.shared.logs_key_arn
  log_retention_days = var.settings.log_retention_days

  # The role's right to deliver logs is checked when the state machine is made.
  depends_on = [module.role]
}

# ------------------------------------------------------------------------------------------------------------ functions

locals {
  function_arns = { for name, function in { grader = "grader", streaming = "generator-streaming" } : name => "arn:aws:lambda:${local.region}:${local.account}:function:${local.name}-${function}" }
}

module "grader" {
  source = "../../modules/lambda-function"

  name            = "${local.name}-grader"
  description     = "Takes submissions and orders for problems, starts the state machine"
  role_arn        = module.role["grader"].arn
  package         = { filename = "${var.packages_dir}/problem-grader.zip", handler = "handler.handler" }
  timeout_seconds = 25
  environment = {
    IMAGE_TAG         = local.problem.image_tag
    PROBLEMS_TABLE    = module.table["problems"].name
    STATE_MACHINE_ARN = module.states.arn
    SUBMISSIONS_TABLE = module.table["submissions"].name
    SUBMISSION_DAYS   = tostring(local.problem.submission_days)
  }

  subnet_ids         = local.subnet_ids
  security_group_ids = [local.shared.problem_group_id]
  kms_key_arn        = local.shared.ssm_key_arn
  logs_kms_key_arn   = local.shared.logs_key_arn
  log_retention_days = var.settings.log_retention_days

  # Lambda checks the role's rights to its network when the function is made.
  depends_on = [module.role]
}

# A function from an image cannot be made before its image: it comes with the apply that names the pushed tag.
module "streaming" {
  source = "../../modules/lambda-function"
  count  = local.problem.image_tag == "" ? 0 : 1

  name            = "${local.name}-generator-streaming"
  description     = "Makes a problem and streams it over the WebSocket API"
  role_arn        = module.role["streaming"].arn
  image_uri       = local.image_uris["generator-streaming"]
  memory_mib      = 512
  timeout_seconds = 300
  environment = {
    CONNECTIONS_ENDPOINT = module.websocket_api.connections_endpoint
    MODEL_ID             = local.problem.model_id
    PROBLEMS_TABLE       = module.table["problems"].name
  }

  subnet_ids         = local.subnet_ids
  security_group_ids = [local.shared.problem_group_id]
  kms_key_arn        = local.shared.ssm_key_arn
  logs_kms_key_arn   = local.shared.logs_key_arn
  log_retention_days = var.settings.log_retention_days

  # Lambda checks the role's rights to its network and image when the function is made.
  depends_on = [aws_ecr_repository_policy.lambda_pull, module.role]
}

# ----------------------------------------------------------------------------------------------------------------- APIs

module "api_account" {
  source = "../../modules/api-gateway-account"

  name = "${local.env}-api-gateway-logs"
}

module "http_api" {
  source = "../../modules/lambda-api"

  name        = "${local.name}-grader"
  description = "Submissions and problems"
  protocol    = "HTTP"
  routes = [
    "GET /problems/{problem_id}",
    "GET /submissions/{submission_id}",
    "POST /problems",
    "POST /submissions",
  ]
  function           = { name = module.grader.name, invoke_arn = module.grader.invoke_arn }
  authorization      = local.problem.authorization
  logs_kms_key_arn   = local.shared.logs_key_arn
  log_retention_days = var.settings.log_retention_days

  depends_on = [module.api_account]
}

module "websocket_api" {
  source = "../../modules/lambda-api"

  name        = "${local.name}-generator-streaming"
  description = "Problems while they are made"
  protocol    = "WEBSOCKET"
  routes      = local.problem.image_tag == "" ? [] : ["$connect", "$disconnect", "$default", "generate"]
  function = local.problem.image_tag == "" ? null : {
    name       = module.streaming[0].name
    invoke_arn = module.streaming[0].invoke_arn
  }
  authorization      = local.problem.authorization
  logs_kms_key_arn   = local.shared.logs_key_arn
  log_retention_days = var.settings.log_retention_days

  depends_on = [module.api_account]
}

# --------------------------------------------------------------------------------------------------------------- export

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/problem-service/${local.env}/http-endpoint"      = { description = "HTTP API of the problem service", value = module.http_api.endpoint }
    "/shared/problem-service/${local.env}/websocket-endpoint" = { description = "WebSocket API of the problem service; answers once images are pushed", value = module.websocket_api.endpoint }
    "/shared/problem-service/${local.env}/state-machine-arn"  = { description = "State machine of the problem service", value = module.states.arn }
    "/shared/problem-service/${local.env}/function-names"     = { description = "Functions of the problem service", values = concat([module.grader.name], module.streaming[*].name) }
    "/shared/problem-service/${local.env}/repository-names"   = { description = "Image repositories of the problem service", values = sort(values(module.repository.names)) }
    "/shared/problem-service/${local.env}/table-names"        = { description = "Tables of the problem service", values = sort([for table in module.table : table.name]) }
  }
}
