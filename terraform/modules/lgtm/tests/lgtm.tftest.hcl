mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  environment       = "test"
  region            = "ap-northeast-2"
  account_id        = "111122223333"
  cluster_arn       = "arn:aws:ecs:ap-northeast-2:111122223333:cluster/test"
  subnet_ids        = ["subnet-1", "subnet-2"]
  security_group_id = "sg-1"
  namespace         = { id = "ns-1", domain = "test.internal" }
  endpoint          = "http://lgtm.test.internal"
  tenant_header     = "X-Scope-OrgID"
  tenant_id         = "blue"
  kms_key_arns = {
    data    = "arn:aws:kms:ap-northeast-2:111122223333:key/s3"
    logs    = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
    secrets = "arn:aws:kms:ap-northeast-2:111122223333:key/secrets"
  }
  secret_arns = {
    admin_password = "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:admin"
    secret_key     = "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:key"
  }
  ports = { mimir = 8080, loki = 3100, tempo = 3200, tempo_otlp = 4318, pyroscope = 4040, grafana = 3000 }
  target_group_arns = {
    mimir      = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/mimir/1"
    loki       = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/loki/1"
    tempo      = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/tempo/1"
    tempo_otlp = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/otlp/1"
    pyroscope  = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/pyroscope/1"
    grafana    = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/grafana/1"
  }
  servers = {
    mimir     = { cpu = 512, memory_mib = 1024 }
    loki      = { cpu = 256, memory_mib = 512 }
    tempo     = { cpu = 256, memory_mib = 512 }
    pyroscope = { cpu = 256, memory_mib = 512 }
    grafana   = { cpu = 256, memory_mib = 512 }
  }
  images = {
    mimir     = "docker.io/grafana/mimir:1.0.0"
    loki      = "docker.io/grafana/loki:1.0.0"
    tempo     = "docker.io/grafana/tempo:1.0.0"
    pyroscope = "docker.io/grafana/pyroscope:1.0.0"
    grafana   = "docker.io/grafana/grafana:1.0.0"
    configure = "docker.io/library/busybox:1.0.0"
  }
  health = {
    mimir     = { port = 8080, path = "/ready" }
    loki      = { port = 3100, path = "/ready" }
    tempo     = { port = 3200, path = "/ready" }
    pyroscope = { port = 4040, path = "/ready" }
    grafana   = { port = 3000, path = "/api/health" }
  }
  limits = { series = 100000, log_streams = 5000, log_mib = 8, trace_mib = 8, profile_mib = 4, profile_series = 5000 }
  alerts = {
    topic_arn   = "arn:aws:sns:ap-northeast-2:111122223333:test-monitoring-alerts"
    kms_key_arn = "arn:aws:kms:ap-northeast-2:111122223333:key/sqs"
  }
  retention_days     = { metrics = 7, logs = 14, traces = 3, profiles = 2 }
  log_retention_days = 7
}

run "a_server_of_one_task_keeps_one_copy" {
  command = plan

  assert {
    condition     = yamldecode(aws_s3_object.config["mimir/config.yaml"].content).ingester.ring.replication_factor == 1
    error_message = "one task cannot keep three copies"
  }

  assert {
    condition     = yamldecode(aws_s3_object.config["tempo/config.yaml"].content).target == "all"
    error_message = "one Tempo is a single binary"
  }

  assert {
    condition     = alltrue([for service in aws_ecs_service.this : service.desired_count == 1 && one(service.deployment_circuit_breaker).rollback])
    error_message = "one task each, and a failed deployment goes back"
  }

  assert {
    condition     = aws_ecs_service.this["grafana"].deployment_maximum_percent == 100 && aws_ecs_service.this["mimir"].deployment_maximum_percent == 200
    error_message = "two Grafanas never write one database file; other servers hand over"
  }

  assert {
    condition     = { for name, service in aws_ecs_service.this : name => length(service.load_balancer) } == { grafana = 1, loki = 1, mimir = 1, pyroscope = 1, tempo = 2 }
    error_message = "Tempo answers queries and receives traces on two ports"
  }
}

run "three_tasks_keep_three_copies" {
  command = plan

  variables {
    servers = {
      mimir     = { cpu = 2048, memory_mib = 8192, count = 3 }
      loki      = { cpu = 1024, memory_mib = 4096, count = 3 }
      tempo     = { cpu = 1024, memory_mib = 4096, count = 3 }
      pyroscope = { cpu = 1024, memory_mib = 4096, count = 5 }
      grafana   = { cpu = 512, memory_mib = 1024 }
    }
  }

  assert {
    condition     = yamldecode(aws_s3_object.config["pyroscope/config.yaml"].content).ingester.lifecycler.ring.replication_factor == 3
    error_message = "five tasks keep three copies"
  }

  assert {
    condition = yamldecode(aws_s3_object.config["tempo/config.yaml"].content).target == "scalable-single-binary" && (
      yamldecode(aws_s3_object.config["tempo/config.yaml"].content).querier.frontend_worker.frontend_address == "lgtm-tempo.test.internal:9095"
    )
    error_message = "several Tempos find each other's query frontend"
  }
}

