mock_provider "aws" {}

variables {
  name               = "test-fileflow-cache"
  description        = "Cache of fileflow"
  region             = "ap-northeast-2"
  node_type          = "cache.t3.micro"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  kms_key_arn        = "arn:aws:kms:ap-northeast-2:111122223333:key/elasticache"
  logs_kms_key_arn   = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
  auth_token         = "not-a-real-one"
  auth_token_version = 1
}

run "encrypted_everywhere" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_enabled && aws_elasticache_replication_group.this.transit_encryption_mode == "required"
    error_message = "a client without TLS must be refused"
  }

  assert {
    condition     = tobool(aws_elasticache_replication_group.this.at_rest_encryption_enabled) && aws_elasticache_replication_group.this.kms_key_id == var.kms_key_arn
    error_message = "data at rest is encrypted with the customer key"
  }

  assert {
    condition     = aws_elasticache_replication_group.this.auth_token == null
    error_message = "the provider's auth_token would put the token into the state"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.kms_key_id == var.logs_kms_key_arn]) && length(aws_elasticache_replication_group.this.log_delivery_configuration) == 2
    error_message = "both logs of the engine are delivered, encrypted"
  }
}

run "one_node_has_nobody_to_fail_over_to" {
  command = plan

  assert {
    condition     = !aws_elasticache_replication_group.this.automatic_failover_enabled && !aws_elasticache_replication_group.this.multi_az_enabled
    error_message = "ElastiCache refuses failover with a single node"
  }
}

run "two_nodes_fail_over" {
  command = plan

  variables {
    nodes = 2
  }

  assert {
    condition     = aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.multi_az_enabled && aws_elasticache_replication_group.this.num_cache_clusters == 2
    error_message = "two nodes stand in two zones, and the second takes over"
  }
}

run "valkey_by_default" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.engine_version == "8.0" && aws_elasticache_parameter_group.this.family == "valkey8"
    error_message = "the family follows the engine and its version"
  }
}

run "redis_for_those_who_ask" {
  command = plan

  variables {
    engine = "redis"
  }

  assert {
    condition     = aws_elasticache_replication_group.this.engine_version == "7.1" && aws_elasticache_parameter_group.this.family == "redis7"
    error_message = "the family follows the engine and its version"
  }
}

run "a_patch_level_is_refused" {
  command = plan

  variables {
    engine_version = "8.0.1"
  }

  expect_failures = [var.engine_version]
}

run "no_nodes_is_refused" {
  command = plan

  variables {
    nodes = 0
  }

  expect_failures = [var.nodes]
}
