mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name               = "test-lgtm"
  account_id         = "111122223333"
  region             = "ap-northeast-2"
  vpc_id             = "vpc-1"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  namespace          = { id = "ns-1", domain = "test.internal" }
  tenants            = ["blue"]
  table = {
    tenant_header = "X-Scope-OrgID"
    backends = {
      store  = { port = 8080, health_path = "/ready" }
      intake = { port = 4318, health_path = "/ready", health_port = 3200 }
      pages  = { port = 3000, health_path = "/api/health" }
    }
    routes = [
      { name = "push", priority = 100, paths = ["/push", "/ingest"], backend = "store", tenant = true },
      { name = "traces", priority = 110, paths = ["/v1/traces"], backend = "intake", tenant = true },
      { name = "pages", priority = 1000, paths = ["/*"], backend = "pages", tenant = false },
    ]
  }
}

run "health_is_asked_on_the_health_port" {
  command = plan

  assert {
    condition     = { for name, group in aws_lb_target_group.this : name => group.health_check[0].port } == { store = "8080", intake = "3200", pages = "3000" }
    error_message = "a backend without a health path of its own is asked on another port"
  }

  assert {
    condition     = aws_lb.this.internal && aws_lb.this.enable_deletion_protection
    error_message = "the load balancer is internal and protected"
  }

  assert {
    condition     = aws_lb.this.access_logs[0].enabled && module.logs.name == "test-lgtm-logs-111122223333"
    error_message = "requests are logged into the load balancer's own bucket"
  }

  assert {
    condition     = output.endpoint == "http://lgtm.test.internal"
    error_message = "clients know the load balancer by a name that stays"
  }
}

run "what_lacks_the_tenant_is_refused_before_the_last_route" {
  command = plan

  assert {
    condition     = { for name, rule in aws_lb_listener_rule.forward : name => rule.priority } == { "push:0" = 100, "traces:0" = 110, pages = 1000 }
    error_message = "forwarding rules have the priorities of the table"
  }

  assert {
    condition     = { for name, rule in aws_lb_listener_rule.refuse : name => rule.priority } == { push = 109, traces = 119 }
    error_message = "each tenant route is followed by its refusal"
  }
}

run "a_rule_sends_to_its_backend" {
  command = plan

  override_resource {
    target          = aws_lb_target_group.this["store"]
    override_during = plan
    values          = { arn = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/store/1" }
  }

  override_resource {
    target          = aws_lb_target_group.this["intake"]
    override_during = plan
    values          = { arn = "arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/intake/1" }
  }

  assert {
    condition = (
      endswith(aws_lb_listener_rule.forward["push:0"].action[0].target_group_arn, "store/1") &&
      endswith(aws_lb_listener_rule.forward["traces:0"].action[0].target_group_arn, "intake/1")
    )
    error_message = "a rule sends to the group of its route's backend"
  }
}

run "a_former_tenant_gets_rules_of_its_own" {
  command = plan

  variables {
    tenants = ["blue", "green"]
  }

  assert {
    condition     = aws_lb_listener_rule.forward["push:0"].priority == 100 && aws_lb_listener_rule.forward["push:1"].priority == 101
    error_message = "a new tenant must not move the rule of another"
  }
}

run "all_tenants_in_one_header_only_read" {
  command = plan

  variables {
    tenants = ["blue", "green"]
    table = {
      tenant_header = "X-Scope-OrgID"
      backends      = { store = { port = 8080, health_path = "/ready" } }
      routes = [
        { name = "push", priority = 100, paths = ["/push"], backend = "store", tenant = true },
        { name = "query", priority = 110, paths = ["/*"], backend = "store", tenant = true, federated = true },
      ]
    }
  }

  assert {
    condition = {
      for name, rule in aws_lb_listener_rule.forward : name => rule.priority
    } == { "push:0" = 100, "push:1" = 101, "query:0" = 110, "query:1" = 111, "query:all" = 118 }
    error_message = "one more rule where data are read"
  }

  assert {
    condition     = one(flatten([for condition in aws_lb_listener_rule.forward["query:all"].condition : [for header in condition.http_header : header.values]])) == "green|blue"
    error_message = "the current tenant comes first"
  }
}

run "a_federated_route_takes_a_tenant" {
  command = plan

  variables {
    table = {
      tenant_header = "X-Scope-OrgID"
      backends      = { store = { port = 8080, health_path = "/ready" } }
      routes        = [{ name = "query", priority = 110, paths = ["/*"], backend = "store", tenant = false, federated = true }]
    }
  }

  expect_failures = [var.table]
}

run "a_tenant_is_no_pattern" {
  command = plan

  variables {
    tenants = ["*"]
  }

  expect_failures = [var.tenants]
}

run "routes_too_near_are_refused" {
  command = plan

  variables {
    table = {
      tenant_header = "X-Scope-OrgID"
      backends      = { pages = { port = 3000, health_path = "/" } }
      routes = [
        { name = "one", priority = 100, paths = ["/a"], backend = "pages", tenant = true },
        { name = "two", priority = 105, paths = ["/*"], backend = "pages", tenant = false },
      ]
    }
  }

  expect_failures = [var.table]
}

run "too_many_values_are_refused" {
  command = plan

  variables {
    table = {
      tenant_header = "X-Scope-OrgID"
      backends      = { pages = { port = 3000, health_path = "/" } }
      routes        = [{ name = "one", priority = 100, paths = ["/a", "/b", "/c", "/d", "/e"], backend = "pages", tenant = true }]
    }
  }

  expect_failures = [var.table]
}
