# An account has one provider for an issuer, whatever the region: the second environment of an account looks it up.
resource "aws_iam_openid_connect_provider" "this" {
  count = var.create_provider ? 1 : 0

  url            = "https://${var.issuer}"
  client_id_list = ["sts.amazonaws.com"]
  # IAM checks this issuer's certificate against its own trust store; the value below is its documented dummy.
  thumbprint_list = ["ffffffffffffffffffffffffffffffffffffffff"]

  tags = { Name = "github-actions" }
}

data "aws_iam_openid_connect_provider" "this" {
  count = var.create_provider ? 0 : 1

  url = "https://${var.issuer}"
}

locals {
  provider_arn = var.create_provider ? aws_iam_openid_connect_provider.this[0].arn : data.aws_iam_openid_connect_provider.this[0].arn
}

data "aws_iam_policy_document" "trust" {
  for_each = var.subjects

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${var.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringLike"
      variable = "${var.issuer}:sub"
      values   = [for subject in each.value : "repo:${var.repository}:${subject}"]
    }
  }
}