run "retention_is_the_servers_and_s3_comes_after_it" {
  command = plan

  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.this["loki"].rule : rule.filter[0].prefix => rule.expiration[0].days if rule.id != "old-versions"
    } == { "blue/" = 21, "index/loki_index_" = 21 }
    error_message = "S3 deletes what the server missed, and never its rules"
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this["config"].rule : rule.id] == ["old-versions"]
    error_message = "a configuration does not age"
  }
}

run "s3_expires_nothing_where_that_is_said" {
  command = plan

  variables {
    expire_objects = false
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this) == 0
    error_message = "the servers alone delete"
  }
}

run "spot" {
  command = plan

  variables {
    spot = true
  }

  assert {
    condition     = alltrue([for service in aws_ecs_service.this : one(service.capacity_provider_strategy).capacity_provider == "FARGATE_SPOT"])
    error_message = "all servers run on Spot"
  }
}

run "former_tenants_stay_readable" {
  command = plan

  variables {
    former_tenant_ids = ["green"]
  }

  assert {
    condition = {
      for source in yamldecode(aws_s3_object.config["grafana/provisioning/datasources/groundwork.yaml"].content).datasources : source.uid => try(source.secureJsonData.httpHeaderValue1, "")
      } == {
      mimir       = "blue|green", loki = "blue|green", tempo = "blue|green", pyroscope = "blue", alertmanager = "blue", cloudwatch = "",
      mimir-blue  = "blue", loki-blue = "blue", tempo-blue = "blue", pyroscope-blue = "blue",
      mimir-green = "green", loki-green = "green", tempo-green = "green", pyroscope-green = "green",
    }
    error_message = "the known data sources read all tenants where the server can, and each tenant has its own"
  }

  assert {
    condition = (
      yamldecode(aws_s3_object.config["mimir/config.yaml"].content).tenant_federation.enabled &&
      yamldecode(aws_s3_object.config["loki/config.yaml"].content).querier.multi_tenant_queries_enabled &&
      yamldecode(aws_s3_object.config["tempo/config.yaml"].content).query_frontend.multi_tenant_queries_enabled
    )
    error_message = "queries may name several tenants"
  }

  assert {
    condition     = contains([for rule in aws_s3_bucket_lifecycle_configuration.this["loki"].rule : rule.filter[0].prefix], "green/")
    error_message = "a former tenant's data age too"
  }
}

run "a_tenant_that_is_current_and_former_is_refused" {
  command = plan

  variables {
    former_tenant_ids = ["Blue"]
  }

  expect_failures = [var.former_tenant_ids]
}

run "a_list_of_tenants_is_not_one_tenant" {
  command = plan

  variables {
    former_tenant_ids = ["green|red"]
  }

  expect_failures = [var.former_tenant_ids]
}

run "a_former_tenant_twice_is_refused" {
  command = plan

  variables {
    former_tenant_ids = ["green", "Green"]
  }

  expect_failures = [var.former_tenant_ids]
}

run "more_series_than_memory_are_refused" {
  command = plan

  variables {
    limits = { series = 200000, log_streams = 5000, log_mib = 8, trace_mib = 8, profile_mib = 4, profile_series = 5000 }
  }

  expect_failures = [var.limits]
}

run "alerts_are_told_to_the_topic" {
  command = plan

  assert {
    condition     = yamldecode(aws_s3_object.config["mimir/alertmanager.yaml"].content).receivers[0].sns_configs[0].topic_arn == var.alerts.topic_arn
    error_message = "Alertmanager notifies the topic"
  }

  assert {
    condition     = flatten([for statement in data.aws_iam_policy_document.alerts.statement : statement.resources]) == [var.alerts.topic_arn, var.alerts.kms_key_arn]
    error_message = "Mimir publishes to that topic only, with its key only"
  }
}

run "two_tasks_are_refused" {
  command = plan

  variables {
    servers = {
      mimir     = { cpu = 512, memory_mib = 1024, count = 2 }
      loki      = { cpu = 256, memory_mib = 512 }
      tempo     = { cpu = 256, memory_mib = 512 }
      pyroscope = { cpu = 256, memory_mib = 512 }
      grafana   = { cpu = 256, memory_mib = 512 }
    }
  }

  expect_failures = [var.servers]
}

run "a_size_that_fargate_lacks_is_refused" {
  command = plan

  variables {
    servers = {
      mimir     = { cpu = 256, memory_mib = 8192 }
      loki      = { cpu = 256, memory_mib = 512 }
      tempo     = { cpu = 256, memory_mib = 512 }
      pyroscope = { cpu = 256, memory_mib = 512 }
      grafana   = { cpu = 256, memory_mib = 512 }
    }
  }

  expect_failures = [var.servers]
}

run "an_unpinned_image_is_refused" {
  command = plan

  variables {
    images = {
      mimir     = "docker.io/grafana/mimir:latest"
      loki      = "docker.io/grafana/loki:1.0.0"
      tempo     = "docker.io/grafana/tempo:1.0.0"
      pyroscope = "docker.io/grafana/pyroscope:1.0.0"
      grafana   = "docker.io/grafana/grafana:1.0.0"
      configure = "docker.io/library/busybox:1.0.0"
    }
  }

  expect_failures = [var.images]
}
