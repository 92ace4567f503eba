resource "aws_xray_encryption_config" "this" {
  type   = "KMS"
  key_id = var.kms_key_arn
}

resource "aws_xray_group" "this" {
  for_each = var.groups

  group_name        = "${var.name}-${each.key}"
  filter_expression = each.value

  insights_configuration {
    insights_enabled      = true
    notifications_enabled = false
  }

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_xray_sampling_rule" "this" {
  for_each = var.sampling

  rule_name      = "${var.name}-${each.key}"
  version        = 1
  priority       = each.value.priority
  reservoir_size = each.value.reservoir
  fixed_rate     = each.value.rate
  service_name   = each.value.service
  url_path       = each.value.path
  host           = "*"
  http_method    = "*"
  service_type   = "*"
  resource_arn   = "*"

  tags = { Name = "${var.name}-${each.key}" }
}
