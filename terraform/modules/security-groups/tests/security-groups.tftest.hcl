mock_provider "aws" {}

variables {
  name   = "test"
  vpc_id = "vpc-1"
  groups = { alb = "ALB", ecs = "ECS", rds = "RDS" }
  rules = {
    alb-to-ecs = { from = "alb", to = "ecs", port = 8080 }
    ecs-to-rds = { from = "ecs", to = "rds", port = 3306 }
  }
  public_ingress  = { alb = [80, 443] }
  internet_egress = { ecs = [443] }
}

run "every_rule_has_both_ends" {
  command = plan

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.group) == 2 && length(aws_vpc_security_group_egress_rule.group) == 2
    error_message = "a rule is an egress of one group and an ingress of the other"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.group : rule.cidr_ipv4 == null])
    error_message = "rules between groups name groups, not ranges"
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.public : rule.from_port]) == toset([80, 443])
    error_message = "only 80 and 443 are public"
  }
}

run "only_the_alb_is_public" {
  command = plan

  variables {
    public_ingress = { rds = [443] }
  }

  expect_failures = [var.public_ingress]
}

run "no_other_public_port" {
  command = plan

  variables {
    public_ingress = { alb = [22] }
  }

  expect_failures = [var.public_ingress]
}

run "an_unknown_group_is_refused" {
  command = plan

  variables {
    rules = { nowhere = { from = "alb", to = "cache", port = 6379 } }
  }

  expect_failures = [var.rules]
}
