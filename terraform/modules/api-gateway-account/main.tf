# API Gateway refuses a stage with logs while the account has no role for them in this region. There is one such setting an
# account and region; the last environment that goes takes it with it.

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["apigateway.amazonaws.com"]
    }
  }
}

module "role" {
  source = "../iam-role"

  name         = var.name
  description  = "API Gateway writes its logs to CloudWatch"
  trust_policy = data.aws_iam_policy_document.trust.json
  managed_policy_arns = {
    logs = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
  }
}

resource "aws_api_gateway_account" "this" {
  cloudwatch_role_arn = module.role.arn

  # The setting is checked against the role's rights when it is made.
  depends_on = [module.role]
}
