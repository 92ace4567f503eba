locals {
  # One rule for each tenant: a rule has room for few values, and a place in the list keeps its priority when tenants change.
  forward = merge(concat(
    [
      for route in var.table.routes : {
        for index, tenant in route.tenant ? var.tenants : [""] : route.tenant ? "${route.name}:${index}" : route.name => {
          priority = route.priority + index
          paths    = route.paths
          backend  = route.backend
          tenant   = tenant
        }
      }
    ],
    # All tenants in one header, the current one first, where data are read.
    [
      for route in var.table.routes : {
        "${route.name}:all" = {
          priority = route.priority + 8
          paths    = route.paths
          backend  = route.backend
          tenant   = join("|", reverse(var.tenants))
        }
      } if route.federated && length(var.tenants) > 1
    ],
  )...)

  # Behind them. Without it a request that lacks the header would land in Grafana, which answers with a page.
  refuse = { for route in var.table.routes : route.name => route if route.tenant }
}

module "logs" {
  source = "../access-logs"

  load_balancer       = var.name
  account_id          = var.account_id
  region              = var.region
  days                = var.access_log_days
  deletion_protection = var.deletion_protection
}

resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = true
  subnets                    = var.subnet_ids
  security_groups            = var.security_group_ids
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    # AWS writes a test object when logging is switched on: the bucket's policy must stand.
    bucket  = module.logs.name
    prefix  = var.name
    enabled = true
  }

  tags = { Name = var.name }
}

resource "aws_lb_target_group" "this" {
  for_each = var.table.backends

  name                 = "${var.name}-${replace(each.key, "_", "-")}"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = each.value.port
  deregistration_delay = 30

  health_check {
    path                = each.value.health_path
    port                = tostring(coalesce(each.value.health_port, each.value.port))
    matcher             = "200"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }

  tags = { Name = "${var.name}-${replace(each.key, "_", "-")}" }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "no route"
      status_code  = "404"
    }
  }

  tags = { Name = var.name }
}

resource "aws_lb_listener_rule" "forward" {
  for_each = local.forward

  listener_arn = aws_lb_listener.this.arn
  priority     = each.value.priority

  condition {
    path_pattern {
      values = each.value.paths
    }
  }

  dynamic "condition" {
    for_each = each.value.tenant == "" ? [] : [each.value.tenant]

    content {
      http_header {
        http_header_name = var.table.tenant_header
        values           = [condition.value]
      }
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.value.backend].arn
  }

  tags = { Name = each.key }
}

resource "aws_lb_listener_rule" "refuse" {
  for_each = local.refuse

  listener_arn = aws_lb_listener.this.arn
  priority     = each.value.priority + 9

  condition {
    path_pattern {
      values = each.value.paths
    }
  }

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "${var.table.tenant_header}: missing or unknown tenant"
      status_code  = "401"
    }
  }

  tags = { Name = "${each.key}-refused" }
}

resource "aws_service_discovery_service" "this" {
  name          = var.host
  description   = "Load balancer ${var.name}"
  force_destroy = true

  dns_config {
    namespace_id   = var.namespace.id
    routing_policy = "WEIGHTED"

    dns_records {
      type = "A"
      ttl  = 60
    }
  }

  tags = { Name = var.name }
}

resource "aws_service_discovery_instance" "this" {
  service_id  = aws_service_discovery_service.this.id
  instance_id = var.name

  attributes = {
    AWS_ALIAS_DNS_NAME = aws_lb.this.dns_name
  }
}
