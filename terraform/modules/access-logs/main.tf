locals {
  bucket = "${var.load_balancer}-logs-${var.account_id}"
}

# Since 2022 the service itself delivers access logs; the regional accounts of old are not needed.
data "aws_iam_policy_document" "log_delivery" {
  statement {
    sid       = "AccessLogs"
    actions   = ["s3:PutObject"]
    resources = ["arn:aws:s3:::${local.bucket}/${var.load_balancer}/AWSLogs/${var.account_id}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:elasticloadbalancing:${var.region}:${var.account_id}:loadbalancer/app/${var.load_balancer}/*"]
    }
  }
}

module "bucket" {
  source = "../bucket"

  name = local.bucket
  # A load balancer refuses to log into a bucket whose default encryption has a customer key.
  sse_s3              = true
  policies            = [data.aws_iam_policy_document.log_delivery.json]
  lifecycle_rule      = var.days == 0 ? null : { expire_days = var.days, noncurrent_days = 1 }
  deletion_protection = var.deletion_protection
}
