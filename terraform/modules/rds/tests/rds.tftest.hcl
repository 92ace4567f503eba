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

  assert {
    condition     = aws_db_instance.this.username == "admin" && aws_db_instance.this.auto_minor_version_upgrade && output.replicates == ""
    error_message = "the administrator is admin, and RDS keeps up the patch level of 8.4"
  }
}

run "the_parameter_group_is_complete" {
  command = plan

  assert {
    condition = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value } == {
      character_set_server            = "utf8mb4"
      collation_server                = "utf8mb4_unicode_ci"
      log_bin_trust_function_creators = "1"
      log_output                      = "FILE"
      long_query_time                 = "1"
      max_connections                 = "200"
      require_secure_transport        = "1"
      slow_query_log                  = "1"
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
    condition = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value } == {
      log_min_duration_statement = "1000"
      password_encryption        = "scram-sha-256"
      "rds.force_ssl"            = "1"
    }
    error_message = "postgres must require TLS and keep passwords as SCRAM verifiers"
  }

  assert {
    condition     = aws_db_instance.this.username == "postgres" && output.master_username == "postgres"
    error_message = "RDS refuses admin as the administrator of postgres"
  }
}

run "a_patch_level_is_kept" {
  command = plan

  variables {
    engine_version = "8.0.42"
  }

  assert {
    condition     = aws_db_instance.this.engine_version == "8.0.42" && !aws_db_instance.this.auto_minor_version_upgrade
    error_message = "a version with its patch level must not be upgraded by RDS"
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "mysql8.0" && aws_db_parameter_group.this.name == "test-shared-mysql-mysql8-0"
    error_message = "the family has no patch level"
  }
}

run "a_postgres_patch_level_is_kept" {
  command = plan

  variables {
    engine         = "postgres"
    engine_version = "17.5"
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres17" && !aws_db_instance.this.auto_minor_version_upgrade
    error_message = "PostgreSQL's family is its major version"
  }
}

run "a_version_without_its_minor_is_refused" {
  command = plan

  variables {
    engine_version = "8"
  }

  expect_failures = [var.engine_version]
}

run "a_replica_has_no_administrator_of_its_own" {
  command = plan

  variables {
    replicate_source_arn = "arn:aws:rds:ap-northeast-2:111122223333:db:prod-shared-mysql"
  }

  assert {
    condition     = aws_db_instance.this.replicate_source_db == var.replicate_source_arn && aws_db_instance.this.password_wo_version == null
    error_message = "the source's administrator is the replica's"
  }

  assert {
    condition     = aws_db_instance.this.kms_key_id == var.kms_key_arn && aws_db_instance.this.storage_encrypted && aws_db_instance.this.backup_retention_period == 7
    error_message = "a replica is encrypted with its own region's key and has backups, so that it can be promoted"
  }
}

run "admin_is_reserved_in_postgres" {
  command = plan

  variables {
    engine          = "postgres"
    engine_version  = "17"
    master_username = "admin"
  }

  expect_failures = [var.master_username]
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
