locals {
  name = "${var.environment}-${var.service}"
  tags = var.tags

  has_queue  = var.queue != null
  has_bucket = var.bucket != null
  has_exec   = var.exec != null

  environment = merge(
    { ENVIRONMENT = var.environment, SERVICE_NAME = var.service },
    local.has_queue ? { QUEUE_URL = aws_sqs_queue.this[0].url } : {},
    local.has_bucket ? { BUCKET = module.bucket[0].name } : {},
    var.environment_variables,
  )
}

# ----------------------------------------------------------------------------------------------------- queue and bucket

resource "aws_sqs_queue" "dead_letter" {
  count = local.has_queue ? 1 : 0

  name                              = "${local.name}-queue-dlq"
  message_retention_seconds         = 1209600
  kms_master_key_id                 = var.keys.sqs
  kms_data_key_reuse_period_seconds = 300

  tags = merge(local.tags, { Name = "${local.name}-queue-dlq" })
}

resource "aws_sqs_queue" "this" {
  count = local.has_queue ? 1 : 0

  name                              = "${local.name}-queue"
  visibility_timeout_seconds        = var.queue.visibility_timeout_seconds
  message_retention_seconds         = 345600
  receive_wait_time_seconds         = 20
  kms_master_key_id                 = var.keys.sqs
  kms_data_key_reuse_period_seconds = 300

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter[0].arn
    maxReceiveCount     = var.queue.max_receive_count
  })

  tags = merge(local.tags, { Name = "${local.name}-queue" })
}

resource "aws_sqs_queue_redrive_allow_policy" "this" {
  count = local.has_queue ? 1 : 0

  queue_url = aws_sqs_queue.dead_letter[0].id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this[0].arn]
  })
}

data "aws_iam_policy_document" "queue" {
  for_each = local.has_queue ? { main = aws_sqs_queue.this[0].arn, dead-letter = aws_sqs_queue.dead_letter[0].arn } : {}

  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each = toset(local.has_queue ? ["main", "dead-letter"] : [])

  queue_url = each.key == "main" ? aws_sqs_queue.this[0].id : aws_sqs_queue.dead_letter[0].id
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

module "bucket" {
  source = "../bucket"
  count  = local.has_bucket ? 1 : 0

  name                = "${local.name}-bucket-${var.account_id}"
  kms_key_arn         = var.keys.s3
  deletion_protection = var.deletion_protection
  tags                = local.tags

  lifecycle_rule = !var.expire_objects ? null : {
    transitions = { STANDARD_IA = var.bucket.ia_days, GLACIER = var.bucket.glacier_days }
    expire_days = var.bucket.expire_days
  }
}

# ---------------------------------------------------------------------------------------------------------------- roles

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:ecs:${var.region}:${var.account_id}:*"]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # The action knows no resource.
  }

  statement {
    sid       = "PullOwnImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.image.repository_arn]
  }

  statement {
    sid       = "WriteOwnLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  dynamic "statement" {
    for_each = length(var.secrets) > 0 ? [1] : []

    content {
      sid       = "HandOwnSecretsOver"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = distinct([for secret in values(var.secrets) : secret.policy_arn])
    }
  }

  dynamic "statement" {
    for_each = length(var.secrets) > 0 ? [1] : []

    content {
      sid       = "DecryptSecrets"
      actions   = ["kms:Decrypt"]
      resources = [var.keys.secrets]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${var.region}.amazonaws.com"]
      }
    }
  }
}

