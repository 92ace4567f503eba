locals {
  is_mysql = var.engine == "mysql"
  port     = local.is_mysql ? 3306 : 5432
  family   = local.is_mysql ? "mysql${regex("^[0-9]+\\.[0-9]+", var.engine_version)}" : "postgres${regex("^[0-9]+", var.engine_version)}"

  # A version that names its patch is kept: RDS's own upgrade would be a difference on every plan.
  pinned = length(split(".", var.engine_version)) == (local.is_mysql ? 3 : 2)

  is_replica = var.replicate_source_arn != ""
  # RDS for PostgreSQL reserves the name admin.
  master_username = var.master_username != "" ? var.master_username : (local.is_mysql ? "admin" : "postgres")

  # Backups turn the binary log on, with which MySQL lets nobody but SUPER, which RDS has not, make triggers and functions unless
  # log_bin_trust_function_creators is on; logins for migrations are the only ones that hold the privileges.
  engine_parameters = local.is_mysql ? {
    character_set_server            = { value = "utf8mb4", apply_method = "immediate" }
    collation_server                = { value = "utf8mb4_unicode_ci", apply_method = "immediate" }
    log_bin_trust_function_creators = { value = "1", apply_method = "immediate" }
    log_output                      = { value = "FILE", apply_method = "immediate" }
    long_query_time                 = { value = "1", apply_method = "immediate" }
    require_secure_transport        = { value = "1", apply_method = "immediate" }
    slow_query_log                  = { value = "1", apply_method = "immediate" }
    } : {
    log_min_duration_statement = { value = "1000", apply_method = "immediate" }
    password_encryption        = { value = "scram-sha-256", apply_method = "immediate" }
    "rds.force_ssl"            = { value = "1", apply_method = "immediate" }
  }
  parameters = merge(local.engine_parameters, var.parameters)

  # The general log is left out: it would copy every statement, also those that set passwords.
  log_exports = local.is_mysql ? ["error", "slowquery"] : ["postgresql", "upgrade"]

  # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.Engines.html
  performance_insights = var.performance_insights && !(local.is_mysql && contains(
    ["db.t2.micro", "db.t2.small", "db.t3.micro", "db.t3.small", "db.t4g.micro", "db.t4g.small"], var.instance_class
  ))
}

resource "aws_db_subnet_group" "this" {
  name        = "${var.identifier}-subnet-group"
  description = "Data subnets of ${var.identifier}"
  subnet_ids  = var.subnet_ids

  tags = { Name = "${var.identifier}-subnet-group" }
}

resource "aws_db_parameter_group" "this" {
  # The family is in the name: a new engine version needs a new group beside the old one.
  name        = "${var.identifier}-${replace(local.family, ".", "-")}"
  family      = local.family
  description = "Parameters of ${var.identifier}"

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name         = parameter.key
      value        = parameter.value.value
      apply_method = parameter.value.apply_method
    }
  }

  tags = { Name = "${var.identifier}-${replace(local.family, ".", "-")}" }

  lifecycle {
    create_before_destroy = true
  }
}

# Made here, before RDS would make them without retention and key.
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(local.log_exports)

  name              = "/aws/rds/instance/${var.identifier}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

data "aws_iam_policy_document" "monitoring" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  count = var.monitoring_interval_seconds > 0 ? 1 : 0

  name               = "${var.identifier}-monitoring"
  description        = "Enhanced monitoring of ${var.identifier}"
  assume_role_policy = data.aws_iam_policy_document.monitoring.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  count = var.monitoring_interval_seconds > 0 ? 1 : 0

  role       = aws_iam_role.monitoring[0].name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  identifier     = var.identifier
  instance_class = var.instance_class

  # A replica takes engine, size and administrator from its source; without the source RDS promotes it.
  replicate_source_db = local.is_replica ? var.replicate_source_arn : null
  engine              = local.is_replica ? null : var.engine
  engine_version      = local.is_replica ? null : var.engine_version

  allocated_storage     = local.is_replica ? null : var.storage.allocated_gib
  max_allocated_storage = var.storage.max_allocated_gib
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  username            = local.is_replica ? null : local.master_username
  password_wo         = local.is_replica ? null : var.master_password
  password_wo_version = local.is_replica ? null : var.master_password_version
  port                = local.port

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = var.security_group_ids
  publicly_accessible    = false
  multi_az               = var.multi_az

  parameter_group_name       = aws_db_parameter_group.this.name
  auto_minor_version_upgrade = !local.pinned
  apply_immediately          = var.apply_immediately

  backup_retention_period   = var.backup_retention_days
  backup_window             = var.backup_window
  maintenance_window        = var.maintenance_window
  copy_tags_to_snapshot     = true
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = !var.deletion_protection
  final_snapshot_identifier = var.deletion_protection ? "${var.identifier}-final" : null
  delete_automated_backups  = !var.deletion_protection

  enabled_cloudwatch_logs_exports = local.log_exports
  monitoring_interval             = var.monitoring_interval_seconds
  monitoring_role_arn             = one(aws_iam_role.monitoring[*].arn)

  performance_insights_enabled          = local.performance_insights
  performance_insights_kms_key_id       = local.performance_insights ? var.kms_key_arn : null
  performance_insights_retention_period = local.performance_insights ? 7 : null

  tags = { Name = var.identifier }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy_attachment.monitoring]
}
