mock_provider "aws" {
  # The mock would answer with random strings where JSON documents and ARNs are wanted.
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/test" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/test/1" }
  }
  mock_resource "aws_service_discovery_service" {
    defaults = { arn = "arn:aws:servicediscovery:ap-northeast-2:111122223333:service/srv-1" }
  }
}

variables {
  environment = "test"
  service     = "fileflow"
  account_id  = "111122223333"
  region      = "ap-northeast-2"
  image = {
    repository_url = "111122223333.dkr.ecr.ap-northeast-2.amazonaws.com/test-fileflow"
    repository_arn = "arn:aws:ecr:ap-northeast-2:111122223333:repository/test-fileflow"
    tag            = "1.0.0"
  }
  task        = { cpu = 512, memory_mib = 1024, count = 2 }
  autoscaling = { max_count = 10 }
  queue       = { visibility_timeout_seconds = 60, max_receive_count = 5 }
  bucket      = { ia_days = 90, glacier_days = 365, expire_days = 2555 }
  secrets = {
    DATABASE_PASSWORD = {
      value_from = "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:test-fileflow-database:password::"
      policy_arn = "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:test-fileflow-database-??????"
    }
  }
  keys = {
    logs    = "arn:aws:kms:ap-northeast-2:111122223333:key/logs"
    s3      = "arn:aws:kms:ap-northeast-2:111122223333:key/s3"
    secrets = "arn:aws:kms:ap-northeast-2:111122223333:key/secrets"
    sqs     = "arn:aws:kms:ap-northeast-2:111122223333:key/sqs"
  }
  cluster_arn       = "arn:aws:ecs:ap-northeast-2:111122223333:cluster/test-shared-cluster"
  capacity_strategy = { FARGATE = 100 }
  network = {
    vpc_id             = "vpc-1"
    subnet_ids         = ["subnet-1", "subnet-2"]
    security_group_ids = ["sg-ecs"]
    namespace_id       = "ns-1"
    reaches            = { database = { security_group_id = "sg-rds", port = 3306 } }
  }
  load_balancer = {
    listener_arn = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:listener/app/test/1/2"
    dns_name     = "test.example.net"
    zone_id      = "Z1"
  }
  dns                = { zone_id = "Z2", domain = "test.example.com" }
  log_retention_days = 7
}

run "a_failed_release_is_taken_back_and_load_adds_tasks" {
  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "the circuit breaker must roll back"
  }

  assert {
    condition = (
      [aws_appautoscaling_target.this.min_capacity, aws_appautoscaling_target.this.max_capacity] == [2, 10]
      && aws_appautoscaling_target.this.resource_id == "service/test-shared-cluster/test-fileflow-service"
      && toset(keys(aws_appautoscaling_policy.this)) == toset(["cpu", "memory"])
    )
    error_message = "from the catalog's count to the maximum, by CPU and memory"
  }

  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "tasks have no public address"
  }
}

run "secrets_are_handed_over_by_arn_and_the_root_is_read_only" {
  assert {
    condition = (
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets == [{ name = "DATABASE_PASSWORD", valueFrom = var.secrets.DATABASE_PASSWORD.value_from }]
      && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
      && endswith(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].image, "/test-fileflow:1.0.0")
    )
    error_message = "secrets by ARN, no writable root, the released image"
  }
}

run "the_service_s_own_group_opens_only_what_it_asked_for" {
  assert {
    condition = (
      keys(aws_vpc_security_group_ingress_rule.reached) == ["database"]
      && aws_vpc_security_group_ingress_rule.reached["database"].security_group_id == "sg-rds"
      && aws_vpc_security_group_ingress_rule.reached["database"].from_port == 3306
      && aws_vpc_security_group_egress_rule.reaches["database"].referenced_security_group_id == "sg-rds"
    )
    error_message = "an ingress rule on the shared database, and nothing on what was not asked for"
  }
}

run "queue_and_bucket_are_the_catalog_s" {
  assert {
    condition = (
      aws_sqs_queue.this[0].name == "test-fileflow-queue" && aws_sqs_queue.dead_letter[0].name == "test-fileflow-queue-dlq"
      && jsondecode(aws_sqs_queue.this[0].redrive_policy).maxReceiveCount == 5
      && aws_sqs_queue.this[0].kms_master_key_id == var.keys.sqs
    )
    error_message = "the queue has a dead letter queue and the customer key"
  }

  assert {
    condition     = output.bucket.name == "test-fileflow-bucket-111122223333"
    error_message = "the bucket is named by environment, service and account"
  }
}

run "a_host_under_the_domain_and_under_those_it_stands_in_for" {
  command = plan

  variables {
    dns = { zone_id = "Z2", domain = "test.example.com", other_domains = ["example.com"], failover = "PRIMARY" }
  }

  assert {
    condition     = toset(one(one(aws_lb_listener_rule.this.condition).host_header).values) == toset(["fileflow.test.example.com", "fileflow.example.com"])
    error_message = "both hosts reach the service"
  }

  assert {
    condition     = aws_route53_record.this.name == "fileflow.test.example.com" && aws_route53_record.this.failover_routing_policy[0].type == "PRIMARY" && aws_route53_record.this.set_identifier == "test"
    error_message = "the record is the first of a pair"
  }
}

run "a_service_without_queue_and_bucket_has_neither" {
  command = plan

  variables {
    queue  = null
    bucket = null
  }

  assert {
    condition     = output.queue == null && output.bucket == null
    error_message = "what the catalog does not name is not made"
  }
}

run "latest_is_refused" {
  command = plan

  variables {
    image = { repository_url = "x", repository_arn = "arn:aws:ecr:x", tag = "latest" }
  }

  expect_failures = [var.image]
}

run "an_impossible_size_is_refused" {
  command = plan

  variables {
    task = { cpu = 512, memory_mib = 512, count = 1 }
  }

  expect_failures = [var.task]
}

run "a_password_in_the_clear_is_refused" {
  command = plan

  variables {
    secrets = { DATABASE_PASSWORD = { value_from = "hunter2", policy_arn = "hunter2" } }
  }

  expect_failures = [var.secrets]
}
