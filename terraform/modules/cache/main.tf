locals {
  engine_version = var.engine_version != "" ? var.engine_version : { valkey = "8.0", redis = "7.1" }[var.engine]
  family         = "${var.engine}${split(".", local.engine_version)[0]}"
}

resource "aws_elasticache_subnet_group" "this" {
  name        = "${var.name}-subnet-group"
  description = "Data subnets of ${var.name}"
  subnet_ids  = var.subnet_ids

  tags = merge(var.tags, { Name = "${var.name}-subnet-group" })
}

resource "aws_elasticache_parameter_group" "this" {
  # The family is in the name: a new engine version needs a new group beside the old one.
  name        = "${var.name}-${local.family}"
  family      = local.family
  description = "Parameters of ${var.name}"

  dynamic "parameter" {
    for_each = var.parameters

    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  tags = merge(var.tags, { Name = "${var.name}-${local.family}" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["engine-log", "slow-log"])

  name              = "/aws/elasticache/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn

  tags = merge(var.tags, { Name = "/aws/elasticache/${var.name}/${each.key}" })
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = var.description
  engine               = var.engine
  engine_version       = local.engine_version
  node_type            = var.node_type
  num_cache_clusters   = var.nodes
  port                 = 6379

  # A second node stands in another zone and takes over.
  automatic_failover_enabled = var.nodes > 1
  multi_az_enabled           = var.nodes > 1

  subnet_group_name    = aws_elasticache_subnet_group.this.name
  security_group_ids   = var.security_group_ids
  parameter_group_name = aws_elasticache_parameter_group.this.name

  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"

  snapshot_retention_limit   = var.snapshot_retention_days
  snapshot_window            = var.snapshot_window
  maintenance_window         = var.maintenance_window
  auto_minor_version_upgrade = true
  apply_immediately          = var.apply_immediately

  dynamic "log_delivery_configuration" {
    for_each = aws_cloudwatch_log_group.this

    content {
      log_type         = log_delivery_configuration.key
      log_format       = "json"
      destination      = log_delivery_configuration.value.name
      destination_type = "cloudwatch-logs"
    }
  }

  tags = merge(var.tags, { Name = var.name })
}

# The provider's auth_token is kept in the state, and 5.x has no write-only argument for it; passwords of aws_elasticache_user
# are kept there too. So the token goes to ElastiCache's API from the secret through a program's environment: in no state, no
# plan and no argument list. Until then the new, empty group answers whoever reaches it in its security group.
resource "terraform_data" "auth_token" {
  input = { replication_group_id = aws_elasticache_replication_group.this.id, version = var.auth_token_version }

  triggers_replace = [aws_elasticache_replication_group.this.arn, var.auth_token_version]

  provisioner "local-exec" {
    command = "python3 ${path.module}/set_auth_token.py"
    quiet   = true

    environment = {
      AUTH_TOKEN           = var.auth_token
      REPLICATION_GROUP_ID = aws_elasticache_replication_group.this.id
      AWS_DEFAULT_REGION   = var.region
    }
  }
}
