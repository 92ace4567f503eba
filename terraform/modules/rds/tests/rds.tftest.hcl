mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  identifier              = "test-shared-mysql"
  engine                  = "mysql"
  engine_version          = "8.4"
  instance_class          = "db.t3.medium"
  storage                 = { allocated_gib = 20, max_allocated_gib = 100 }
  parameters              = { max_connections = { value = "200" } }
  subnet_ids              = ["subnet-1", "subnet-2"]
  security_group_ids      = ["sg-1"]
  kms_key_arn             = "arn:aws:kms:ap-northeast-2:111122223333:key/rds"
  logs_kms_key_arn        = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
  master_password         = "not-a-real-one"
  master_password_version = 1
}

run "protected_by_default" {
  command = plan

  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.final_snapshot_identifier == "test-shared-mysql-final"
    error_message = "without being told otherwise the database cannot be lost"
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.kms_key_arn && aws_db_instance.this.storage_type == "gp3"
    error_message = "storage must be gp3, encrypted with the key given"
  }

  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.max_allocated_storage == 100
    error_message = "private, and storage grows by itself"
  }
}

run "the_parameter_group_is_complete" {
  command = plan

  assert {
    condition = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value } == {
      character_set_server     = "utf8mb4"
      collation_server         = "utf8mb4_unicode_ci"
      log_output               = "FILE"
      long_query_time          = "1"
      max_connections          = "200"
      require_secure_transport = "1"
      slow_query_log           = "1"
    }
    error_message = "character set, slow log, TLS and the caller's parameters must all be there"
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "mysql8.4"
    error_message = "the family follows the engine version"
  }
}

run "performance_insights_where_the_class_has_it" {
  command = plan

  assert {
    condition     = output.performance_insights && aws_db_instance.this.performance_insights_kms_key_id == var.kms_key_arn
    error_message = "db.t3.medium has Performance Insights"
  }
}

run "no_performance_insights_on_small_classes" {
  command = plan

  variables {
    instance_class = "db.t3.small"
  }

  assert {
    condition     = !output.performance_insights && !aws_db_instance.this.performance_insights_enabled
    error_message = "RDS refuses Performance Insights on db.t3.small"
  }
}

run "postgres_by_the_same_module" {
  command = plan

  variables {
    identifier     = "test-shared-postgres"
    engine         = "postgres"
    engine_version = "17"
    parameters     = {}
  }

  assert {
    condition     = output.port == 5432 && aws_db_parameter_group.this.family == "postgres17"
    error_message = "postgres has its own port and family"
  }

  assert {
    condition     = contains([for parameter in aws_db_parameter_group.this.parameter : parameter.name], "rds.force_ssl")
    error_message = "postgres must require TLS"
  }
}

run "a_patch_level_is_refused" {
  command = plan

  variables {
    engine_version = "8.4.3"
  }

  expect_failures = [var.engine_version]
}

run "backups_cannot_be_turned_off" {
  command = plan

  variables {
    backup_retention_days = 0
  }

  expect_failures = [var.backup_retention_days]
}

run "one_subnet_is_refused" {
  command = plan

  variables {
    subnet_ids = ["subnet-1"]
  }

  expect_failures = [var.subnet_ids]
}