data "aws_iam_policy_document" "task" {
  dynamic "statement" {
    for_each = local.has_queue ? [1] : []

    content {
      sid = "OwnQueues"
      actions = [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
      ]
      resources = [aws_sqs_queue.this[0].arn, aws_sqs_queue.dead_letter[0].arn]
    }
  }

  dynamic "statement" {
    for_each = local.has_bucket ? [1] : []

    content {
      sid       = "ListOwnBucket"
      actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
      resources = [module.bucket[0].arn]
    }
  }

  dynamic "statement" {
    for_each = local.has_bucket ? [1] : []

    content {
      sid       = "OwnObjects"
      actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      resources = ["${module.bucket[0].arn}/*"]
    }
  }

  dynamic "statement" {
    for_each = { for service, key in { sqs = local.has_queue ? var.keys.sqs : null, s3 = local.has_bucket ? var.keys.s3 : null } : service => key if key != null }

    content {
      sid       = "KeyOf${title(statement.key)}"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["${statement.key}.${var.region}.amazonaws.com"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.has_exec ? [1] : []

    content {
      sid = "OpenExecSession"
      actions = [
        "logs:DescribeLogGroups",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      resources = ["*"] # These actions know no resource.
    }
  }

  dynamic "statement" {
    for_each = local.has_exec ? [var.exec.log_group_arn] : []

    content {
      sid       = "LogExecSession"
      actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      resources = [statement.value, "${statement.value}:*"]
    }
  }

  dynamic "statement" {
    for_each = local.has_exec ? [var.exec.kms_key_arn] : []

    content {
      sid       = "DecryptExecSession"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

module "execution_role" {
  source = "../iam-role"

  name            = "${local.name}-execution"
  description     = "Starts tasks of ${local.name}: pulls the image, writes logs, hands secrets over"
  trust_policy    = data.aws_iam_policy_document.trust.json
  inline_policies = { own = data.aws_iam_policy_document.execution.json }
  tags            = local.tags
}

module "task_role" {
  source = "../iam-role"

  name            = "${local.name}-task"
  description     = "What the program ${local.name} may do"
  trust_policy    = data.aws_iam_policy_document.trust.json
  inline_policies = local.has_queue || local.has_bucket || local.has_exec ? { own = data.aws_iam_policy_document.task.json } : {}
  tags            = local.tags
}

# -------------------------------------------------------------------------------------------------------------- network

# What every task may (load balancer, endpoints, Internet) is in the shared group; what this service asked for is here.
resource "aws_security_group" "this" {
  name        = local.name
  description = "Tasks of ${local.name}"
  vpc_id      = var.network.vpc_id

  tags = merge(local.tags, { Name = local.name })
}

resource "aws_vpc_security_group_ingress_rule" "reached" {
  for_each = var.network.reaches

  security_group_id            = each.value.security_group_id
  referenced_security_group_id = aws_security_group.this.id
  description                  = "${var.service}-to-${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port

  tags = merge(local.tags, { Name = "${var.service}-to-${each.key}" })
}

resource "aws_vpc_security_group_egress_rule" "reaches" {
  for_each = var.network.reaches

  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = each.value.security_group_id
  description                  = "${var.service}-to-${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port

  tags = merge(local.tags, { Name = "${var.service}-to-${each.key}" })
}

resource "aws_lb_target_group" "this" {
  name                 = "${local.name}-tg"
  vpc_id               = var.network.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.port
  deregistration_delay = var.health_check.drain_seconds

  health_check {
    path                = var.health_check.path
    matcher             = "200"
    interval            = var.health_check.interval_seconds
    timeout             = var.health_check.timeout_seconds
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  tags = merge(local.tags, { Name = "${local.name}-tg" })
}

# Without a number the rule gets the next free one; hosts of two services never match both, so the order says nothing.
resource "aws_lb_listener_rule" "this" {
  listener_arn = var.load_balancer.listener_arn

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  condition {
    host_header {
      values = concat(["${var.service}.${var.dns.domain}"], [for domain in var.dns.other_domains : "${var.service}.${domain}"])
    }
  }

  tags = merge(local.tags, { Name = local.name })
}

resource "aws_route53_record" "this" {
  zone_id = var.dns.zone_id
  name    = "${var.service}.${var.dns.domain}"
  type    = "A"

  alias {
    name                   = var.load_balancer.dns_name
    zone_id                = var.load_balancer.zone_id
    evaluate_target_health = true
  }

  set_identifier = var.dns.failover == "" ? null : var.environment

  dynamic "failover_routing_policy" {
    for_each = var.dns.failover == "" ? [] : [var.dns.failover]

    content {
      type = failover_routing_policy.value
    }
  }
}

resource "aws_service_discovery_service" "this" {
  name          = var.service
  description   = "Private name of ${local.name}"
  force_destroy = true

  dns_config {
    namespace_id   = var.network.namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  tags = merge(local.tags, { Name = local.name })
}

# -------------------------------------------------------------------------------------------------------------- service

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.keys.logs

  tags = merge(local.tags, { Name = local.name })
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${local.name}-service"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task.cpu
  memory                   = var.task.memory_mib
  execution_role_arn       = module.execution_role.arn
  task_role_arn            = module.task_role.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.image.architecture
  }

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([
    {
      name      = var.service
      image     = "${var.image.repository_url}:${var.image.tag}"
      essential = true
      # Sessions of ECS Exec need a writable root.
      readonlyRootFilesystem = !local.has_exec
      privileged             = false
      linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
      mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
      portMappings           = [{ name = "http", containerPort = var.port, hostPort = var.port, protocol = "tcp", appProtocol = "http" }]
      environment            = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
      secrets                = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name].value_from }]
      stopTimeout            = var.health_check.drain_seconds
      systemControls         = []
      volumesFrom            = []
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = var.region
          awslogs-stream-prefix = var.service
        }
      }
    }
  ])

  tags = merge(local.tags, { Name = "${local.name}-service" })
}

resource "aws_ecs_service" "this" {
  name            = "${local.name}-service"
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.task.count

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.health_check.grace_seconds
  availability_zone_rebalancing      = "ENABLED"
  enable_execute_command             = local.has_exec
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"

  # A release that does not get healthy is taken back.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.capacity_strategy

    content {
      capacity_provider = capacity_provider_strategy.key
      weight            = capacity_provider_strategy.value
    }
  }

  network_configuration {
    subnets          = var.network.subnet_ids
    security_groups  = concat([aws_security_group.this.id], var.network.security_group_ids)
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = var.service
    container_port   = var.port
  }

  service_registries {
    registry_arn = aws_service_discovery_service.this.arn
  }

  tags = merge(local.tags, { Name = "${local.name}-service" })

  # A target group takes targets only once a listener uses it; roles must be able before tasks start.
  depends_on = [aws_lb_listener_rule.this, module.execution_role, module.task_role]

  lifecycle {
    # Autoscaling moves the count between task.count and the maximum: an apply must not throw tasks away under load.
    ignore_changes = [desired_count]
  }
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  resource_id        = "service/${element(split("/", var.cluster_arn), -1)}/${aws_ecs_service.this.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.task.count
  max_capacity       = max(var.autoscaling.max_count, var.task.count)

  tags = merge(local.tags, { Name = "${local.name}-service" })
}

resource "aws_appautoscaling_policy" "this" {
  for_each = {
    cpu    = { metric = "ECSServiceAverageCPUUtilization", percent = var.autoscaling.cpu_percent }
    memory = { metric = "ECSServiceAverageMemoryUtilization", percent = var.autoscaling.memory_percent }
  }

  name               = "${local.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  resource_id        = aws_appautoscaling_target.this.resource_id
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.percent
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
    }
  }
}
