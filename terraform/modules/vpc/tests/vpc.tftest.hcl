mock_provider "aws" {}

variables {
  name               = "test-network"
  region             = "ap-northeast-2"
  cidr               = "10.0.0.0/16"
  availability_zones = ["ap-northeast-2a", "ap-northeast-2b", "ap-northeast-2c"]
  nat_gateways       = "per_zone"
  dns_domain         = "test.internal"
}

run "ranges_follow_the_position_of_the_zone" {
  command = plan

  assert {
    condition     = output.private_subnet_cidrs == ["10.0.0.0/19", "10.0.32.0/19", "10.0.64.0/19"]
    error_message = "private subnets must be the first /19 blocks"
  }

  assert {
    condition     = output.public_subnet_cidrs == ["10.0.128.0/20", "10.0.144.0/20", "10.0.160.0/20"]
    error_message = "public subnets must be the /20 blocks 8 to 10"
  }

  assert {
    condition     = output.data_subnet_cidrs == ["10.0.192.0/20", "10.0.208.0/20", "10.0.224.0/20"]
    error_message = "data subnets must be the /20 blocks 12 to 14"
  }
}

run "a_nat_gateway_in_every_zone" {
  command = plan

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_route.nat) == 3
    error_message = "per_zone wants a NAT gateway and a route of its own in each zone"
  }

  assert {
    condition     = alltrue([for zone, subnet in aws_subnet.public : !coalesce(subnet.map_public_ip_on_launch, false)])
    error_message = "no subnet gives public addresses by itself"
  }
}

run "one_nat_gateway_for_all" {
  command = plan

  variables {
    nat_gateways = "one"
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["ap-northeast-2a"] && length(aws_route.nat) == 3
    error_message = "one NAT gateway, in the first zone, must carry all private subnets"
  }
}

run "one_zone_for_hosts_still_has_two_of_subnets" {
  command = plan

  variables {
    availability_zones        = ["ap-northeast-2a"]
    subnet_availability_zones = ["ap-northeast-2c"]
  }

  assert {
    condition     = length(aws_subnet.public) == 2 && length(aws_subnet.private) == 2 && length(aws_subnet.data) == 2 && length(aws_nat_gateway.this) == 1
    error_message = "databases and load balancers need two zones of subnets, and one NAT gateway is enough for them"
  }
}

run "one_zone_of_subnets_is_refused" {
  command = plan

  variables {
    availability_zones = ["ap-northeast-2a"]
  }

  expect_failures = [var.subnet_availability_zones]
}

run "a_host_address_is_no_range" {
  command = plan

  variables {
    cidr = "10.0.1.0/16"
  }

  expect_failures = [var.cidr]
}

run "a_smaller_range_is_refused" {
  command = plan

  variables {
    cidr = "10.0.0.0/20"
  }

  expect_failures = [var.cidr]
}
